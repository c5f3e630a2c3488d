// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/plain/plain_returns.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/wire.h"

namespace imgbuild::builder {
namespace {

constexpr const char* note_name = "returns";
constexpr std::uint64_t note_limit = 16 << 20;

void bring_back_one(const Directory& work, const Return& what) {
    const std::string from(what.place.name());
    struct stat status {};
    try {
        const Directory parent = work.open_directory(what.place.parent(), FollowLinks::never);
        if (::fstatat(parent.fd(), from.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return;
        if (status.st_dev != what.device || status.st_ino != what.inode) return;
        const Directory home = what.home.open();
        // What came into its place meanwhile is newer.
        ::renameat2(parent.fd(), from.c_str(), home.fd(), what.name.c_str(), RENAME_NOREPLACE);
    } catch (const Error&) {
        // The command made a link of a parent, or the cache was removed: there is no way back.
    }
}

}  // namespace

void note_return(const Directory& work, const Return& what) {
    WireWriter line;
    line.text(what.place.bytes())
        .text(what.home.directory)
        .text(what.home.within.bytes())
        .text(what.name)
        .varint(what.device)
        .varint(what.inode);
    const Fd note(::openat(work.fd(), note_name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!note) throw_errno("make", "a note of what was moved");
    const std::string& bytes = line.bytes();
    if (::write(note.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        throw_errno("write", "a note of what was moved");
}

void bring_back(const Directory& work) {
    try {
        if (!work.status(ImagePath().child(note_name))) return;
        const std::string bytes = work.read_file(ImagePath().child(note_name), note_limit);
        WireReader in(bytes, "a note of what was moved");
        while (!in.at_end()) {
            Return what;
            what.place = ImagePath::clean(in.text());
            what.home = {std::string(in.text()), ImagePath::clean(in.text())};
            what.name = in.text();
            what.device = in.varint();
            what.inode = in.varint();
            bring_back_one(work, what);
        }
    } catch (const Error&) {
        // Its last line was cut when its writer was killed, before it moved anything.
    }
}

}  // namespace imgbuild::builder
