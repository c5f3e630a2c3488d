// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/tty.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/progress/step_names.h"

namespace imgbuild::cli {
namespace {

constexpr std::chrono::milliseconds redraw_interval{100};
constexpr std::string_view error_mark = "ERROR", layer_error_mark = "ERROR in the layers of";
constexpr std::string_view erase_below = "\x1b[J";
constexpr std::string_view blue = "\x1b[34m", red = "\x1b[31m", dim = "\x1b[2m", normal = "\x1b[0m";

bool continues_code_point(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Code points stand for columns: wide letters may make a line too long, which wraps and is one line off at worst.
std::size_t columns_of(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !continues_code_point(c); }));
}

// At most `columns` wide; tabs, whose width depends on the place, become a blank.
std::string fit(std::string_view text, std::size_t columns) {
    std::string fitted;
    std::size_t used = 0;
    for (const char c : text) {
        if (!continues_code_point(c) && used++ == columns) break;
        fitted += c == '\t' ? ' ' : c;
    }
    return fitted;
}

// The text on the left, the time at the right edge.
std::string row(std::string_view text, std::string_view time, std::size_t columns) {
    if (time.empty() || columns <= time.size() + 1) return fit(text, columns);
    const std::string left = fit(text, columns - time.size() - 1);
    return left + std::string(columns - columns_of(left) - time.size(), ' ') + std::string(time);
}

std::string coloured(std::string_view colour, std::string_view text) {
    return fmt::format("{}{}{}", colour, text, normal);
}

// One less than there are: a full line may or may not wrap.
std::size_t usable_columns(TtyProgress::Size size) { return std::max<std::size_t>(size.columns, 20) - 1; }

}  // namespace

TtyProgress::TtyProgress(Screen screen, bool redraws, bool explains)
    : screen_(std::move(screen)), explains_(explains), begin_(screen_.clock()) {
    if (redraws) timer_ = std::thread([this] { loop(); });
}

TtyProgress::~TtyProgress() { TtyProgress::finish(); }

void TtyProgress::loop() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, redraw_interval, [this] { return stopping_; }))
        if (!running_.empty()) draw({});
}

void TtyProgress::finish() {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        stopping_ = true;
        running_.clear();
        draw({});
    }
    wake_.notify_all();
    if (timer_.joinable()) timer_.join();
}

void TtyProgress::redraw() {
    const std::lock_guard lock(mutex_);
    draw({});
}

std::vector<std::string> TtyProgress::block() const {
    if (running_.empty()) return {};
    const Size size = screen_.size();
    const std::size_t columns = usable_columns(size);
    const std::chrono::nanoseconds now = screen_.clock();
    // Names of all that runs come first where the screen is small, output only where there is room.
    const std::size_t room = std::max<std::size_t>(size.rows, 4) - 2;
    const std::size_t names = std::min(running_.size(), room);
    const std::size_t tail = std::min(tail_lines, (room - names) / names);

    std::vector<std::string> lines;
    lines.push_back(row(fmt::format("building: {} of {}", done_.size(), counted(steps_, "step", "steps")),
                        human_duration(now - begin_), columns));
    for (const auto& [node, step] : running_) {
        if (lines.size() > names * (tail + 1)) break;
        lines.push_back(coloured(blue, row(" > " + step.name, human_duration(now - step.begin), columns)));
        const std::size_t skipped = step.tail.size() - std::min(step.tail.size(), tail);
        for (std::size_t i = skipped; i < step.tail.size(); ++i)
            lines.push_back(coloured(dim, fit("   " + step.tail[i], columns)));
    }
    return lines;
}

void TtyProgress::draw(std::string scrolled) {
    std::string picture;
    if (height_ > 0) picture += fmt::format("\x1b[{}A\r", height_);
    picture += erase_below;
    picture += scrolled;
    const std::vector<std::string> lines = block();
    for (const std::string& line : lines) picture += line + "\n";
    if (height_ == 0 && lines.empty() && scrolled.empty()) return;
    height_ = lines.size();
    screen_.write(picture);
}

void TtyProgress::plan_known(const builder::BuildPlan& plan) {
    const std::lock_guard lock(mutex_);
    plan_ = &plan;
    steps_ = static_cast<std::size_t>(
        std::ranges::count_if(plan.nodes, [](const builder::PlanNode& node) { return node.number != 0; }));
}

void TtyProgress::started(builder::NodeId node) {
    const std::lock_guard lock(mutex_);
    Running& step = running_[node];
    step.name = step_name(*plan_, node);
    step.begin = screen_.clock();
    draw({});
}

void TtyProgress::explained(builder::NodeId node, const std::vector<std::string>& causes) {
    const std::lock_guard lock(mutex_);
    const auto step = running_.find(node);
    if (!explains_ || step == running_.end()) return;
    for (const std::string& cause : causes) step->second.causes.push_back(safe_line(cause));
}

void TtyProgress::output(builder::NodeId node, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    const auto step = running_.find(node);
    if (step == running_.end()) return;
    // The timer draws it: a command that prints a lot must not be slowed down by us.
    step->second.lines.feed(bytes, [&](std::string_view line) {
        step->second.tail.push_back(safe_line(line));
        if (step->second.tail.size() > tail_lines) step->second.tail.pop_front();
    });
}

void TtyProgress::end(builder::NodeId node, std::string_view mark, std::string_view time) {
    const std::lock_guard lock(mutex_);
    const std::size_t columns = usable_columns(screen_.size());
    std::string because;
    if (const auto step = running_.find(node); step != running_.end()) {
        for (const std::string& cause : step->second.causes)
            because += coloured(dim, fit("   because: " + cause, columns)) + "\n";
        running_.erase(step);
    }
    if (plan_->nodes[node].number != 0) done_.insert(node);
    const std::string text = fmt::format(" {} {}", mark, step_name(*plan_, node));
    const std::string line = row(text, time, columns);
    draw((mark.starts_with(error_mark) ? coloured(red, line) : line) + "\n" + because);
}

void TtyProgress::cached(builder::NodeId node) { end(node, "CACHED", ""); }

void TtyProgress::finished(builder::NodeId node, std::chrono::nanoseconds duration, std::string_view) {
    end(node, "DONE", human_duration(duration));
}

void TtyProgress::failed(builder::NodeId node, const builder::StepFailure&) { end(node, error_mark, ""); }

void TtyProgress::layers_failed(builder::NodeId node) { end(node, layer_error_mark, ""); }

void TtyProgress::warning(std::string_view text) {
    const std::lock_guard lock(mutex_);
    draw(fmt::format("warning: {}\n", printable(text)));
}

}  // namespace imgbuild::cli
