// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/single/identity_answers.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>

#include "builder/sandbox/confine.h"

namespace imgbuild::builder {
namespace {

constexpr std::uint64_t most_groups = 65536;  // NGROUPS_MAX

template <class Value>
bool put(const Task& task, std::uint64_t address, const Value& value) {
    return task.write(address, std::as_bytes(std::span(&value, 1)));
}

// The calls of one task about itself.
class IdentityCall {
  public:
    IdentityCall(const WaitingCall& call, const Task& task, CredentialTable& table)
        : call_(call), task_(task), table_(table), state_(table.state_of(call.task)), credentials_(table[state_]) {}

    CallAnswer set(bool users, const std::optional<TaskIds>& ids) {
        if (!ids) return CallAnswer::fail(EPERM);
        TaskCredentials changed = credentials_;
        if (users)
            changed.set_user(*ids);
        else
            changed.group = *ids;
        return store(changed);
    }

    CallAnswer set_one(bool users) {
        if (id(0) == unchanged_id) return CallAnswer::fail(EINVAL);
        return set(users, ids(users).with_one(id(0), may_set(users)));
    }
    CallAnswer set_two(bool users) { return set(users, ids(users).with_two(id(0), id(1), may_set(users))); }
    CallAnswer set_three(bool users) {
        return set(users, ids(users).with_three({id(0), id(1), id(2)}, may_set(users)));
    }

    CallAnswer set_files(bool users) {
        const std::uint32_t before = ids(users).files;
        set(users, ids(users).with_files(id(0), may_set(users)));
        return CallAnswer::value(before);
    }

    CallAnswer set_groups() {
        if (!may_set(false)) return CallAnswer::fail(EPERM);
        const std::uint64_t count = call_.argument(0);
        if (count > most_groups) return CallAnswer::fail(EINVAL);
        TaskCredentials changed = credentials_;
        changed.groups.resize(count);
        if (count > 0 && !task_.read(call_.argument(1), std::as_writable_bytes(std::span(changed.groups))))
            return CallAnswer::fail(EFAULT);
        return store(changed);
    }

    CallAnswer get_three(bool users) const {
        const std::array<std::uint32_t, 3> values{ids(users).real, ids(users).effective, ids(users).saved};
        for (unsigned i = 0; i < values.size(); ++i)
            if (!put(task_, call_.argument(i), values[i])) return CallAnswer::fail(EFAULT);
        return CallAnswer::value(0);
    }

    CallAnswer get_groups() const {
        const auto& groups = credentials_.groups;
        const int size = call_.int_argument(0);
        if (size == 0) return CallAnswer::value(static_cast<std::int64_t>(groups.size()));
        if (size < 0 || static_cast<std::size_t>(size) < groups.size()) return CallAnswer::fail(EINVAL);
        if (!groups.empty() && !task_.write(call_.argument(1), std::as_bytes(std::span(groups))))
            return CallAnswer::fail(EFAULT);
        return CallAnswer::value(static_cast<std::int64_t>(groups.size()));
    }

    // The kernel takes away or gives what it has, which is no less, once it was found permitted here.
    CallAnswer set_capabilities() {
        __user_cap_header_struct header{};
        CapabilityData data{};
        if (!read_header(header) || !task_.read(call_.argument(1), std::as_writable_bytes(std::span(data))))
            return CallAnswer::proceed();
        TaskCredentials changed = credentials_;
        if (!changed.set_rights(whole(data[0].permitted, data[1].permitted),
                                whole(data[0].effective, data[1].effective)))
            return CallAnswer::fail(EPERM);
        store(changed);
        return CallAnswer::proceed();
    }

    CallAnswer get_capabilities() const {
        __user_cap_header_struct header{};
        if (!read_header(header) || call_.argument(1) == 0) return CallAnswer::proceed();
        const pid_t asked = header.pid == 0 ? call_.task : header.pid;
        header.pid = asked;
        CapabilityData data{};
        if (::syscall(SYS_capget, &header, data.data()) < 0) return CallAnswer::proceed();
        const TaskRights& rights = table_[table_.state_of(asked)].rights;
        for (unsigned half = 0; half < data.size(); ++half) {
            data[half].permitted &= static_cast<std::uint32_t>(rights.permitted >> (32 * half));
            data[half].effective &= static_cast<std::uint32_t>(rights.effective >> (32 * half));
        }
        return put(task_, call_.argument(1), data) ? CallAnswer::value(0) : CallAnswer::fail(EFAULT);
    }

    CallAnswer keep_capabilities(bool kept) {
        TaskCredentials changed = credentials_;
        changed.rights.kept = kept;
        store(changed);
        return CallAnswer::proceed();
    }

    const TaskIds& ids(bool users) const noexcept { return users ? credentials_.user : credentials_.group; }

  private:
    using CapabilityData = std::array<__user_cap_data_struct, 2>;

    static std::uint64_t whole(std::uint32_t low, std::uint32_t high) noexcept {
        return low | std::uint64_t{high} << 32;
    }
    // False also for the versions of 32 capabilities, which no libc of the last ten years uses.
    bool read_header(__user_cap_header_struct& header) const {
        return task_.read(call_.argument(0), std::as_writable_bytes(std::span(&header, 1))) &&
               (header.version == _LINUX_CAPABILITY_VERSION_3 || header.version == _LINUX_CAPABILITY_VERSION_2);
    }
    bool may_set(bool users) const noexcept { return credentials_.may(users ? CAP_SETUID : CAP_SETGID); }
    std::uint32_t id(unsigned index) const noexcept { return static_cast<std::uint32_t>(call_.argument(index)); }

    CallAnswer store(const TaskCredentials& changed) {
        if (changed != credentials_) table_.set_credentials(call_.task, state_, changed);
        return CallAnswer::value(0);
    }

    const WaitingCall& call_;
    const Task& task_;
    CredentialTable& table_;
    ProcessState state_;
    const TaskCredentials& credentials_;
};

// As if it had never been touched: no program may see what it carries, or change it.
CallAnswer answer_about_limit(const Task& task, std::uint64_t where_to_put) {
    const rlimit64 unlimited{RLIM64_INFINITY, RLIM64_INFINITY};
    return where_to_put == 0 || put(task, where_to_put, unlimited) ? CallAnswer::value(0) : CallAnswer::fail(EFAULT);
}

}  // namespace

std::uint64_t root_capabilities(SecurityMode security) noexcept {
    return security == SecurityMode::insecure ? ~std::uint64_t{0} : default_capabilities;
}

std::optional<CallAnswer> answer_about_ids(const WaitingCall& call, const Task& task, CredentialTable& table) {
    auto made = [&] { return IdentityCall(call, task, table); };
    switch (call.data.nr) {
        case SYS_getuid: return CallAnswer::value(made().ids(true).real);
        case SYS_geteuid: return CallAnswer::value(made().ids(true).effective);
        case SYS_getgid: return CallAnswer::value(made().ids(false).real);
        case SYS_getegid: return CallAnswer::value(made().ids(false).effective);
        case SYS_getresuid: return made().get_three(true);
        case SYS_getresgid: return made().get_three(false);
        case SYS_getgroups: return made().get_groups();
        case SYS_setuid: return made().set_one(true);
        case SYS_setgid: return made().set_one(false);
        case SYS_setreuid: return made().set_two(true);
        case SYS_setregid: return made().set_two(false);
        case SYS_setresuid: return made().set_three(true);
        case SYS_setresgid: return made().set_three(false);
        case SYS_setfsuid: return made().set_files(true);
        case SYS_setfsgid: return made().set_files(false);
        case SYS_setgroups: return made().set_groups();
        case SYS_capset: return made().set_capabilities();
        case SYS_capget: return made().get_capabilities();
        case SYS_prctl: return made().keep_capabilities(call.argument(1) != 0);
        case SYS_prlimit64: return answer_about_limit(task, call.argument(3));
        case SYS_getrlimit: return answer_about_limit(task, call.argument(1));
        case SYS_setrlimit: return CallAnswer::value(0);
        default: return std::nullopt;
    }
}

}  // namespace imgbuild::builder
