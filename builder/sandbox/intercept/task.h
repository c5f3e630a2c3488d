// SPDX-License-Identifier: Apache-2.0
#pragma once

// A thread of a command as who answers its calls sees it: its memory and its entry in /proc.

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>

#include "base/directory.h"

namespace imgbuild::builder {

class Task {
  public:
    /// `proc` is a /proc in which the number is right, borrowed; without one, only memory can be reached.
    explicit Task(pid_t number, const Directory* proc = nullptr) : number_(number), proc_(proc) {}

    pid_t number() const noexcept { return number_; }
    /// The string at an address; empty where there is none, or one longer than a path can be.
    std::optional<std::string> read_string(std::uint64_t address) const;
    bool read(std::uint64_t address, std::span<std::byte> bytes) const;
    bool write(std::uint64_t address, std::span<const std::byte> bytes) const;

    /// As write(), also over what the task itself may only read.
    bool overwrite(std::uint64_t address, std::span<const std::byte> bytes) const;

    /// What its link `name` ("cwd", "root", "exe", "fd/3") in /proc says; empty where there is none.
    std::optional<std::string> link(const std::string& name) const;
    /// Opens what that link leads to, with open(2) `flags`; an empty Fd where that cannot be done.
    Fd open_link(const std::string& name, int flags) const;

    struct Identity {
        pid_t process = 0;
        pid_t parent = 0;
        uid_t file_user = 0;
        gid_t file_group = 0;
        mode_t umask = 022;
    };
    std::optional<Identity> identity() const;

  private:
    std::string entry(const std::string& name) const { return std::to_string(number_) + "/" + name; }
    bool transfer(std::uint64_t address, std::byte* bytes, std::size_t size, bool writes) const;
    bool transfer_as_owner(std::uint64_t address, std::byte* bytes, std::size_t size, bool writes) const;

    pid_t number_;
    const Directory* proc_;
};

/// While it lives, this process looks at files as another user: for what is done in the name of a task. Needs to be
/// root, and one thread.
class AsFileUser {
  public:
    AsFileUser(uid_t user, gid_t group) noexcept;
    AsFileUser(const AsFileUser&) = delete;
    AsFileUser& operator=(const AsFileUser&) = delete;
    ~AsFileUser();

  private:
    bool changed_;
};

}  // namespace imgbuild::builder
