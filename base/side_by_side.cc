// SPDX-License-Identifier: Apache-2.0
#include "base/side_by_side.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>

namespace imgbuild {
namespace {

// What the threads of for_each_index() share. It outlives the call: a thread of the pool may come to it when all is done.
class IndexQueue {
  public:
    IndexQueue(std::size_t count, const MakeIndexWorker& make_worker) : count_(count), make_worker_(make_worker) {}

    void work() {
        {
            std::lock_guard lock(mutex_);
            if (closed_) return;
            ++working_;
        }
        std::function<void(std::size_t)> worker;
        while (auto index = take()) {
            try {
                if (!worker) worker = make_worker_();
                worker(*index);
            } catch (...) {
                fail(*index, std::current_exception());
            }
        }
        worker = nullptr;
        std::lock_guard lock(mutex_);
        --working_;
        changed_.notify_all();
    }

    // Waits for those at work; nobody begins any more. Throws the first failure.
    void finish() {
        std::unique_lock lock(mutex_);
        closed_ = true;
        changed_.wait(lock, [this] { return working_ == 0; });
        if (failure_) std::rethrow_exception(failure_);
    }

  private:
    std::optional<std::size_t> take() {
        std::lock_guard lock(mutex_);
        if (failure_ || next_ == count_) return std::nullopt;
        return next_++;
    }
    void fail(std::size_t index, std::exception_ptr failure) {
        std::lock_guard lock(mutex_);
        if (failure_ && failed_ < index) return;
        failure_ = std::move(failure);
        failed_ = index;
    }

    std::size_t count_;
    const MakeIndexWorker& make_worker_;  // only used before finish() returns
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t next_ = 0;
    std::size_t working_ = 0;
    bool closed_ = false;
    std::exception_ptr failure_;
    std::size_t failed_ = 0;
};

}  // namespace

void for_each_index(TaskPool& pool, std::size_t count, const MakeIndexWorker& make_worker) {
    if (count == 0) return;
    auto queue = std::make_shared<IndexQueue>(count, make_worker);
    const std::size_t helpers = std::min(pool.threads(), count) - 1;
    for (std::size_t i = 0; i < helpers; ++i) pool.submit([queue] { queue->work(); });
    queue->work();
    queue->finish();
}

}  // namespace imgbuild
