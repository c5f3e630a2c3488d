// SPDX-License-Identifier: Apache-2.0
#pragma once

// RUN --mount. Its option values may hold variables, even the type, so that a mount is typed in two steps:
// the parser keeps the options (MountFlag), and resolve_mount() makes a Mount once the environment is known.
// A flag without variables is resolved by the parser too, for its diagnostics.

#include "parser/lexer/environment.h"
#include "parser/lexer/word.h"
#include "parser/source/diagnostic.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace imgbuild::parser {

struct MountOption {
    std::string key;            ///< lower-case, as written otherwise ("src" stays "src")
    std::optional<Word> value;  ///< empty for a bare key ("ro")
    Span span;
};

struct MountFlag {
    std::vector<MountOption> options;
    /// The value of from=, which is never expanded: known to the planner before any environment is.
    std::optional<std::string> from;
    Span from_span;
    Span span;
};

enum class MountType { bind, cache, tmpfs, secret, ssh };
enum class CacheSharing { shared, exclusive, locked };  ///< exclusive is spelt `private`

/// "bind", "cache", …: as the language spells it.
std::string_view name_of(MountType type) noexcept;
std::string_view name_of(CacheSharing sharing) noexcept;

/// A mount with its values expanded and the defaults of its type filled in, but those that need the stage:
/// a relative target and an empty one are joined to WORKDIR by the planner, the defaults of a secret's and
/// an agent's target are left empty.
struct Mount {
    MountType type = MountType::bind;
    std::string target;  ///< may be relative; empty: see above
    std::string source;  ///< inside `from`; "" is its root. Not for secret and ssh
    std::optional<std::string> from;
    std::string id;  ///< cache: default is the target; secret: source, else the target's name; ssh: "default"
    std::optional<std::string> environment;  ///< secret: the variable that carries it
    bool read_only = false;                  ///< default true for bind
    bool required = false;                   ///< secret and ssh
    CacheSharing sharing = CacheSharing::shared;
    std::optional<std::uint32_t> mode;  ///< as given; the type decides the default
    std::optional<std::uint32_t> uid;
    std::optional<std::uint32_t> gid;
    std::optional<std::uint64_t> size;  ///< bytes; tmpfs
    Span span;

    friend bool operator==(const Mount&, const Mount&) = default;
};

struct MountResult {
    Mount mount;
    std::vector<std::string> read;       ///< names of variables that took part
    std::vector<std::string> undefined;  ///< as in Expansion
    std::optional<Diagnostic> error;
    bool ok() const noexcept { return !error; }
};

/// Expands and checks a mount (spec: docs/buildfile.md, RUN --mount).
MountResult resolve_mount(const MountFlag& flag, const Environment& environment);

/// Reads the value of `--mount=`, a CSV line of key=value fields. Faults go to `diagnostics`.
MountFlag parse_mount_flag(const Word& value, Diagnostics& diagnostics);

}  // namespace imgbuild::parser
