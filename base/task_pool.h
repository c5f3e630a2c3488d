// SPDX-License-Identifier: Apache-2.0
#pragma once

// A fixed number of threads that run tasks in the order they were given. Results and exceptions come back
// through the future; a pool that is destroyed runs what was queued and waits for it.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace imgbuild {

class TaskPool {
  public:
    /// `threads` of at least 1; they start at the first task, so that an unused pool costs nothing.
    explicit TaskPool(std::size_t threads) : limit_(threads == 0 ? 1 : threads) {}
    ~TaskPool();
    TaskPool(const TaskPool&) = delete;
    TaskPool& operator=(const TaskPool&) = delete;

    std::size_t threads() const noexcept { return limit_; }

    template <class Task>
    auto submit(Task task) -> std::future<std::invoke_result_t<Task>> {
        auto packaged = std::make_shared<std::packaged_task<std::invoke_result_t<Task>()>>(std::move(task));
        auto result = packaged->get_future();
        enqueue([packaged] { (*packaged)(); });
        return result;
    }

  private:
    void enqueue(std::function<void()> task);
    void work();

    std::size_t limit_;
    std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<std::function<void()>> queue_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    bool stopping_ = false;
};

/// The processors this process may use, at least 1.
std::size_t available_processors() noexcept;

}  // namespace imgbuild
