// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/process.h"
#include "base/temporary_directory.h"
#include "base/text.h"
#include "builder/fetch/accounts.h"
#include "builder/fetch/short_names.h"
#include "builder/sandbox/cgroup.h"
#include "builder/sandbox/network/uplink.h"
#include "builder/sandbox/probe.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

std::string describe_rung(const builder::Rung& rung) {
    std::string answer = rung.works ? "yes" : "no: " + printable(rung.reason);
    if (rung.works && rung.shares_processes)
        answer += fmt::format(", as rung {}: {}", rung.mode == builder::RootMode::single ? "2b" : "1b",
                              printable(rung.reason));
    std::string text = fmt::format("{:9} {}\n", name_of(rung.mode), answer);
    if (!rung.remedy.empty()) text += fmt::format("{:9} try: {}\n", "", printable(rung.remedy));
    return text;
}

std::string limits_text() {
    std::string text = "\nlimits of commands (--memory, --cpus, --pids-limit):\n";
    bool is_complete = true;
    for (const auto& [controller, answer] : builder::cgroup_support()) {
        text += fmt::format("{:24} {}\n", controller, printable(answer));
        is_complete = is_complete && answer == "yes";
    }
    if (is_complete) return text;
    // Root is refused only where its control groups are mounted read-only, which is in a container.
    return text +
           fmt::format("{:24} try: {}\n", "",
                       ::geteuid() == 0
                           ? "start the container with its control groups writable (docker, podman: --privileged)"
                           : "systemd-run --user --scope -p Delegate=yes imgbuild …");
}

// Where nothing can be mounted there is no namespace for it either.
std::string network_text(const std::vector<builder::Rung>& rungs) {
    std::string text = "\nnetwork of commands (without --network):\n";
    const auto best = std::ranges::find_if(rungs, &builder::Rung::works);
    if (best == rungs.end() || best->mode == builder::RootMode::chroot)
        return text + "this machine's: there is no namespace for one of their own\n";
    const builder::UplinkSearch found = builder::find_uplink();
    if (found.missing.empty()) {
        text += "their own, and the way out is ";
        std::string_view before;
        for (const builder::UplinkProgram& program : found.uplink.programs) {
            if (!builder::fault_of(program).empty()) continue;
            text += fmt::format("{}{}", std::exchange(before, ", else "), printable(program.path));
        }
        return text + "\n";
    }
    text += fmt::format("this machine's, services on its loopback included: {}\n", printable(found.missing));
    return found.remedy.empty() ? text : text + fmt::format("{:24} try: {}\n", "", printable(found.remedy));
}

std::string programs_text() {
    std::string text = "\nprograms of this machine:\n";
    for (const char* name : {"newuidmap", "newgidmap"}) {
        const std::optional<std::string> path = find_program(name);
        text +=
            fmt::format("{:24} {}\n", name,
                        path ? printable(*path) : "not installed; an ordinary user needs it (apt-get install uidmap)");
    }
    return text;
}

std::string describe_steps(const std::vector<builder::RegistryStep>& steps, std::string_view indent) {
    std::string text;
    for (const builder::RegistryStep& step : steps)
        text += fmt::format("{}{}: {}\n", indent, printable(step.place), printable(step.outcome));
    return text;
}

std::string explain_name(const std::string& name, bool ask) {
    const auto reference = layerstore::Reference::parse(name);
    const builder::RegistryRoute route = builder::explain_registry(reference, ask);
    std::string text = fmt::format("image {}\n\nconfiguration of registries:\n{}\nasked for in this order:\n",
                                   printable(reference.full()), describe_steps(route.configuration, "  "));
    std::size_t number = 0;
    for (const builder::RegistryEndpoint& endpoint : route.endpoints) {
        text += fmt::format("  {}. {} ({})\n", ++number, printable(endpoint.place), printable(endpoint.reason));
        if (!endpoint.answer.empty()) text += fmt::format("     answers: {}\n", printable(endpoint.answer));
        text += "     credentials, the first place that has some:\n" + describe_steps(endpoint.credentials, "       ");
    }
    return text;
}

int explain_reference(const std::string& name, bool ask) {
    const builder::ShortName found = builder::expand_short_name(name);
    std::string text;
    for (const std::string& one : found.names) {
        if (!found.reason.empty())
            text += fmt::format("{} stands for {}, by {}\n", printable(name), printable(one), printable(found.reason));
        text += explain_name(one, ask) + (&one == &found.names.back() ? "" : "\n");
    }
    print(text);
    return exit_status::ok;
}

}  // namespace

int run_doctor(Arguments arguments) {
    OptionSet options(
        "doctor [NAME]",
        "Says what this machine can isolate, and what is in the way; or how the registry of an image NAME "
        "is reached");
    CommonOptions common;
    std::optional<std::string> image;
    bool offline = false;
    options.positional("NAME", image, false);
    options.flag("--offline", offline, "with NAME: ask no registry for it");
    add_common(options, common, CommonScope::sandbox);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    if (image) return explain_reference(*image, !offline);
    // Where RUN steps happen is where it must work: overlay depends on the file system. A store that cannot be written
    // has no such place.
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const TemporaryDirectory scratch =
        store->is_writable() ? TemporaryDirectory::create_in(store->pending()) : TemporaryDirectory::create();
    const std::vector<builder::Rung> rungs = builder::probe_rungs(scratch.path());

    std::string text = fmt::format("store     {}{}\n\nways to run a command, best first:\n", printable(store->path()),
                                   store->is_writable() ? "" : " (read only: no build can use it)");
    for (const builder::Rung& rung : rungs) text += describe_rung(rung);
    text += "\nkernel:\n";
    for (const auto& [name, answer] : builder::kernel_features())
        text += fmt::format("{:24} {}\n", printable(name), printable(answer));
    text += limits_text() + network_text(rungs) + programs_text();
    print(text);
    builder::choose_rung(rungs, wanted_root_mode(common));  // says what blocks each where none works
    return exit_status::ok;
}

}  // namespace imgbuild::cli
