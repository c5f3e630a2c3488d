// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/mount_calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

// "nofollow" is the one word that the kernel takes with and without userxattr.
constexpr std::array overlay_options{std::pair("redirect_dir", "nofollow"), std::pair("metacopy", "off"),
                                     std::pair("index", "off"), std::pair("xino", "off")};

unsigned attributes_of(const MountFlags& flags) {
    return (flags.read_only ? MOUNT_ATTR_RDONLY : 0U) | (flags.no_suid ? MOUNT_ATTR_NOSUID : 0U) |
           (flags.no_dev ? MOUNT_ATTR_NODEV : 0U) | (flags.no_exec ? MOUNT_ATTR_NOEXEC : 0U);
}

// What the file system wrote about its refusal, behind strerror's word.
[[noreturn]] void throw_mount(int context, const std::string& type, int problem) {
    std::string notes;
    std::array<char, 512> line;
    for (ssize_t count = 0; (count = ::read(context, line.data(), line.size())) > 2;)
        notes += "; " + printable(trim(std::string_view(line.data(), static_cast<std::size_t>(count)).substr(2)));
    try {
        throw_errno("mount", type, problem);
    } catch (const Error& error) {
        throw Error(error.kind(), error.message() + notes, error.hint());
    }
}

class FileSystemContext {
  public:
    explicit FileSystemContext(const std::string& type) : type_(type), fd_(::fsopen(type.c_str(), FSOPEN_CLOEXEC)) {
        if (!fd_) throw_errno("mount", type);
    }
    bool try_set(const char* name, const char* value) {
        return ::fsconfig(fd_.get(), value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, name, value, 0) == 0;
    }
    void set(const char* name, const char* value) {
        if (!try_set(name, value)) throw_mount(fd_.get(), type_, errno);
    }
    bool try_create() { return ::fsconfig(fd_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0; }
    Fd mount(unsigned attributes) {
        Fd mount(::fsmount(fd_.get(), FSMOUNT_CLOEXEC, attributes));
        if (!mount) throw_mount(fd_.get(), type_, errno);
        return mount;
    }
    [[noreturn]] void fail(int problem) { throw_mount(fd_.get(), type_, problem); }

  private:
    std::string type_;
    Fd fd_;
};

}  // namespace

Fd new_mount(const std::string& type, const std::vector<std::pair<std::string, std::string>>& options,
             const MountFlags& flags) {
    FileSystemContext context(type);
    for (const auto& [name, value] : options) {
        // Keeps a memory file system out of the swap space; older kernels and user namespaces do not know it.
        if (name == "noswap")
            context.try_set("noswap", nullptr);
        else
            context.set(name.c_str(), value.empty() ? nullptr : value.c_str());
    }
    if (!context.try_create()) context.fail(errno);
    return context.mount(attributes_of(flags));
}

Fd new_overlay(const OverlayMount& overlay) {
    FileSystemContext context("overlay");
    for (const std::string& layer : overlay.lower) {
        if (context.try_set("lowerdir+", layer.c_str())) continue;
        if (errno == EINVAL && &layer == &overlay.lower.front()) return Fd();
        context.fail(errno);
    }
    if (!overlay.upper.empty()) {
        context.set("upperdir", overlay.upper.c_str());
        context.set("workdir", overlay.work.c_str());
        context.try_set("volatile", nullptr);
    }
    for (const auto& [name, value] : overlay_options) context.try_set(name, value);
    if (overlay.user_attributes) context.set("userxattr", nullptr);
    if (!context.try_create()) {
        if (errno == EINVAL) return Fd();
        context.fail(errno);
    }
    return context.mount(overlay.no_devices ? MOUNT_ATTR_NODEV : 0U);
}

void mount_overlay_by_links(const OverlayMount& overlay, int links, const std::string& target) {
    std::string options = "index=off,redirect_dir=nofollow,metacopy=off,xino=off";
    if (overlay.user_attributes) options += ",userxattr";
    std::array<char, 4096> here{};
    if (!::getcwd(here.data(), here.size())) throw_errno("find", "the working directory");
    std::string base = std::string(here.data()) + "/";
    auto link = [&](const std::string& path, const std::string& name) {
        if (::symlinkat((base + path).c_str(), links, name.c_str()) < 0) throw_errno("make link", name);
        return name;
    };
    std::string lower;
    for (std::size_t i = 0; i < overlay.lower.size(); ++i)
        lower += (i > 0 ? ":" : "") + link(overlay.lower[i], fmt::format("{:x}", i));
    options += ",lowerdir=" + lower;
    if (!overlay.upper.empty())
        options += fmt::format(",upperdir={},workdir={}", link(overlay.upper, "u"), link(overlay.work, "w"));
    if (::fchdir(links) < 0) throw_errno("enter", "the links of the layers");
    unsigned long flags = 0;
    if (overlay.no_devices) flags |= MS_NODEV;
    if (::mount("overlay", target.c_str(), "overlay", flags, options.c_str()) < 0) throw_errno("mount", "overlay");
}

Fd clone_mount(int source, bool recursive, const std::string& name) {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
    Fd mount(::open_tree(source, "", flags));
    if (!mount) throw_errno("bind", name);
    return mount;
}

void set_mount_flags(int mount, const MountFlags& flags, bool recursive) {
    mount_attr attributes{};
    attributes.attr_set = attributes_of(flags);
    if (attributes.attr_set == 0) return;
    unsigned how = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
    if (::mount_setattr(mount, "", how, &attributes, sizeof attributes) < 0) throw_errno("set flags of", "a mount");
}

void attach(int mount, int target, const std::string& name) {
    if (::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        throw_errno("mount on", name);
}

}  // namespace imgbuild::builder
