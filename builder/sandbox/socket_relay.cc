// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/socket_relay.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr const char* socket_name = "agent";
constexpr std::size_t most_connections = 64;  // more of them wait until one ends
constexpr std::size_t relay_block = 64 * 1024;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw Error(ErrorKind::usage, fmt::format("socket {}: the path is too long", printable(path)));
    std::memcpy(address.sun_path, path.c_str(), path.size());
    return address;
}

void require_socket(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) throw_errno("open the socket", path);
    if (!S_ISSOCK(status.st_mode)) throw Error(ErrorKind::usage, fmt::format("{}: is no socket", printable(path)));
    address_of(path);
}

Fd new_socket() {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) throw_errno("make", "a socket");
    return socket;
}

Fd listen_in(const Directory& folder) {
    Fd socket = new_socket();
    // By the descriptor, because the name of a store may be longer than an address.
    const sockaddr_un address = address_of(fmt::format("/proc/self/fd/{}/{}", folder.fd(), socket_name));
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw_errno("bind", "a socket in " + folder.name());
    if (::listen(socket.get(), SOMAXCONN) < 0) throw_errno("listen", "a socket in " + folder.name());
    return socket;
}

Fd connect_to(const std::string& path) {
    Fd socket = new_socket();
    const sockaddr_un address = address_of(path);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return Fd();
    return socket;
}

}  // namespace

SocketRelay::SocketRelay(const Directory& parent, std::string host_path)
    : host_path_(std::move(host_path)),
      folder_(TemporaryDirectory::create_in(parent)),
      listener_(listen_in(folder_.directory())),
      stop_(make_pipe()) {
    require_socket(host_path_);
    thread_ = std::thread([this] { serve(); });
}

SocketRelay::~SocketRelay() {
    stop_.write_end.reset();
    thread_.join();
}

std::string SocketRelay::path() const { return std::filesystem::absolute(folder_.path()).string() + "/" + socket_name; }

pollfd SocketRelay::Pump::watched() const {
    if (is_done) return {-1, 0, 0};
    return waiting.empty() ? pollfd{from, POLLIN, 0} : pollfd{to, POLLOUT, 0};
}

void SocketRelay::Pump::end() {
    ::shutdown(to, SHUT_WR);
    is_done = true;
}

void SocketRelay::Pump::move() {
    if (waiting.empty()) {
        waiting.resize(relay_block);
        const ssize_t count = ::recv(from, waiting.data(), waiting.size(), MSG_DONTWAIT);
        const bool is_early = count < 0 && (errno == EAGAIN || errno == EINTR);
        waiting.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        if (count <= 0 && !is_early) return end();
    }
    if (waiting.empty()) return;
    const ssize_t count = ::send(to, waiting.data(), waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0)
        waiting.erase(0, static_cast<std::size_t>(count));
    else if (errno != EAGAIN && errno != EINTR)
        end();
}

std::vector<pollfd> SocketRelay::watched() const {
    const bool is_full = connections_.size() >= most_connections;
    std::vector<pollfd> all{{stop_.read_end.get(), POLLIN, 0}, {is_full ? -1 : listener_.get(), POLLIN, 0}};
    for (const Connection& connection : connections_)
        for (const Pump& pump : connection.pumps) all.push_back(pump.watched());
    return all;
}

// A thread of its own: nothing may leave it but by return.
void SocketRelay::serve() {
    while (true) {
        std::vector<pollfd> all = watched();
        if (::poll(all.data(), all.size(), -1) < 0) {
            if (errno == EINTR) continue;
            return;
        }
        if (all[0].revents != 0) return;
        auto state = all.begin() + 2;
        for (Connection& connection : connections_)
            for (Pump& pump : connection.pumps)
                if ((state++)->revents != 0) pump.move();
        connections_.remove_if(
            [](const Connection& connection) { return std::ranges::all_of(connection.pumps, &Pump::is_done); });
        if (all[1].revents != 0) accept_one();
    }
}

void SocketRelay::accept_one() {
    Fd inside(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!inside) return;
    try {
        Fd host = connect_to(host_path_);
        if (!host) return;
        const std::array pumps{Pump{inside.get(), host.get(), {}, false}, Pump{host.get(), inside.get(), {}, false}};
        connections_.push_back({std::move(inside), std::move(host), pumps});
    } catch (const Error&) {
        // No more descriptors: the command sees that nobody answers.
    }
}

}  // namespace imgbuild::builder
