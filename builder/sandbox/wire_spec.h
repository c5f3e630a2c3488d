// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the values of this folder travel between our own processes. Both ends are the same program, so there is
// no version and nothing is kept.

#include "base/error.h"
#include "base/process.h"
#include "base/wire.h"
#include "builder/sandbox/run_end.h"
#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

void encode_spec(WireWriter& out, const RunSpec& spec);
RunSpec decode_spec(WireReader& in);

void encode_error(WireWriter& out, const Error& error);
Error decode_error(WireReader& in);

void encode_status(WireWriter& out, const ExitStatus& status);
ExitStatus decode_status(WireReader& in);

void encode_end(WireWriter& out, const RunEnd& end);
RunEnd decode_end(WireReader& in);

}  // namespace imgbuild::builder
