// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/text.h"

namespace imgbuild::cli {
namespace {

constexpr std::size_t slowest_named = 3;
constexpr double worth_naming = 0.1;  // seconds
constexpr std::size_t instruction_columns = 40;

std::string time_text(double seconds) {
    return human_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
}

double saved_by_cache(const BuildRecord& record) {
    double seconds = 0;
    for (const RecordedStep& step : record.steps)
        if (step.outcome == StepOutcome::cached) seconds += step.cost;
    return seconds;
}

std::vector<const RecordedStep*> slowest_steps(const BuildRecord& record) {
    std::vector<const RecordedStep*> slow;
    for (const RecordedStep& step : record.steps)
        if (step.outcome == StepOutcome::done && step.duration >= worth_naming) slow.push_back(&step);
    std::ranges::stable_sort(slow, std::ranges::greater(), &RecordedStep::duration);
    slow.resize(std::min(slow.size(), slowest_named));
    return slow;
}

// Cut between code points.
std::string shortened(const std::string& text) {
    if (text.size() <= instruction_columns) return text;
    std::size_t end = instruction_columns;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return text.substr(0, end) + "…";
}

}  // namespace

CriticalPath critical_path(const BuildRecord& record) {
    struct Way {
        double duration = 0;
        std::optional<std::size_t> before;
    };
    std::vector<Way> ways;
    std::size_t last = 0;
    for (std::size_t place = 0; place < record.steps.size(); ++place) {
        Way way;
        for (const std::size_t input : record.steps[place].inputs)
            if (ways[input].duration > way.duration) way = {ways[input].duration, input};
        way.duration += record.steps[place].duration;
        ways.push_back(way);
        if (way.duration > ways[last].duration) last = place;
    }
    CriticalPath path;
    if (ways.empty()) return path;
    path.duration = ways[last].duration;
    for (std::optional<std::size_t> step = last; step; step = ways[*step].before) path.steps.push_back(*step);
    std::ranges::reverse(path.steps);
    return path;
}

std::string instruction_of(const RecordedStep& step) {
    const std::size_t end = step.is_step && step.name.starts_with('[') ? step.name.find("] ") : std::string::npos;
    return end == std::string::npos ? step.name : step.name.substr(end + 2);
}

std::string summary_of(const BuildRecord& record) {
    const std::size_t steps = record.count_steps(), cached = record.count_cached();
    const double saved = saved_by_cache(record);
    const std::string gain = saved >= worth_naming ? fmt::format(" ({} saved)", time_text(saved)) : "";
    std::string text = counted(steps, "step", "steps");
    if (cached == steps) return text + ", all cached" + gain;
    text += fmt::format(": {} cached{}, {} done", cached, gain, steps - cached);
    std::string_view separator = "; slowest: ";
    for (const RecordedStep* step : slowest_steps(record)) {
        const std::string place = step->place.empty() ? "" : fmt::format(" ({})", step->place);
        text += fmt::format("{}{} {}{}", separator, shortened(instruction_of(*step)), time_text(step->duration), place);
        separator = ", ";
    }
    const CriticalPath path = critical_path(record);
    if (path.duration >= worth_naming) text += "; critical path " + time_text(path.duration);
    return text;
}

}  // namespace imgbuild::cli
