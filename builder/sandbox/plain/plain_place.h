// SPDX-License-Identifier: Apache-2.0
#pragma once

// Carries a MountPlan out where nothing can be mounted: what would be mounted is put in the place of what stands
// there, which is kept aside and put back when the command has ended. A secret stays in memory: the file in its place
// is empty, and who opens it is given the memory (intercept/).

#include <optional>
#include <string>
#include <vector>

#include "builder/sandbox/mount_plan.h"
#include "builder/sandbox/mount_targets.h"
#include "builder/sandbox/plain/plain_returns.h"

namespace imgbuild::builder {

/// A file of the root that stands for an open one: who opens it is to be given `content`. Without content it stands for
/// itself if it is `read_only`, else for nothing.
struct StandIn {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    Fd content;
    bool read_only = false;
};

class PlainPlaces {
  public:
    /// `work` is this RUN's folder, on the file system of `root`; both are borrowed. `caches` are the directories of the
    /// cache mounts, in the order of RunSpec::caches.
    PlainPlaces(const Directory& root, const Directory& work, std::vector<std::string> caches);
    /// Puts back what take_back() did not.
    ~PlainPlaces();
    PlainPlaces(const PlainPlaces&) = delete;
    PlainPlaces& operator=(const PlainPlaces&) = delete;

    /// The stages "bind-N" stand in `work` under these names. Throws Error with the operation as its frame.
    void carry_out(const MountPlan& plan);
    /// Puts back what stood in each place, whatever the command made of it, and cache mounts where they belong. Nothing
    /// runs in the root any more. Call once.
    void take_back();

    MountTargets& targets() noexcept { return targets_; }
    const std::vector<StandIn>& stand_ins() const noexcept { return stand_ins_; }

  private:
    /// A directory and a name in it.
    struct Place {
        Directory parent;
        std::string name;
    };
    struct Placed {
        ImagePath target;
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::string stood;                   ///< what was there before, in `aside_`
        std::optional<Place> home;           ///< where it came from and returns to
        std::optional<std::string> content;  ///< a file that is the command's once it holds something else
    };

    void apply(const StackLayers& op);
    void apply(const UseAsRoot& op);
    void apply(const MountNew& op);
    void apply(const WriteFile& op);
    void apply(const PlaceFile& op);
    void apply(const BindStaged& op);
    void apply(const BindHost& op);
    void apply(const SetOwner& op);
    void apply(const MakeDirectory& op);
    void apply(const MakeLink& op);
    void apply(const MakeDevice& op);
    void apply(const Mask& op);
    void apply(const Protect& op);

    /// What has a `home` returns there.
    void place(const Place& from, const ImagePath& target, const std::optional<Home>& home = {});
    void place_cache(const BindStaged& op, std::size_t index);
    void take_back(Placed& placed);
    std::string next_name();

    const Directory& work_;
    Directory aside_;  ///< what stood in the places, and what is thrown away
    Directory made_;   ///< what is put there
    std::vector<std::string> caches_;
    MountTargets targets_;
    std::vector<Placed> placed_;
    std::vector<StandIn> stand_ins_;
    std::vector<std::pair<std::string, Fd>> secrets_;  ///< by the name of their file in `made_`
    std::size_t count_ = 0;
};

}  // namespace imgbuild::builder
