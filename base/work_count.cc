// SPDX-License-Identifier: Apache-2.0
#include "base/work_count.h"

#include <array>
#include <atomic>
#include <cstddef>

namespace imgbuild {
namespace {

std::array<std::atomic<std::uint64_t>, 3> counters{};

std::uint64_t value_of(Work work) noexcept {
    return counters[static_cast<std::size_t>(work)].load(std::memory_order_relaxed);
}

}  // namespace

void count_work(Work work, std::uint64_t bytes) noexcept {
    counters[static_cast<std::size_t>(work)].fetch_add(bytes, std::memory_order_relaxed);
}

WorkCount work_count() noexcept { return {value_of(Work::hash), value_of(Work::compress), value_of(Work::decompress)}; }

}  // namespace imgbuild
