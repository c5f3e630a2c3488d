// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/plain/plain_run.h"

#include <fmt/format.h>

#include <map>

#include "builder/sandbox/plain/plain_launch.h"
#include "builder/sandbox/plain/plain_place.h"

namespace imgbuild::builder {
namespace {

constexpr const char* plain_root_name = "root";

LinkedFiles linked_files(const layerstore::TreeLook& look) {
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> names;
    for (const auto& line : look.lines())
        if (S_ISREG(line.mode) && line.links > 1) ++names[{line.device, line.inode}];
    LinkedFiles linked;
    for (const auto& [file, count] : names)
        if (count > 1) linked.insert(file);
    return linked;
}

}  // namespace

PlainRun::PlainRun(const DeltaFolder& deltas, const Directory& work, const RunSpec& spec, const StopCheck& stop)
    : deltas_(deltas),
      work_(work),
      spec_(spec),
      stop_(stop),
      roots_(deltas),
      root_(roots_.take(spec.layers, work, plain_root_name, stop)) {}

// A copy for each mount, because nothing keeps a command from writing into it.
void PlainRun::lay_down_mounts() const {
    for (std::size_t i = 0; i < spec_.binds.size(); ++i) {
        const BindMount& bind = spec_.binds[i];
        lay_down_copy(deltas_, bind.layers, work_, fmt::format("bind-{}", i), bind.source, stop_);
    }
}

ExitStatus PlainRun::run(const MountPlan& plan, std::vector<std::string> caches, int log, int watched) {
    lay_down_mounts();
    before_ = layerstore::TreeLook::at(root_);
    PlainPlaces places(root_, work_, std::move(caches));
    places.carry_out(plan);
    const Fd working_directory = places.targets().open_or_make_directory(spec_.working_directory, spec_.credentials);
    const ExitStatus status =
        launch_plain({spec_, root_, places.stand_ins(), linked_files(before_), working_directory.get(), log, watched});
    places.take_back();
    return status;
}

void PlainRun::collect(const Directory& upper) const { layerstore::collect_changes(root_, before_, upper); }

void PlainRun::keep_root(const layerstore::TreeDelta& delta, const DeltaId& id) const {
    layerstore::settle(root_, before_, delta);
    std::vector<DeltaId> layers = spec_.layers;
    layers.push_back(id);
    roots_.put(work_, plain_root_name, layers);
}

}  // namespace imgbuild::builder
