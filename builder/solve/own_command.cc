// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/own_command.h"

#include <algorithm>

namespace imgbuild::builder {
namespace {

constexpr std::string_view usual_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void set_variable(std::vector<std::string>& environment, const std::string& name, const std::string& value) {
    std::erase_if(environment, [&](const std::string& variable) { return variable.starts_with(name + "="); });
    environment.push_back(name + "=" + value);
}

std::string path_in(const std::vector<std::string>& environment) {
    for (const std::string_view variable : environment)
        if (variable.starts_with("PATH=")) return std::string(variable.substr(5));
    return std::string(usual_path);
}

}  // namespace

RunSpec as_own_command(RunSpec spec, const OwnCommand& command, const FindTools& find_tools) {
    const ImagePath place = ImagePath::clean(tools_place);
    const std::string programs = place.child("bin").absolute();
    set_variable(spec.environment, "PATH", path_in(spec.environment) + ":" + programs);
    if (!command.terminal_type.empty()) set_variable(spec.environment, "TERM", command.terminal_type);
    spec.binds.push_back({.target = place, .layers = find_tools(), .source = ImagePath(), .writable = false});
    spec.terminal = command.terminal;
    spec.timeout_milliseconds = 0;
    spec.arguments = command.arguments;
    spec.stand_ins.clear();
    if (command.arguments.empty()) {
        spec.arguments = {"/bin/bash"};
        spec.stand_ins = {"/bin/sh", programs + "/sh"};
    }
    return spec;
}

}  // namespace imgbuild::builder
