// SPDX-License-Identifier: Apache-2.0
#pragma once

// A loop whose rounds do not depend on each other, on several threads.

#include <cstddef>
#include <functional>

#include "base/task_pool.h"

namespace imgbuild {

/// Gives what one thread calls with the numbers that fall to it.
using MakeIndexWorker = std::function<std::function<void(std::size_t)>()>;

/// Hands the numbers below `count` out in order, to the calling thread (which may be one of the pool's) and to those of
/// `pool` that are free meanwhile; each has a worker of its own from `make_worker`. Returns when all have ended. Where
/// some failed no more are handed out, and the failure of the lowest number is thrown.
void for_each_index(TaskPool& pool, std::size_t count, const MakeIndexWorker& make_worker);

}  // namespace imgbuild
