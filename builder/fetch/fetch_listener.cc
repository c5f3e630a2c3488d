// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/fetch_listener.h"

#include <mutex>
#include <utility>

namespace imgbuild::builder {
namespace {

struct Hearing {
    std::mutex mutex;
    FetchListener::Hear hear;
};

Hearing& hearing() {
    static Hearing one;
    return one;
}

}  // namespace

FetchListener::FetchListener(Hear hear) {
    const std::lock_guard lock(hearing().mutex);
    before_ = std::exchange(hearing().hear, std::move(hear));
}

FetchListener::~FetchListener() {
    const std::lock_guard lock(hearing().mutex);
    hearing().hear = std::move(before_);
}

void FetchListener::tell(const std::string& note) {
    const std::lock_guard lock(hearing().mutex);
    if (hearing().hear) hearing().hear(note);
}

}  // namespace imgbuild::builder
