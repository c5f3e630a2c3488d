// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/hash_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "base/cancel.h"
#include "base/image_path.h"
#include "base/stream.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::builder {
namespace {

bool is_still(int fd, const FileIdentity& identity, std::string_view path) {
    struct stat status {};
    if (::fstat(fd, &status) < 0) throw_unreadable(path);
    return S_ISREG(status.st_mode) && identity_of(status) == identity;
}

// What the threads share. It outlives the call: a helper may start when all is done.
class HashQueue {
  public:
    HashQueue(const Directory& root, FoundPaths& found, const std::vector<std::uint32_t>& jobs)
        : root_(root), found_(found), jobs_(jobs) {}

    void work() {
        {
            std::lock_guard lock(mutex_);
            if (closed_) return;
            ++working_;
        }
        StreamBlock block;
        while (auto job = take()) {
            try {
                std::uint32_t entry = jobs_[*job];
                hash_file(root_, found_.path(entry), found_.entries[entry].record, block.bytes());
            } catch (...) {
                fail(*job, std::current_exception());
            }
        }
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
        if (failure_ || next_ == jobs_.size()) return std::nullopt;
        return next_++;
    }
    void fail(std::size_t job, std::exception_ptr failure) {
        std::lock_guard lock(mutex_);
        if (failure_ && failed_job_ < job) return;
        failure_ = std::move(failure);
        failed_job_ = job;
    }

    const Directory& root_;
    FoundPaths& found_;
    const std::vector<std::uint32_t>& jobs_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t next_ = 0;
    std::size_t working_ = 0;
    bool closed_ = false;
    std::exception_ptr failure_;
    std::size_t failed_job_ = 0;
};

}  // namespace

Fd open_context_file(const Directory& root, std::string_view path) {
    try {
        // O_NONBLOCK: a fifo put in the file's place must not hang us.
        return root.open(ImagePath::clean(path), O_RDONLY | O_NONBLOCK | O_NOFOLLOW, FollowLinks::never);
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::denied)
            throw Error(ErrorKind::denied, "context: " + shown(path) + ": Permission denied",
                        "make it readable, or list it in .dockerignore");
        // Gone, or a link now, there or on the way.
        if (error.kind() == ErrorKind::not_found || error.kind() == ErrorKind::invalid_input)
            throw changed_while_reading(path);
        throw;
    }
}

void hash_file(const Directory& root, std::string_view path, IndexRecord& record, std::span<std::byte> block) {
    Fd fd = open_context_file(root, path);
    if (!is_still(fd.get(), record.identity, path)) throw changed_while_reading(path);
    record.xattrs = layerstore::read_xattrs(fd.get(), ImagePath::clean(path));
    FdReader reader(fd.get(), shown(path));
    Sha256 hash;
    std::uint64_t total = 0;
    while (std::size_t count = reader.read(block)) {
        throw_if_cancelled();
        hash.update(std::span<const std::byte>(block.first(count)));
        total += count;
        if (total > record.identity.size) throw changed_while_reading(path);
    }
    if (total != record.identity.size || !is_still(fd.get(), record.identity, path)) throw changed_while_reading(path);
    record.content = hash.finish();
}

void hash_files(const Directory& root, FoundPaths& found, const std::vector<std::uint32_t>& jobs, TaskPool& pool) {
    if (jobs.empty()) return;
    auto queue = std::make_shared<HashQueue>(root, found, jobs);
    std::size_t helpers = std::min(pool.threads(), jobs.size()) - 1;
    for (std::size_t i = 0; i < helpers; ++i) pool.submit([queue] { queue->work(); });
    queue->work();
    queue->finish();
}

}  // namespace imgbuild::builder
