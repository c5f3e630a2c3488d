// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "base/stream.h"
#include "base/text.h"
#include "builder/fetch/accounts.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

constexpr std::size_t most_password_bytes = 16 * 1024;

// Docker's names for its registry, and URLs that people paste, mean the registry's own name.
std::string registry_domain(const std::optional<std::string>& text) {
    std::string name = text.value_or("docker.io");
    for (const std::string_view scheme : {"https://", "http://"})
        if (name.starts_with(scheme)) name.erase(0, scheme.size());
    name = name.substr(0, name.find('/'));
    if (name == "index.docker.io" || name == "registry-1.docker.io") return "docker.io";
    if (name.empty() || layerstore::Reference::parse(name + "/a").domain != name)
        throw Error(ErrorKind::usage, fmt::format("{}: no name of a registry", printable(text.value_or(""))),
                    "name a host, as in registry.example.com or localhost:5000");
    return name;
}

// Keeps what is typed off the screen.
class WithoutEcho {
  public:
    WithoutEcho() {
        is_changed_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        if (is_changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    WithoutEcho(const WithoutEcho&) = delete;
    WithoutEcho& operator=(const WithoutEcho&) = delete;
    ~WithoutEcho() {
        if (is_changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }

  private:
    termios before_{};
    bool is_changed_ = false;
};

std::string read_typed_line() {
    std::string line;
    char c = 0;
    while (line.size() < most_password_bytes && ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') line += c;
    return std::string(trim(line));
}

std::string type_user() {
    tell("user: ");
    return read_typed_line();
}

std::string type_password() {
    tell("password: ");
    const WithoutEcho without_echo;
    std::string password = read_typed_line();
    tell("\n");
    return password;
}

// One line break at its end belongs to `echo`, and not to the password.
std::string read_password() {
    FdReader input(STDIN_FILENO, "--password-stdin");
    std::string password = read_all(input, most_password_bytes, "--password-stdin");
    if (password.ends_with('\n')) password.pop_back();
    if (password.ends_with('\r')) password.pop_back();
    return password;
}

}  // namespace

int run_login(Arguments arguments) {
    OptionSet options("login [flags] [REGISTRY]",
                      "Keeps a user and a password for a registry (Docker Hub, if none is named) once it took them");
    CommonOptions common;
    std::optional<std::string> registry, user;
    bool from_stdin = false;
    options.positional("REGISTRY", registry, false);
    options.value("-u,--username", user, "NAME", "else it is asked for");
    options.flag("--password-stdin", from_stdin, "the password is on standard input; else it is asked for");
    options.unsupported("-p,--password", "everybody could read it among the processes: give it on standard input");
    add_common(options, common, CommonScope::nothing);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::string domain = registry_domain(registry);
    if (from_stdin && !user)
        throw Error(ErrorKind::usage, "login: --password-stdin goes with --username", "say whose password it is");
    if (!from_stdin && ::isatty(STDIN_FILENO) != 1)
        throw Error(ErrorKind::usage, "login: standard input is no terminal", "give --username and --password-stdin");
    const std::string name = user ? *user : type_user();
    const std::string password = from_stdin ? read_password() : type_password();
    if (password.empty()) throw Error(ErrorKind::usage, "login: the password is empty");
    const std::string place = builder::log_in(domain, name, password);
    tell(fmt::format("logged in to {}; kept in {}\n", domain, printable(place)));
    return exit_status::ok;
}

int run_logout(Arguments arguments) {
    OptionSet options("logout [REGISTRY]",
                      "Forgets the user and password for a registry (Docker Hub, if none is named)");
    CommonOptions common;
    std::optional<std::string> registry;
    options.positional("REGISTRY", registry, false);
    add_common(options, common, CommonScope::nothing);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::string domain = registry_domain(registry);
    const builder::LoggedOut result = builder::log_out(domain);
    for (const std::string& place : result.places) tell(fmt::format("removed from {}\n", printable(place)));
    if (!result.left.empty())
        throw Error(ErrorKind::denied, fmt::format("logout: {} still has one for {}", printable(result.left), domain),
                    "take it out there");
    if (result.places.empty()) tell(fmt::format("not logged in to {}\n", domain));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
