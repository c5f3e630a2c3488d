// SPDX-License-Identifier: Apache-2.0
#pragma once

// The mounts of a RUN as a build record keeps them: what each is, and never what a secret or an agent says.

#include <optional>

#include "base/json.h"
#include "builder/plan/build_plan.h"

namespace imgbuild::cli {

/// One member of `mounts` in docs/formats/build-record.md.
Json json_of(const builder::RunMount& mount);
/// Empty for what is no mount: a record that is damaged tells less, and is no error.
std::optional<builder::RunMount> mount_from_json(const Json& object);

}  // namespace imgbuild::cli
