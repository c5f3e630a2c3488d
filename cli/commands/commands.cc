// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/commands.h"

#include <sys/stat.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

constexpr std::string_view version_text = "imgbuild " IMGBUILD_VERSION "\n";

// Plain data, so that starting costs nothing: options are built by the command that is asked for.
constexpr std::array command_table{
    Command{"build", "b", "Builds an image; the command when none is named", run_build},
    Command{"plan", "", "Prints what a build would do and what it would find, as JSON", run_plan},
    Command{"parse", "", "Prints a Buildfile as it was understood, as JSON", run_parse},
    Command{"context", "", "Lists what is in a context, and what is left out by which rule", run_context},
    Command{"images", "ls", "Lists the images of the store", run_images},
    Command{"inspect", "", "Prints all about an image, as JSON", run_inspect},
    Command{"builds", "", "Lists the builds that the store remembers", run_builds},
    Command{"explain", "", "Says why the steps of a build were done", run_explain},
    Command{"debug", "", "Opens a shell in an image, or in the state of a step", run_debug},
    Command{"advise", "", "Says which steps would better stand elsewhere", run_advise},
    Command{"history", "", "Lists the instructions that an image was made by", run_history},
    Command{"manifest", "", "Puts images together to an index; prints the bytes of a manifest", run_manifest},
    Command{"pull", "", "Brings an image from its registry to the store", run_pull},
    Command{"push", "", "Puts an image of the store into its registry", run_push},
    Command{"attach", "", "Puts files beside an image in its registry, as an artifact about it", run_attach},
    Command{"referrers", "", "Lists what refers to an image at its registry", run_referrers},
    Command{"login", "", "Keeps a user and a password for a registry", run_login},
    Command{"logout", "", "Forgets the user and password for a registry", run_logout},
    Command{"import", "", "Makes an image of a tar with a root file system", run_import},
    Command{"export", "", "Writes the files of an image as a tar", run_export},
    Command{"save", "", "Writes images as one archive", run_save},
    Command{"load", "", "Takes the images of an archive into the store", run_load},
    Command{"diff", "", "Says what tells two images apart", run_diff},
    Command{"verify", "", "Builds an image again, or a context twice, and says what differs and why", run_verify},
    Command{"tag", "", "Gives an image one more name", run_tag},
    Command{"rm", "rmi", "Takes names, or images, out of the store", run_rm},
    Command{"du", "", "Says what takes the space of the store", run_du},
    Command{"prune", "", "Removes what no image and no recent build needs", run_prune},
    Command{"fsck", "", "Checks everything in the store", run_fsck},
    Command{"doctor", "", "Says what this machine can isolate, and what is in the way", run_doctor},
};

std::string general_help() {
    std::string text =
        "Builds container images from Buildfiles\n\nusage: imgbuild [build] [flags] CONTEXT\n       imgbuild COMMAND …\n\n";
    for (const Command& command : command_table) text += fmt::format("  {:10} {}\n", command.name, command.summary);
    return text + "\n`imgbuild help COMMAND` tells the flags of one; --version says which imgbuild this is\n";
}

bool is_directory(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// "imgbuild biuld": what looks like a command and is no context.
bool looks_like_a_command(const std::string& word) {
    return !word.empty() && std::ranges::all_of(word, [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; }) &&
           !word.starts_with('-') && !is_directory(word);
}

[[noreturn]] void refuse_unknown_command(const std::string& word) {
    std::vector<std::string_view> names;
    for (const Command& command : command_table) names.push_back(command.name);
    const std::optional<std::string> near = nearest(word, names);
    throw Error(ErrorKind::usage, fmt::format("unknown command or missing context: {}", word),
                near ? fmt::format("did you mean {}?", *near) : "`imgbuild help` lists the commands");
}

void refuse_more(Arguments arguments, std::string_view usage) {
    if (arguments.empty()) return;
    throw Error(ErrorKind::usage, fmt::format("one argument too many: {}", printable(arguments.front())),
                fmt::format("usage: imgbuild {}", usage));
}

int print_help(Arguments arguments) {
    if (arguments.empty()) {
        print(general_help());
        return exit_status::ok;
    }
    refuse_more(arguments.subspan(1), "help [COMMAND]");
    const Command* command = find_command(arguments.front());
    if (!command) refuse_unknown_command(printable(arguments.front()));
    const std::vector<std::string> help{"--help"};
    return command->run(help);
}

// How many leading arguments are options that may stand before the command word: each command takes them as well.
std::size_t leading_options(Arguments arguments) {
    static const std::array<std::string, 3> with_value{"--store", "--durability", "--root-mode"};
    std::size_t count = 0;
    while (count < arguments.size()) {
        const std::string& argument = arguments[count];
        const bool has_value_behind = std::ranges::count(with_value, argument) > 0;
        const bool has_value = std::ranges::any_of(
            with_value, [&](const std::string& option) { return argument.starts_with(option + "="); });
        const bool is_one = has_value_behind || has_value || argument == "--debug";
        if (!is_one) break;
        count = std::min(count + (has_value_behind ? 2 : 1), arguments.size());
    }
    return count;
}

}  // namespace

std::span<const Command> commands() noexcept { return command_table; }

const Command* find_command(std::string_view word) noexcept {
    const auto found = std::ranges::find_if(
        command_table, [&](const Command& command) { return command.name == word || (command.alias == word); });
    return found == command_table.end() || word.empty() ? nullptr : &*found;
}

int run_command_line(Arguments arguments) {
    const std::size_t leading = leading_options(arguments);
    const Arguments rest = arguments.subspan(leading);
    if (rest.empty() && leading == 0) return print_help({});
    if (rest.empty()) throw Error(ErrorKind::usage, "no command", "`imgbuild help` lists the commands");
    const std::string& word = rest.front();
    if (word == "--version" || word == "version") {
        refuse_more(rest.subspan(1), word);
        print(version_text);
        return exit_status::ok;
    }
    if (word == "--help" || word == "-h") return print_help({});
    if (word == "help") return print_help(rest.subspan(1));

    const Command* command = find_command(word);
    if (!command && looks_like_a_command(word)) refuse_unknown_command(word);
    std::vector<std::string> given(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(leading));
    given.insert(given.end(), rest.begin() + (command ? 1 : 0), rest.end());
    return command ? command->run(given) : run_build(given);
}

}  // namespace imgbuild::cli
