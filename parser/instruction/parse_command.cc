// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "parser/instruction/detail/instruction_parser.h"
#include "parser/lexer/json_array.h"

#include <fmt/format.h>

#include <limits>

namespace imgbuild::parser::detail {
namespace {

std::chrono::nanoseconds read_duration(InstructionParser& parser, std::string_view flag_name) {
    const std::optional<Word> value = parser.flag_word(flag_name);
    if (!value || value->text.empty()) return std::chrono::nanoseconds{0};
    const std::optional<std::chrono::nanoseconds> duration = parse_duration(value->text);
    if (!duration) {
        parser.error(value->span, fmt::format("invalid duration \"{}\" for --{}", value->text, flag_name),
                     "write 30s, 1m30s or 500ms");
        return std::chrono::nanoseconds{0};
    }
    if (*duration != std::chrono::nanoseconds{0} && *duration < std::chrono::milliseconds{1}) {
        parser.error(value->span, fmt::format("Interval \"{}\" cannot be less than 1ms", flag_name),
                     "0 means the runtime's default");
    }
    return *duration;
}

std::int64_t read_retries(InstructionParser& parser) {
    const std::optional<Word> value = parser.flag_word("retries");
    if (!value || value->text.empty()) return 0;
    const bool negative = value->text.starts_with('-');
    const std::optional<std::uint64_t> number = parse_unsigned(std::string_view(value->text).substr(negative ? 1 : 0));
    if (!number || *number > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max())) {
        parser.error(value->span, fmt::format("invalid number \"{}\" for --retries", value->text));
        return 0;
    }
    if (negative) parser.error(value->span, fmt::format("--retries cannot be negative ({})", value->text));
    return static_cast<std::int64_t>(*number);
}

}  // namespace

std::optional<InstructionBody> parse_cmd(InstructionParser& parser) {
    parser.check_flags({});
    return Cmd{parser.command(parser.arguments_range().begin)};
}

std::optional<InstructionBody> parse_entrypoint(InstructionParser& parser) {
    parser.check_flags({});
    return Entrypoint{parser.command(parser.arguments_range().begin)};
}

std::optional<InstructionBody> parse_shell(InstructionParser& parser) {
    parser.check_flags({});
    if (!parser.require_arguments()) return std::nullopt;
    const std::size_t errors_before = parser.diagnostics().error_count();
    Command command = parser.command(parser.arguments_range().begin);
    if (parser.diagnostics().error_count() > errors_before) return std::nullopt;
    if (!command.exec) {
        parser.error(command.span, "SHELL requires the arguments to be in JSON form",
                     "write SHELL [\"/bin/sh\", \"-c\"]");
    } else if (command.arguments.empty()) {
        parser.error(command.span, "SHELL requires at least one argument");
    }
    return Shell{std::move(command.arguments)};
}

std::optional<InstructionBody> parse_healthcheck(InstructionParser& parser) {
    parser.check_flags({{"interval", FlagKind::value},
                        {"timeout", FlagKind::value},
                        {"start-period", FlagKind::value},
                        {"start-interval", FlagKind::value},
                        {"retries", FlagKind::value}});
    if (!parser.require_arguments()) return std::nullopt;
    const TextRange type_range = split_plain(parser.text(), parser.arguments_range().begin).front();
    const std::string type = to_lower(type_range.of(parser.text()));
    const std::size_t rest = skip_separators(parser.text(), type_range.end);
    const bool has_rest = rest < parser.text().size();
    Healthcheck check;
    if (type == "none") {
        if (has_rest) parser.error(parser.span({rest, parser.text().size()}), "HEALTHCHECK NONE takes no arguments");
        return check;
    }
    if (type != "cmd") {
        parser.error(parser.span(type_range),
                     fmt::format("Unknown type \"{}\" in HEALTHCHECK (try CMD)", type_range.of(parser.text())),
                     "write HEALTHCHECK CMD COMMAND or HEALTHCHECK NONE");
        return std::nullopt;
    }
    check.interval = read_duration(parser, "interval");
    check.timeout = read_duration(parser, "timeout");
    check.start_period = read_duration(parser, "start-period");
    check.start_interval = read_duration(parser, "start-interval");
    check.retries = read_retries(parser);
    const std::size_t errors_before = parser.diagnostics().error_count();
    check.command = parser.command(rest);
    if (parser.diagnostics().error_count() > errors_before) return std::nullopt;
    const bool empty = check.command->exec ? check.command->arguments.empty() : check.command->text.empty();
    if (empty) parser.error(parser.span(type_range), "Missing command after HEALTHCHECK CMD");
    return check;
}

}  // namespace imgbuild::parser::detail
