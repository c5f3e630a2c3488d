// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "parser/instruction/detail/instruction_parser.h"
#include "parser/source/utf8.h"

#include <fmt/format.h>

namespace imgbuild::parser::detail {
namespace {

/// Puts the bodies where the shell finds them: a RUN that is just one heredoc word runs the body, any other
/// hands the heredocs to the shell as they are.
void place_heredocs(InstructionParser& parser, Run& run) {
    const std::vector<HeredocSyntax>& heredocs = parser.heredocs();
    for (const HeredocSyntax& heredoc : heredocs) run.heredocs.push_back(make_heredoc(parser, heredoc));
    if (heredocs.empty()) return;
    if (heredocs.size() == 1 && heredocs.front().word.range == parser.arguments_range()) {
        run.command.text = run.heredocs.front().content().text;
        if (!run.command.text.starts_with("#!")) return;
        const std::string path = "/dev/pipes/" + run.heredocs.front().name;
        run.script = ScriptFile{path, std::exchange(run.command.text, path)};
        return;
    }
    for (const HeredocSyntax& heredoc : heredocs) run.command.text += "\n" + heredoc.body + heredoc.word.name;
}

void check_bodies(InstructionParser& parser, const Run& run) {
    for (const Heredoc& heredoc : run.heredocs) {
        if (find_invalid_utf8(heredoc.body))
            parser.error(heredoc.span, "invalid UTF-8 in a heredoc of RUN", "save the file as UTF-8");
        if (run.script && heredoc.name.find('/') != std::string::npos) {
            parser.error(heredoc.span,
                         fmt::format("the heredoc's name is a file name and cannot hold '/': {}", heredoc.name));
        }
    }
}

RunNetwork read_network(InstructionParser& parser) {
    const std::optional<Word> value = parser.flag_word("network");
    if (!value || value->text == "default") return RunNetwork::inherit;
    if (value->text == "none") return RunNetwork::none;
    if (value->text == "host") return RunNetwork::host;
    parser.error(value->span, fmt::format("invalid network mode \"{}\"", value->text),
                 "there are default, none and host");
    return RunNetwork::inherit;
}

RunSecurity read_security(InstructionParser& parser) {
    const std::optional<Word> value = parser.flag_word("security");
    if (!value || value->text == "sandbox") return RunSecurity::sandbox;
    if (value->text == "insecure") return RunSecurity::insecure;
    parser.error(value->span, fmt::format("security \"{}\" is not valid", value->text),
                 "there are sandbox and insecure");
    return RunSecurity::sandbox;
}

}  // namespace

std::optional<InstructionBody> parse_run(InstructionParser& parser) {
    parser.check_flags({{"mount", FlagKind::list},
                        {"network", FlagKind::value},
                        {"security", FlagKind::value},
                        {"device", FlagKind::list}});
    Run run;
    for (const ScannedFlag* flag : parser.flags("mount")) {
        run.mounts.push_back(
            parse_mount_flag(parser.make_word(*flag->value, parser.span(flag->range)), parser.diagnostics()));
    }
    for (const ScannedFlag* flag : parser.flags("device")) {
        parser.error(parser.span(flag->range),
                     "device feature is only supported in Dockerfile frontend 1.14.0-labs or later");
    }
    if (const ScannedFlag* flag = parser.flag("network")) run.network_span = parser.span(flag->range);
    if (const ScannedFlag* flag = parser.flag("security")) run.security_span = parser.span(flag->range);
    run.network = read_network(parser);
    run.security = read_security(parser);

    if (!parser.require_arguments()) return std::nullopt;
    const std::size_t errors_before = parser.diagnostics().error_count();
    run.command = parser.command(parser.arguments_range().begin);
    if (parser.diagnostics().error_count() > errors_before) return std::nullopt;
    if (run.command.exec && run.command.arguments.empty())
        parser.error(parser.arguments_span(), "RUN requires at least one argument");
    place_heredocs(parser, run);
    check_bodies(parser, run);
    return run;
}

}  // namespace imgbuild::parser::detail
