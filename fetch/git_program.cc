// SPDX-License-Identifier: Apache-2.0
#include "fetch/git_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/error.h"
#include "base/stream.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

constexpr std::string_view file_scheme = "file://";

// A reference of a repository is checked out and nothing of what it could bring along is run or asked for. Fewer bytes
// a second than lowSpeedLimit for so long is a stall.
constexpr std::string_view settings =
    "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tautocrlf = false\n\tsymlinks = true\n\tlogAllRefUpdates = false\n"
    "[credential]\n\thelper =\n"
    "[protocol]\n\tallow = never\n"
    "[http]\n\tlowSpeedLimit = 100\n\tlowSpeedTime = 60\n"
    "[gc]\n\tauto = 0\n"
    "[maintenance]\n\tauto = false\n"
    "[submodule]\n\trecurse = false\n"
    "[init]\n\tdefaultBranch = main\n"
    "[advice]\n\tdetachedHead = false\n";

// Keys only of an agent, hosts only that are known, and nothing of the caller's own configuration.
constexpr std::string_view ssh_command =
    "ssh -F /dev/null -oBatchMode=yes -oStrictHostKeyChecking=yes -oIdentityFile=none -oForwardAgent=no "
    "-oConnectTimeout=20 -oServerAliveInterval=15 -oServerAliveCountMax=4";

constexpr std::array passed_names{"PATH",      "http_proxy",   "https_proxy",  "no_proxy",
                                  "all_proxy", "HTTP_PROXY",   "HTTPS_PROXY",  "NO_PROXY",
                                  "ALL_PROXY", "SSL_CERT_DIR", "SSL_CERT_FILE"};

std::string config_quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

void write_settings(const std::string& path, const GitAccess& access) {
    std::string text(settings);
    const std::string origin = origin_of(access.remote);
    if (!access.authorization.empty() && origin.starts_with("http"))
        text += fmt::format("[http {}]\n\textraHeader = {}\n", config_quoted(origin),
                            config_quoted("Authorization: " + access.authorization));
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) throw_errno("write", path);
    FdWriter(file.get(), path).write(as_bytes(text));
}

}  // namespace

std::string origin_of(const std::string& remote) {
    const std::size_t scheme = remote.find("://");
    if (scheme == std::string::npos) return {};
    return remote.substr(0, std::min(remote.find('/', scheme + 3), remote.size())) + "/";
}

std::string last_words(const std::string& standard_error) {
    constexpr std::string_view fatal = "fatal: ", says_nothing = "Could not read from remote repository";
    std::string_view said;
    for (std::string_view line : split(standard_error, '\n')) {
        line = trim(line);
        const bool is_fatal = line.starts_with(fatal);
        if (is_fatal) line.remove_prefix(fatal.size());
        // What follows the first reason is only its consequence; before this one stands what ssh said.
        if (is_fatal && (!line.starts_with(says_nothing) || said.empty())) said = line;
        if (is_fatal) break;
        if (!line.empty()) said = line;
    }
    return printable(said.substr(0, 300));
}

GitProgram::GitProgram(const GitAccess& access)
    : access_(access),
      configuration_(access.directory + "/gitconfig"),
      allows_files_(access.remote.starts_with(file_scheme)) {
    const std::optional<std::string> program = find_program("git");
    if (!program)
        throw Error(ErrorKind::unsupported, fmt::format("git {}: no git program on PATH", printable(access.remote)),
                    "install git, or fetch the repository before the build");
    program_ = *program;
    write_settings(configuration_, access);
}

GitProgram::~GitProgram() { ::unlink(configuration_.c_str()); }

std::vector<std::string> GitProgram::environment() const {
    std::vector<std::string> variables{
        "HOME=" + access_.directory,
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_CONFIG_GLOBAL=" + configuration_,
        "GIT_ATTR_NOSYSTEM=1",
        "GIT_NO_REPLACE_OBJECTS=1",
        "GIT_TERMINAL_PROMPT=0",
        "GIT_ASKPASS=/bin/false",
        std::string("GIT_ALLOW_PROTOCOL=") + (allows_files_ ? "file" : "http:https:ssh:git"),
        fmt::format("GIT_SSH_COMMAND={}", ssh_command),
        "LC_ALL=C",
        "TZ=UTC",
    };
    for (const char* name : passed_names)
        if (const char* value = std::getenv(name)) variables.push_back(fmt::format("{}={}", name, value));
    for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
        const char* value = std::getenv(name);
        if (!value || *value == '\0') continue;
        variables.push_back(fmt::format("GIT_SSL_CAINFO={}", value));
        break;
    }
    if (!access_.ssh_socket.empty()) variables.push_back("SSH_AUTH_SOCK=" + access_.ssh_socket);
    return variables;
}

CapturedOutput GitProgram::try_run(const std::vector<std::string>& arguments, const std::string& folder) const {
    ProcessOptions options;
    options.arguments = {program_};
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
    options.environment = environment();
    options.working_directory = folder;
    return run_and_capture(options, std::size_t{16} << 20);
}

std::string GitProgram::run(const std::vector<std::string>& arguments, const std::string& folder) const {
    CapturedOutput output = try_run(arguments, folder);
    if (!output.status.ok()) fail(output);
    return std::move(output.standard_output);
}

void GitProgram::fail(const CapturedOutput& output) const {
    const std::string& said = output.standard_error;
    const auto mentions = [&](std::string_view words) { return said.find(words) != std::string::npos; };
    const std::string message = fmt::format("git {}: {}", printable(access_.remote), last_words(said));
    if (mentions("could not read Username") || mentions("Authentication failed") || mentions("error: 403"))
        throw Error(ErrorKind::denied, message, "give --secret id=GIT_AUTH_TOKEN,env=NAME where it needs a login");
    if (mentions("Permission denied (publickey") || mentions("Host key verification failed"))
        throw Error(ErrorKind::denied, message, "give an agent with --ssh default, and know the host's key");
    if (mentions("transport 'file' not allowed"))
        throw Error(ErrorKind::denied, message,
                    "a submodule may not lie on this machine: leave it out with ?submodules=false");
    throw Error(ErrorKind::unavailable, message);
}

}  // namespace imgbuild::fetch
