// SPDX-License-Identifier: Apache-2.0
#pragma once

// A context and a folder for its index, both thrown away at the end: for the tests of this folder.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "builder/context/context_scan.h"

namespace imgbuild::builder::test {

inline ImagePath at(std::string_view text) { return ImagePath::clean(text); }

struct ContextFixture {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    Directory context = Directory::create_host(scratch.path() + "/context");
    Directory indexes = Directory::create_host(scratch.path() + "/indexes");
    TaskPool pool{3};
    parser::IgnoreRules rules;
    ContextOptions options{.ignore = nullptr, .wanted = {ImagePath()}, .git_modes = false, .racy_margin = {}};

    std::string path(std::string_view name) const { return context.name() + "/" + std::string(name); }

    void folder(std::string_view name) const { context.make_directory(at(name)); }
    void file(std::string_view name, std::string_view bytes = "bytes") const {
        if (!at(name).parent().is_root()) folder(at(name).parent().bytes());
        Fd fd(::open(path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        FdWriter(fd.get(), std::string(name)).write(as_bytes(bytes));
    }
    void link(std::string_view name, std::string_view target) const {
        if (!at(name).parent().is_root()) folder(at(name).parent().bytes());
        if (::symlink(std::string(target).c_str(), path(name).c_str()) != 0) throw_errno("link", name);
    }
    void socket(std::string_view name) const {
        Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path(name).copy(address.sun_path, sizeof address.sun_path - 1);
        if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw_errno("bind", name);
    }

    void ignore(std::vector<std::string> patterns) {
        parser::Diagnostics diagnostics;
        rules = parser::IgnoreRules::from_patterns(patterns, {}, diagnostics);
        options.ignore = &rules;
    }
    void want(const std::vector<std::string>& paths) {
        options.wanted.clear();
        for (const std::string& wanted : paths) options.wanted.push_back(at(wanted));
    }

    /// Lets the clock of the file system move on, so that the index trusts what was written before.
    static void age() { std::this_thread::sleep_for(std::chrono::milliseconds(25)); }

    ScannedContext scan() { return scan_context(context, options, indexes, pool); }
    ScannedContext scan_aged() {
        age();
        return scan();
    }
    std::string index_file() const { return indexes.name() + "/" + indexes.list().at(0); }
};

/// Runs as nobody where the tests run as root, whom no mode keeps out.
struct AsNobody {
    bool root = ::geteuid() == 0;
    AsNobody() {
        if (root && ::seteuid(65534) != 0) throw_errno("become", "nobody");
    }
    ~AsNobody() {
        if (root && ::seteuid(0) != 0) std::terminate();
    }
};

/// "a a/b c": every path below the root, in path order.
inline std::string paths_of(const layerstore::Tree& tree) {
    std::string text;
    tree.walk([&](const ImagePath& path, const layerstore::Child&) {
        text += (text.empty() ? "" : " ") + std::string(path.relative());
        return true;
    });
    return text;
}

}  // namespace imgbuild::builder::test
