// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/run_end_json.h"

namespace imgbuild::cli {
namespace {

const char* cause_of(const builder::RunEnd& end) {
    switch (end.cause) {
        case builder::EndCause::itself: return end.status.signal == 0 ? "exit" : "signal";
        case builder::EndCause::out_of_memory: return "out_of_memory";
        case builder::EndCause::timed_out: return "timeout";
    }
    return "exit";
}

}  // namespace

Json json_of(const builder::RunEnd& end) {
    Json object{{"exit_code", end.status.code}};
    if (end.status.signal != 0) object["signal"] = end.status.signal;
    object["cause"] = cause_of(end);
    return object;
}

}  // namespace imgbuild::cli
