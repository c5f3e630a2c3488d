// SPDX-License-Identifier: Apache-2.0
#pragma once

// Users and groups of an image by name, from the text of its /etc/passwd and /etc/group. Pure: who asks brings the
// files. NSS is never asked: it would answer for the host.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::builder {

/// What an image knows of its users; a file that is missing is "".
struct AccountFiles {
    std::string passwd;
    std::string group;
};

/// More than this is not read: a hostile image could have a file of any size there.
inline constexpr std::uint64_t max_account_file_bytes = 1 << 20;

struct Owner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    friend bool operator==(const Owner&, const Owner&) = default;
};

struct Account {
    Owner owner;
    std::vector<std::uint32_t> groups;  ///< supplementary, ascending, each once
    std::string home;                   ///< "/" where nothing says
    friend bool operator==(const Account&, const Account&) = default;
};

/// False if `text` ("user[:group]") can be answered without files: numbers, "root" and "".
bool needs_account_files(std::string_view text) noexcept;

/// The owner that --chown means: a number alone is user and group; the group of a name alone is its primary one.
/// Error{usage} naming what is not in the files, or a number above 2^32 - 2.
Owner find_owner(std::string_view text, const AccountFiles& files);

/// The account that USER means when a command runs as it: as find_owner(), but a number alone takes group, home and
/// supplementary groups from its line in passwd, where there is one, else group 0.
Account find_account(std::string_view text, const AccountFiles& files);

}  // namespace imgbuild::builder
