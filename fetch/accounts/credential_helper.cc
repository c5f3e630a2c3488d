// SPDX-License-Identifier: Apache-2.0
#include "fetch/accounts/credential_helper.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>

#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "base/stream.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

constexpr std::size_t most_helper_answer_bytes = 64 * 1024;
constexpr std::chrono::seconds time_limit{30};

struct Answer {
    ExitStatus status;
    std::string text;
};

std::string program_of(const std::string& name) {
    const auto is_allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    };
    if (name.empty() || name.starts_with('.') || !std::ranges::all_of(name, is_allowed))
        throw Error(ErrorKind::usage, fmt::format("credential helper \"{}\": no name of one", printable(name)));
    const std::string program = "docker-credential-" + name;
    const auto path = find_program(program);
    if (!path) throw Error(ErrorKind::not_found, fmt::format("credential helper: no program {} on PATH", program));
    return *path;
}

// A helper may answer before it has read everything, and need not read at all.
class Conversation {
  public:
    Conversation(const std::string& name, const std::string& verb, std::string input)
        : what_(fmt::format("credential helper {} {}", name, verb)), input_(std::move(input)) {
        Pipe to = make_pipe(), from = make_pipe();
        ProcessOptions options;
        options.arguments = {program_of(name), verb};
        options.descriptors = {{to.read_end.get(), STDIN_FILENO}, {from.write_end.get(), STDOUT_FILENO}};
        process_.emplace(Process::start(options));
        to_ = std::move(to.write_end);
        from_ = std::move(from.read_end);
    }

    Answer run() {
        const auto end = std::chrono::steady_clock::now() + time_limit;
        while (from_) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
            std::array<pollfd, 2> watched{pollfd{from_.get(), POLLIN, 0}, pollfd{to_.get(), POLLOUT, 0}};
            if (left.count() <= 0) throw Error(ErrorKind::denied, fmt::format("{}: no answer in 30 s", what_));
            if (::poll(watched.data(), watched.size(), static_cast<int>(left.count())) < 0) continue;
            if (watched[1].revents != 0) give();
            if (watched[0].revents != 0) take();
        }
        to_.reset();
        return {process_->wait(), std::move(text_)};
    }

  private:
    void give() {
        // Short enough for any pipe, so that this never blocks; a helper that reads nothing is none of our business.
        const std::string_view part = std::string_view(input_).substr(0, PIPE_BUF);
        const ssize_t count = part.empty() ? 0 : ::write(to_.get(), part.data(), part.size());
        if (count > 0) input_.erase(0, static_cast<std::size_t>(count));
        if (count < 0 || input_.empty()) to_.reset();
    }

    void take() {
        std::array<std::byte, 4096> buffer;
        const std::size_t count = FdReader(from_.get(), what_).read(buffer);
        if (count == 0) return from_.reset();
        text_ += as_text(std::span(buffer).first(count));
        if (text_.size() > most_helper_answer_bytes)
            throw Error(ErrorKind::denied, fmt::format("{}: an answer of more than 64 KiB", what_));
    }

    std::string what_;
    std::string input_;
    std::string text_;
    std::optional<Process> process_;
    Fd to_, from_;
};

Answer ask(const std::string& name, const std::string& verb, const std::string& input) {
    if (input.find_first_of("\r\n") != std::string::npos)
        throw Error(ErrorKind::usage, fmt::format("credential helper {}: a line break in what it is asked for", name));
    return Conversation(name, verb, input).run();
}

[[noreturn]] void fail(const std::string& name, const std::string& verb, const Answer& answer) {
    throw Error(ErrorKind::denied,
                fmt::format("credential helper {} {}: {}", name, verb,
                            answer.status.signal != 0 ? fmt::format("ended by signal {}", answer.status.signal)
                                                      : printable(trim(answer.text.substr(0, 200)))));
}

}  // namespace

std::optional<Credential> ask_credential_helper(const std::string& name, const std::string& server) {
    const Answer answer = ask(name, "get", server);
    if (!answer.status.ok()) {
        // The words by which docker's own helpers say so.
        if (answer.text.find("not found in native keychain") != std::string::npos) return std::nullopt;
        fail(name, "get", answer);
    }
    const std::string what = fmt::format("credential helper {}: its answer", name);
    const Json document = parse_json(answer.text, what);
    Credential credential;
    const std::string user = optional_string(document, "Username", what).value_or("");
    const std::string secret = optional_string(document, "Secret", what).value_or("");
    if (secret.empty()) return std::nullopt;
    if (user == "<token>")
        credential.identity_token = secret;
    else
        credential = {user, secret, {}, {}};
    return credential;
}

void store_by_helper(const std::string& name, const std::string& server, const Credential& credential) {
    const bool is_token = !credential.identity_token.empty();
    const Json document{{"ServerURL", server},
                        {"Username", is_token ? "<token>" : credential.user},
                        {"Secret", is_token ? credential.identity_token : credential.password}};
    const Answer answer = ask(name, "store", write_json(document));
    if (!answer.status.ok()) fail(name, "store", answer);
}

void erase_by_helper(const std::string& name, const std::string& server) {
    const Answer answer = ask(name, "erase", server);
    if (!answer.status.ok() && answer.text.find("not found in native keychain") == std::string::npos)
        fail(name, "erase", answer);
}

}  // namespace imgbuild::fetch
