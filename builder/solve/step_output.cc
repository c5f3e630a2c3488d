// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/step_output.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr std::size_t tail_bytes = 4096;
constexpr std::size_t tail_lines = 20;

}  // namespace

StepOutput::StepOutput(const Directory& logs, std::function<void(std::string_view)> watch)
    : logs_(logs), watch_(std::move(watch)), log_name_(random_name() + ".log"), pipe_(make_pipe()) {
    log_.emplace(logs_, log_name_, Durability::none);
    thread_ = std::thread([this] { carry(); });
}

StepOutput::~StepOutput() { finish(); }

void StepOutput::finish() {
    pipe_.write_end.reset();
    if (thread_.joinable()) thread_.join();
}

void StepOutput::carry() {
    StreamBlock block;
    FdReader reader(pipe_.read_end.get(), "output of the command");
    while (std::size_t count = reader.read(block.bytes())) {
        std::span<const std::byte> bytes = block.bytes().first(count);
        write_log(bytes);
        tail_ += as_text(bytes);
        if (tail_.size() > tail_bytes) tail_.erase(0, tail_.size() - tail_bytes);
        watch_(as_text(bytes));
    }
}

// A full disk must not stop the command's output, nor end the process from this thread.
void StepOutput::write_log(std::span<const std::byte> bytes) noexcept {
    if (!log_) return;
    try {
        log_->write(bytes);
    } catch (const Error&) {
        log_.reset();
    }
}

std::string StepOutput::last_lines() const {
    std::string_view rest = tail_;
    while (rest.ends_with('\n')) rest.remove_suffix(1);
    if (rest.empty()) return "";
    std::vector<std::string_view> lines = split(rest, '\n');
    const std::size_t first = lines.size() - std::min(lines.size(), tail_lines);
    std::string text;
    for (std::size_t i = first; i < lines.size(); ++i) {
        std::string_view line = lines[i];
        if (line.ends_with('\r')) line.remove_suffix(1);
        text += printable(line) + "\n";
    }
    return text;
}

std::optional<std::string> StepOutput::keep_log() {
    if (!log_) return std::nullopt;
    try {
        log_->commit();
    } catch (const Error&) {
        return std::nullopt;
    }
    return logs_.name() + "/" + log_name_;
}

}  // namespace imgbuild::builder
