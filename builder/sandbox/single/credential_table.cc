// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/single/credential_table.h"

#include <sys/resource.h>

#include "base/error.h"

namespace imgbuild::builder {
namespace {

// Far from every limit that somebody would set; above it: twice the index, and whether the root is another one.
constexpr rlim_t first_number = rlim_t{1} << 40;
constexpr rlim_t end_number = rlim_t{1} << 41;

}  // namespace

CredentialTable::CredentialTable(TaskCredentials start) {
    sets_.push_back(&numbers_.emplace(std::move(start), 0).first->first);
}

void CredentialTable::require_room() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_LOCKS, &limit) < 0) throw_errno("get", "the limit of file locks");
    if (limit.rlim_max < end_number)
        throw Error(ErrorKind::unsupported, "keep credentials: the limit of file locks is lowered here",
                    "start imgbuild where ulimit -H -x says unlimited");
}

ProcessState CredentialTable::state_of(pid_t process) const noexcept {
    if (!has_numbers_) return {};
    rlimit limit{};
    if (::prlimit(process, RLIMIT_LOCKS, nullptr, &limit) < 0) return {};
    if (limit.rlim_cur < first_number || limit.rlim_cur >= end_number) return {};
    const rlim_t number = limit.rlim_cur - first_number;
    const std::size_t index = number / 2;
    return {index < sets_.size() ? index : 0, number % 2 != 0};
}

void CredentialTable::store(pid_t process, ProcessState state) noexcept {
    has_numbers_ = true;
    rlimit limit{};
    if (::prlimit(process, RLIMIT_LOCKS, nullptr, &limit) < 0) return;  // it was killed
    limit.rlim_cur = first_number + 2 * state.credentials + (state.has_other_root ? 1 : 0);
    ::prlimit(process, RLIMIT_LOCKS, &limit, nullptr);
}

void CredentialTable::set_credentials(pid_t process, ProcessState state, const TaskCredentials& credentials) {
    const auto [known, is_new] = numbers_.try_emplace(credentials, sets_.size());
    if (is_new) sets_.push_back(&known->first);
    state.credentials = known->second;
    store(process, state);
}

void CredentialTable::set_other_root(pid_t process, ProcessState state) noexcept {
    state.has_other_root = true;
    store(process, state);
}

}  // namespace imgbuild::builder
