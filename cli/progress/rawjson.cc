// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/rawjson.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/progress/run_end_json.h"
#include "cli/progress/step_names.h"

namespace imgbuild::cli {
namespace {

Json event(const char* what, double time) { return Json{{"event", what}, {"time", time}}; }

Json event(const char* what, double time, builder::NodeId node) {
    return Json{{"event", what}, {"time", time}, {"node", node}};
}

}  // namespace

void RawJsonProgress::plan_known(const builder::BuildPlan& plan) {
    Json object = event("plan", now());
    object["nodes"] = Json::array();
    for (builder::NodeId node = 0; node < plan.nodes.size(); ++node)
        object["nodes"].push_back({{"name", step_name(plan, node)}, {"stage", printable(plan.nodes[node].stage)}});
    write_(write_json(object) + "\n");
}

void RawJsonProgress::started(builder::NodeId node) { write_(write_json(event("started", now(), node)) + "\n"); }

void RawJsonProgress::explained(builder::NodeId node, const std::vector<std::string>& causes) {
    Json object = event("explained", now(), node);
    object["causes"] = Json::array();
    for (const std::string& cause : causes) object["causes"].push_back(printable(cause));
    write_(write_json(object) + "\n");
}

void RawJsonProgress::output(builder::NodeId node, std::string_view bytes) {
    Json object = event("output", now(), node);
    object["data"] = encode_base64(bytes);
    write_(write_json(object) + "\n");
}

void RawJsonProgress::cached(builder::NodeId node) { write_(write_json(event("cached", now(), node)) + "\n"); }

void RawJsonProgress::finished(builder::NodeId node, std::chrono::nanoseconds duration, std::string_view detail) {
    Json object = event("finished", now(), node);
    object["duration"] = std::chrono::duration<double>(duration).count();
    if (!detail.empty()) object["detail"] = printable(detail);
    write_(write_json(object) + "\n");
}

void RawJsonProgress::failed(builder::NodeId node, const builder::StepFailure& failure) {
    Json object = event("failed", now(), node);
    object["error"] = printable(failure.message);
    if (failure.end) object["end"] = json_of(*failure.end);
    if (!failure.log.empty()) object["log"] = printable(failure.log);
    write_(write_json(object) + "\n");
}

void RawJsonProgress::layers_failed(builder::NodeId node) {
    write_(write_json(event("layers_failed", now(), node)) + "\n");
}

void RawJsonProgress::warning(std::string_view text) {
    Json object = event("warning", now());
    object["text"] = printable(text);
    write_(write_json(object) + "\n");
}

}  // namespace imgbuild::cli
