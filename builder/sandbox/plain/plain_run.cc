// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/plain/plain_run.h"

#include <fmt/format.h>

#include <map>

#include "builder/sandbox/plain/plain_launch.h"
#include "builder/sandbox/plain/plain_place.h"

namespace imgbuild::builder {
namespace {

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
void PlainRun::lay_down_mounts(const RunSpec& spec) const {
    for (std::size_t i = 0; i < spec.binds.size(); ++i) {
        const BindMount& bind = spec.binds[i];
        const std::string name = fmt::format("bind-{}", i);
        work_.remove_tree(name);
        lay_down_copy(deltas_, bind.layers, work_, name, bind.source, stop_);
    }
}

RunEnd PlainRun::run(const PlainCommand& command) {
    for (const char* name : {"aside", "placed"}) work_.remove_tree(name);  // of the command before
    lay_down_mounts(command.spec);
    before_ = layerstore::TreeLook::at(root_);
    PlainPlaces places(root_, work_, command.caches);
    places.carry_out(command.plan);
    const Fd working_directory =
        places.targets().open_or_make_directory(command.spec.working_directory, command.spec.credentials);
    RunEnd end = launch_plain({command.spec, root_, places.stand_ins(), linked_files(before_), working_directory.get(),
                               command.streams, command.cgroup, command.watched});
    places.take_back();
    return end;
}

void PlainRun::collect(const Directory& upper) const { layerstore::collect_changes(root_, before_, upper); }

void PlainRun::keep_root(const layerstore::TreeDelta& delta, const DeltaId& id) const {
    layerstore::settle(root_, before_, delta);
    std::vector<DeltaId> layers = spec_.layers;
    layers.push_back(id);
    roots_.put(work_, plain_root_name, layers);
}

}  // namespace imgbuild::builder
