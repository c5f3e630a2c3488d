// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "base/cancel.h"
#include "builder/fetch/detail/host_slots.h"

namespace imgbuild::builder::detail {
namespace {

// A wish to stop is seen after this long.
constexpr std::chrono::milliseconds longest_wait{200};

struct Slots {
    std::mutex mutex;
    std::condition_variable freed;
    std::map<std::string, std::size_t> taken;
};

Slots& slots() {
    static Slots all;
    return all;
}

}  // namespace

HostSlot::HostSlot(std::string domain) : domain_(std::move(domain)) {
    std::unique_lock lock(slots().mutex);
    while (slots().taken[domain_] >= most_transfers) {
        throw_if_cancelled();
        slots().freed.wait_for(lock, longest_wait);
    }
    ++slots().taken[domain_];
}

HostSlot::~HostSlot() {
    const std::lock_guard lock(slots().mutex);
    --slots().taken[domain_];
    slots().freed.notify_all();
}

}  // namespace imgbuild::builder::detail
