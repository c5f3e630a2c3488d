// SPDX-License-Identifier: Apache-2.0
#pragma once

// Things that other threads want the solver's thread to do, in the order in which they asked.
//
// What ends a job never waits. What a command prints does once enough of it lies here unread: whoever watches the
// build may be slower than the command, and then the command has to wait, not memory to fill.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string_view>

namespace imgbuild::builder {

class Mailbox {
  public:
    static constexpr std::size_t max_output = 4 << 20;  ///< bytes of output that wait here

    /// Does not wait.
    void post(std::function<void()> task);
    /// Has `take` called with a copy of `bytes`. Waits while max_output is reached; where the build was asked to stop
    /// meanwhile, or the box is closed, the bytes are dropped.
    void post_output(std::string_view bytes, std::function<void(std::string_view)> take);
    /// Waits for a task and does it.
    void handle_one();
    /// From now on nobody waits: nobody will handle what comes.
    void close();

  private:
    struct Task {
        std::function<void()> run;
        std::size_t cost = 0;  ///< what it counts towards max_output
    };

    void add(Task task);

    std::mutex mutex_;
    std::condition_variable arrived_;
    std::condition_variable room_;
    std::deque<Task> tasks_;
    std::size_t output_ = 0;  ///< the cost of all tasks that wait
    bool is_closed_ = false;
};

}  // namespace imgbuild::builder
