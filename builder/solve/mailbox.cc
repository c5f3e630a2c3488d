// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/mailbox.h"

#include <chrono>
#include <string>

#include "base/cancel.h"

namespace imgbuild::builder {
namespace {

// A command that prints byte for byte costs more in tasks than in bytes.
constexpr std::size_t task_cost = 256;
// A signal handler can wake nobody who waits for a condition, so they look.
constexpr std::chrono::milliseconds look_for_cancel{100};

}  // namespace

void Mailbox::add(Task task) {
    output_ += task.cost;
    tasks_.push_back(std::move(task));
    arrived_.notify_one();
}

void Mailbox::post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    add({std::move(task), 0});
}

void Mailbox::post_output(std::string_view bytes, std::function<void(std::string_view)> take) {
    std::unique_lock lock(mutex_);
    while (!is_closed_ && output_ >= max_output) {
        if (cancel_signal() != 0) return;
        room_.wait_for(lock, look_for_cancel);
    }
    if (is_closed_) return;
    add({[text = std::string(bytes), take = std::move(take)] { take(text); }, bytes.size() + task_cost});
}

void Mailbox::handle_one() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !tasks_.empty(); });
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    output_ -= task.cost;
    lock.unlock();
    if (task.cost != 0) room_.notify_all();
    task.run();
}

void Mailbox::close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    room_.notify_all();
}

}  // namespace imgbuild::builder
