// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/id_maps.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/process.h"
#include "base/stream.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr std::uint64_t map_limit = 1 << 16;

std::vector<std::uint64_t> numbers_in(std::string_view line) {
    std::vector<std::uint64_t> numbers;
    for (std::string_view word : split(line, ' ')) {
        if (word.empty()) continue;
        auto number = parse_unsigned(word);
        if (!number) return {};
        numbers.push_back(*number);
    }
    return numbers;
}

// In one write: the kernel takes a map whole or not at all.
void write_whole(const std::string& path, std::string_view text) {
    Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) throw_errno("open", path);
    if (::write(file.get(), text.data(), text.size()) < 0) throw_errno("write", path);
}

void write_map(pid_t pid, const char* file, const std::vector<IdRange>& ranges) {
    std::string text;
    for (const IdRange& range : ranges) text += fmt::format("{} {} {}\n", range.inside, range.outside, range.count);
    write_whole(fmt::format("/proc/{}/{}", pid, file), text);
}

void run_map_program(const std::string& name, pid_t pid, const std::vector<IdRange>& ranges) {
    auto program = find_program(name);
    if (!program)
        throw Error(ErrorKind::unsupported, fmt::format("map ids: {} is not installed", name),
                    "install it: apt-get install uidmap");
    ProcessOptions options;
    options.arguments = {*program, std::to_string(pid)};
    for (const IdRange& range : ranges)
        for (std::uint32_t number : {range.inside, range.outside, range.count})
            options.arguments.push_back(std::to_string(number));
    CapturedOutput output = run_and_capture(options);
    if (!output.status.ok())
        throw Error(ErrorKind::unsupported,
                    fmt::format("map ids: {} refused: {}", name, printable(trim(output.standard_error))),
                    "check /etc/subuid and /etc/subgid, and that newuidmap and newgidmap are set-uid root");
}

}  // namespace

std::vector<IdRange> parse_id_map(std::string_view text) {
    std::vector<IdRange> ranges;
    for (std::string_view line : split(text, '\n')) {
        std::vector<std::uint64_t> numbers = numbers_in(line);
        if (numbers.size() != 3) continue;
        ranges.push_back({static_cast<std::uint32_t>(numbers[0]), static_cast<std::uint32_t>(numbers[1]),
                          static_cast<std::uint32_t>(numbers[2])});
    }
    return ranges;
}

std::vector<IdRange> own_id_map(const std::string& file) {
    return parse_id_map(Directory::open_host("/proc/self").read_file(ImagePath().child(file), map_limit));
}

bool in_initial_user_namespace() noexcept {
    constexpr ino_t initial = 0xeffffffd;  // PROC_USER_INIT_INO, fixed since there are user namespaces
    struct stat status {};
    return ::stat("/proc/self/ns/user", &status) == 0 && status.st_ino == initial;
}

bool is_mapped(const std::vector<IdRange>& ranges, std::uint32_t inside) noexcept {
    for (const IdRange& range : ranges)
        if (inside >= range.inside && inside - range.inside < range.count) return true;
    return false;
}

std::vector<IdRange> rootless_map(std::uint32_t caller, const std::vector<IdRange>& subordinate) {
    std::vector<IdRange> map{{0, caller, 1}};
    std::uint32_t next = 1;
    for (const IdRange& range : subordinate) {
        map.push_back({next, range.outside, range.count});
        next += range.count;
    }
    return map;
}

void become_only_id_of_namespace() {
    const std::vector<IdRange> user{{0, ::geteuid(), 1}};
    const std::vector<IdRange> group{{0, ::getegid(), 1}};
    if (::unshare(CLONE_NEWUSER) < 0) throw_errno("make", "a user namespace");
    write_map(::getpid(), "uid_map", user);
    // Or a process could leave a group that keeps it out of something.
    write_whole("/proc/self/setgroups", "deny");
    write_map(::getpid(), "gid_map", group);
}

void give_maps(pid_t pid, const Rung& rung) {
    if (::geteuid() == 0) {
        write_map(pid, "uid_map", rung.uid_map);
        write_map(pid, "gid_map", rung.gid_map);
        return;
    }
    run_map_program("newuidmap", pid, rung.uid_map);
    run_map_program("newgidmap", pid, rung.gid_map);
}

}  // namespace imgbuild::builder
