// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything a RUN needs, as data: the sandbox carries a RunSpec out and decides nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/image_path.h"
#include "builder/sandbox/network/uplink.h"

namespace imgbuild::builder {

enum class NetworkMode : std::uint8_t {
    standard,  ///< what the sandbox makes of it: `own` where that works, else `host`
    host,      ///< the host's network namespace
    none,      ///< an own one with nothing but lo
    own,       ///< an own one with a way out, RunSpec::uplink
};
/// True where the host's interfaces, addresses and abstract sockets are not the command's.
constexpr bool has_own_network(NetworkMode mode) noexcept {
    return mode == NetworkMode::none || mode == NetworkMode::own;
}
enum class SecurityMode : std::uint8_t { sandbox, insecure };

/// Numeric identity of the process; names were resolved in the image's own passwd and group before.
struct Credentials {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;  ///< supplementary
};

/// A file tree mounted at `target`: a stack of materialised deltas and a path inside it.
struct BindMount {
    ImagePath target;
    std::vector<DeltaId> layers;  ///< lowest first
    ImagePath source;             ///< inside the stack; a directory or a file
    bool writable = false;        ///< writes are seen by the command and then thrown away
};

enum class CacheSharing : std::uint8_t { shared, exclusive, locked };  ///< exclusive is the language's "private"

/// A directory that outlives the build: RUN --mount=type=cache.
struct CacheMount {
    ImagePath target;
    std::string id;    ///< any bytes; its hash names the directory
    ImagePath source;  ///< inside the cache directory
    CacheSharing sharing = CacheSharing::shared;
    std::uint16_t mode = 0755;  ///< with uid and gid: used when the directory is first made
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    bool read_only = false;
    std::vector<DeltaId> from;  ///< initial content, lowest first; empty for an empty directory
    ImagePath from_source;
};

struct TmpfsMount {
    ImagePath target;
    std::uint64_t size = 0;  ///< bytes; 0 for the kernel's default
};

/// A file that exists while the command runs: RUN --mount=type=secret. Never on a disk.
struct SecretMount {
    ImagePath target;
    std::string content;
    std::uint16_t mode = 0400;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

/// A unix socket of the host that was made for the command, which becomes its owner: RUN --mount=type=ssh.
struct SocketMount {
    ImagePath target;
    std::string host_path;
    std::uint16_t mode = 0600;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

struct ResourceLimit {
    std::string name;  ///< "nofile", "nproc", … as ulimit knows them
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
};

/// What the processes of a command may use together: kept by control groups (builder/sandbox/cgroup.h), where this
/// machine lets us make them. 0 is no limit. Nothing of it is part of a step's key: it decides whether a command ends,
/// not what it makes.
struct ResourceBudget {
    std::uint64_t memory = 0;                      ///< bytes
    std::optional<std::uint64_t> memory_and_swap;  ///< bytes of both; 2^64 - 1: any swap; empty: twice `memory`
    std::uint64_t cpu_quota = 0;                   ///< microseconds of all processors in each period
    std::uint64_t cpu_period = 100'000;            ///< microseconds
    std::uint64_t cpu_shares = 0;                  ///< weight against others, 1024 is usual
    std::string processors;                        ///< "0-3,5": those that may be used
    std::string memory_nodes;                      ///< the same of NUMA nodes
    std::uint64_t processes = 0;                   ///< and threads
    std::string parent;                            ///< cgroup that the command's is made in; empty: one near our own

    friend bool operator==(const ResourceBudget&, const ResourceBudget&) = default;
    bool is_set() const { return *this != ResourceBudget{}; }
};

/// The size of a terminal that a command gets.
struct TerminalSize {
    std::uint16_t rows = 24;
    std::uint16_t columns = 80;
};

struct RunSpec {
    std::vector<DeltaId> layers;           ///< the root file system, lowest first; all materialised
    std::vector<std::string> arguments;    ///< argv, not empty
    std::vector<std::string> stand_ins;    ///< programs that are taken, in order, where arguments[0] is not there
    std::vector<std::string> environment;  ///< "NAME=value", complete
    ImagePath working_directory;           ///< where missing, made for `credentials` with mode 0755
    Credentials credentials;
    NetworkMode network = NetworkMode::standard;
    Uplink uplink;  ///< found by the sandbox itself
    SecurityMode security = SecurityMode::sandbox;
    /// A process namespace and a /proc of its own: found by the sandbox itself (Rung::shares_processes).
    bool own_processes = true;
    std::string hostname = "buildkitsandbox";
    std::vector<std::pair<std::string, std::string>> added_hosts;  ///< (name, address) for /etc/hosts
    std::uint64_t shm_size = 64 << 20;                             ///< bytes
    std::vector<ResourceLimit> limits;
    ResourceBudget budget;
    std::uint64_t timeout_milliseconds = 0;  ///< after which the command is killed; 0: never
    /// The command's streams are a terminal of its own, which controls it; who runs it gets the other end.
    std::optional<TerminalSize> terminal;
    std::vector<BindMount> binds;
    std::vector<CacheMount> caches;
    std::vector<TmpfsMount> tmpfs;
    std::vector<SecretMount> secrets;
    std::vector<SocketMount> sockets;
    /// Files provided in a read-only directory (RUN heredocs with a #! line): (path, bytes), mode 0755.
    std::vector<std::pair<ImagePath, std::string>> scripts;
};

}  // namespace imgbuild::builder
