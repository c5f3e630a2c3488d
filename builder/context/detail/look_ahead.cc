// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/look_ahead.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/image_path.h"

namespace imgbuild::builder {
namespace {

constexpr std::size_t looks_for_each_thread = 6;
constexpr std::size_t most_looks = 64;  // each holds a descriptor, and a process may often have 1,024

DirectoryLook look_at(const Directory& root, const std::string& path) {
    DirectoryLook look;
    look.fd = root.open(ImagePath::clean(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, FollowLinks::never);
    look.names = Listing::read(look.fd.get(), path);
    const auto& names = look.names.names();
    look.statuses.resize(std::min(names.size(), DirectoryLook::max_looks));
    for (std::size_t i = 0; i < look.statuses.size(); ++i) {
        struct stat status {};
        // A view of a Listing ends with a NUL.
        if (::fstatat(look.fd.get(), look.names.text(names[i]).data(), &status, AT_SYMLINK_NOFOLLOW) == 0)
            look.statuses[i] = status;
    }
    return look;
}

}  // namespace

class LookAhead::Job {
  public:
    explicit Job(std::string path) : path_(std::move(path)) {}

  private:
    friend class LookAhead;
    friend struct LookAhead::Shared;
    enum class State { wanted, begun, ended };

    std::string path_;
    State state_ = State::wanted;
    std::optional<DirectoryLook> look_;
};

/// Outlives the walk: a thread of the pool may come to a job when all is done.
struct LookAhead::Shared {
    explicit Shared(const Directory& of_root) : root(of_root) {}

    void run(Job& job) {
        {
            std::lock_guard lock(mutex);
            if (is_over || job.state_ != Job::State::wanted) return;
            job.state_ = Job::State::begun;
            ++running;
        }
        std::optional<DirectoryLook> look;
        try {
            look = look_at(root, job.path_);
        } catch (const Error&) {
            // The walk meets the same, and knows how to say it.
        }
        std::lock_guard lock(mutex);
        job.look_ = std::move(look);
        job.state_ = Job::State::ended;
        --running;
        changed.notify_all();
    }

    const Directory& root;  // only used while the walk goes on
    std::mutex mutex;       // also guards every job
    std::condition_variable changed;
    std::size_t running = 0;
    bool is_over = false;
};

LookAhead::LookAhead(const Directory& root, TaskPool& pool)
    : shared_(std::make_shared<Shared>(root)),
      pool_(pool),
      most_(std::min(looks_for_each_thread * pool.threads(), most_looks)) {}

LookAhead::~LookAhead() {
    std::unique_lock lock(shared_->mutex);
    shared_->is_over = true;
    shared_->changed.wait(lock, [this] { return shared_->running == 0; });
}

LookAhead::Ticket LookAhead::want(std::string path) {
    if (asked_ >= most_) return nullptr;
    ++asked_;
    auto job = std::make_shared<Job>(std::move(path));
    pool_.submit([shared = shared_, job] { shared->run(*job); });
    return job;
}

std::optional<DirectoryLook> LookAhead::take(const Ticket& ticket) {
    if (!ticket) return std::nullopt;
    --asked_;
    std::unique_lock lock(shared_->mutex);
    if (ticket->state_ == Job::State::wanted) {
        ticket->state_ = Job::State::ended;
        return std::nullopt;
    }
    shared_->changed.wait(lock, [&] { return ticket->state_ == Job::State::ended; });
    return std::exchange(ticket->look_, std::nullopt);
}

}  // namespace imgbuild::builder
