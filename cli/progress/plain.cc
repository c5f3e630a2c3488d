// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/plain.h"

#include <fmt/format.h>

#include <iterator>

#include "base/text.h"
#include "cli/progress/step_names.h"

namespace imgbuild::cli {
namespace {

double seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

void PlainProgress::say(const Block& block, std::string_view text) {
    fmt::format_to(std::back_inserter(unwritten_), "#{} {}\n", block.number, text);
}

PlainProgress::Block& PlainProgress::speak(builder::NodeId node) {
    auto [place, is_new] = blocks_.try_emplace(node);
    Block& block = place->second;
    if (is_new) block.number = blocks_.size();
    if (is_new) block.begin = clock_();
    if (speaking_ == node) return block;
    if (speaking_) {
        say(blocks_[*speaking_], "...");
        unwritten_ += '\n';
    }
    speaking_ = node;
    say(block, step_name(*plan_, node));
    return block;
}

void PlainProgress::flush() {
    if (!unwritten_.empty()) write_(unwritten_);
    unwritten_.clear();
}

void PlainProgress::started(builder::NodeId node) {
    speak(node);
    flush();
}

void PlainProgress::explained(builder::NodeId node, const std::vector<std::string>& causes) {
    if (!explains_) return;
    Block& block = speak(node);
    for (const std::string& cause : causes) say(block, "because: " + safe_line(cause));
    flush();
}

void PlainProgress::print_line(const Block& block, std::string_view line) {
    say(block, fmt::format("{:.3f} {}", seconds(clock_() - block.begin), safe_line(line)));
}

void PlainProgress::output(builder::NodeId node, std::string_view bytes) {
    const auto known = blocks_.find(node);
    // Half a line takes no word from anybody.
    if (known != blocks_.end() && speaking_ != node && bytes.find_first_of("\r\n") == std::string_view::npos) {
        known->second.lines.feed(bytes, [&](std::string_view line) { print_line(speak(node), line); });
    } else {
        Block& block = speak(node);
        block.lines.feed(bytes, [&](std::string_view line) { print_line(block, line); });
    }
    flush();
}

void PlainProgress::end(builder::NodeId node, std::string_view text) {
    Block& block = speak(node);
    block.lines.finish([&](std::string_view line) { print_line(block, line); });
    say(block, text);
    unwritten_ += '\n';
    speaking_.reset();
    flush();
}

void PlainProgress::cached(builder::NodeId node) {
    // Only of a step people know that it might have had to run.
    end(node, plan_->nodes[node].number != 0 ? "CACHED" : "DONE 0.0s");
}

void PlainProgress::finished(builder::NodeId node, std::chrono::nanoseconds duration, std::string_view detail) {
    Block& block = speak(node);
    block.lines.finish([&](std::string_view line) { print_line(block, line); });
    if (!detail.empty()) say(block, safe_line(detail));
    end(node, fmt::format("DONE {:.1f}s", seconds(duration)));
}

void PlainProgress::failed(builder::NodeId node, const builder::StepFailure& failure) {
    end(node, "ERROR: " + safe_line(failure.message));
}

void PlainProgress::layers_failed(builder::NodeId node) { end(node, "ERROR in its layers"); }

void PlainProgress::warning(std::string_view text) { write_(fmt::format("warning: {}\n", printable(text))); }

}  // namespace imgbuild::cli
