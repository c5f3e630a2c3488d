// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/plain/plain_proc.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "base/stream.h"

namespace imgbuild::builder {
namespace {

constexpr std::uint64_t proc_file_limit = 1 << 20;

// Of the machine; nothing that names processes, mounts or the network of the container around.
constexpr std::array copied{"cpuinfo",
                            "devices",
                            "filesystems",
                            "loadavg",
                            "meminfo",
                            "stat",
                            "uptime",
                            "version",
                            "sys/fs/file-max",
                            "sys/kernel/cap_last_cap",
                            "sys/kernel/ngroups_max",
                            "sys/kernel/osrelease",
                            "sys/kernel/ostype",
                            "sys/kernel/pid_max",
                            "sys/kernel/threads-max",
                            "sys/kernel/version",
                            "sys/vm/max_map_count",
                            "sys/vm/overcommit_memory",
                            "self/limits"};

void write_proc_file(const Directory& out, const ImagePath& path, std::string_view content) {
    out.make_directory(path.parent());
    Fd file = out.open(path, O_WRONLY | O_CREAT | O_EXCL, FollowLinks::never, 0444);
    FdWriter(file.get(), path.absolute()).write(as_bytes(content));
}

}  // namespace

void write_static_proc(const Directory& out) {
    const Directory host = Directory::open_host("/proc");
    for (const char* name : copied) {
        try {
            const ImagePath path = ImagePath::clean(name);
            const Fd file = host.open(path, O_RDONLY, FollowLinks::inside);
            write_proc_file(out, path, read_file(file.get(), proc_file_limit, path.absolute()));
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::no_space) throw;
            // A kernel or a container without it: then a command does without it, too.
        }
    }
    const std::string mounts = "rootfs / rootfs rw 0 0\n";
    write_proc_file(out, ImagePath::clean("self/mounts"), mounts);
    write_proc_file(out, ImagePath::clean("self/mountinfo"), "1 1 0:1 / / rw - rootfs rootfs rw\n");
    write_proc_file(out, ImagePath::clean("self/cgroup"), "0::/\n");
    for (const auto& [name, target] : {std::pair("mounts", "self/mounts"), std::pair("thread-self", "self")})
        if (::symlinkat(target, out.fd(), name) < 0) throw_errno("make link", name);
    for (const char* name : {"self/fd", "sys/net"}) out.make_directory(ImagePath::clean(name));
}

}  // namespace imgbuild::builder
