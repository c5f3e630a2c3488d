// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/registry_stub.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {

void StubReply::send(int status, std::string_view headers, std::string_view body) {
    raw(fmt::format("HTTP/1.1 {} Said\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n", status, body.size(),
                    headers));
    if (!is_head_) raw(body);
}

bool StubReply::raw(std::string_view bytes) {
    while (!bytes.empty()) {
        ssize_t count = ::send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

RegistryStub::RegistryStub(Handler handler) : handler_(std::move(handler)) {
    socket_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    bool listens = ::bind(socket_.get(), generic, size) == 0 && ::listen(socket_.get(), 16) == 0 &&
                   ::getsockname(socket_.get(), generic, &size) == 0;
    if (!listens) throw_errno("listen", "loopback");
    port_ = ::ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
}

RegistryStub::~RegistryStub() {
    ::shutdown(socket_.get(), SHUT_RDWR);  // ends the accept
    thread_.join();
}

std::string RegistryStub::domain() const { return fmt::format("127.0.0.1:{}", port_); }

std::vector<StubRequest> RegistryStub::requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
}

void RegistryStub::serve() {
    for (;;) {
        Fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection) return;
        answer(connection.get());
        // A reset would take the last bytes with it.
        ::shutdown(connection.get(), SHUT_WR);
    }
}

void RegistryStub::answer(int connection) {
    std::string text;
    std::array<char, 4096> buffer;
    while (text.find("\r\n\r\n") == std::string::npos) {
        ssize_t count = ::recv(connection, buffer.data(), buffer.size(), 0);
        if (count <= 0) return;
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    StubRequest request;
    const std::size_t head_size = text.find("\r\n\r\n") + 4;
    std::vector<std::string_view> lines = split(std::string_view(text).substr(0, head_size), '\n');
    request.method = split(lines.front(), ' ').at(0);
    request.target = split(lines.front(), ' ').at(1);
    for (std::string_view line : lines)
        if (std::size_t colon = line.find(": "); colon != std::string_view::npos)
            request.headers[to_lower(line.substr(0, colon))] = trim(line.substr(colon + 2));
    const std::uint64_t body_size = parse_unsigned(request.header("content-length")).value_or(0);
    request.body = text.substr(head_size);
    while (request.body.size() < body_size) {
        const ssize_t count = ::recv(connection, buffer.data(), buffer.size(), 0);
        if (count <= 0) return;
        request.body.append(buffer.data(), static_cast<std::size_t>(count));
    }
    {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
    }
    StubReply reply(connection, request.method == "HEAD");
    handler_(request, reply);
}

}  // namespace imgbuild::builder
