// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/network/step_interface.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "base/error.h"
#include "builder/sandbox/network/uplink.h"

namespace imgbuild::builder {
namespace {

constexpr std::string_view interface_name = "eth0";

// An address as netlink takes it.
std::string packed(int family, const char* address) {
    std::array<char, sizeof(in6_addr)> bytes{};
    if (::inet_pton(family, address, bytes.data()) != 1) throw Error(ErrorKind::internal, "network: no address");
    return {bytes.data(), family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr)};
}

template <class Value>
std::string_view bytes_of(const Value& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

// Requests to the kernel's routing, each of which is carried out before the next is sent.
class Routing {
  public:
    Routing() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
        if (!socket_) throw_errno("make", "a socket for the network's configuration");
    }

    template <class Body>
    Routing& begin(std::uint16_t type, std::uint16_t flags, const Body& body) {
        request_.assign(
            bytes_of(nlmsghdr{0, type, static_cast<std::uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK), 0, 0}));
        append(bytes_of(body));
        return *this;
    }
    Routing& attribute(std::uint16_t type, std::string_view value) {
        append(bytes_of(rtattr{static_cast<std::uint16_t>(RTA_LENGTH(value.size())), type}));
        append(value);
        return *this;
    }
    // An errno value; 0 when it was done.
    int send() {
        const auto length = static_cast<std::uint32_t>(request_.size());
        std::memcpy(request_.data(), &length, sizeof length);
        if (::send(socket_.get(), request_.data(), request_.size(), 0) < 0) return errno;
        struct {
            nlmsghdr header;
            nlmsgerr error;
            std::array<char, 4096> rest;
        } answer{};
        if (::recv(socket_.get(), &answer, sizeof answer, 0) < 0) return errno;
        return answer.header.nlmsg_type == NLMSG_ERROR ? -answer.error.error : EPROTO;
    }
    void must(const char* doing) {
        if (const int problem = send()) {
            errno = problem;
            throw_errno(doing, "the network of the command");
        }
    }

  private:
    void append(std::string_view bytes) {
        request_ += bytes;
        request_.resize(NLMSG_ALIGN(request_.size()));
    }

    Fd socket_;
    std::string request_;
};

Fd open_interface() {
    Fd frames(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!frames) throw_errno("open", "/dev/net/tun");
    ifreq request{};
    interface_name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (::ioctl(frames.get(), TUNSETIFF, &request) < 0 || ::ioctl(frames.get(), TUNSETPERSIST, 1) < 0)
        throw_errno("make", "a network interface");
    return frames;
}

int index_of_interface() {
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    interface_name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    if (!socket || ::ioctl(socket.get(), SIOCGIFINDEX, &request) < 0) throw_errno("find", "a network interface");
    return request.ifr_ifindex;
}

ifinfomsg link_message(int index, unsigned flags) {
    ifinfomsg link{};
    link.ifi_index = index;
    link.ifi_flags = link.ifi_change = flags;
    return link;
}

// Without routes to the world an address of its own would only be tried in vain.
void leave_ipv6_without_address(Routing& routing, int index) {
    const std::uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    const auto nested = [](std::uint16_t type, std::string_view value) {
        std::string text(bytes_of(rtattr{static_cast<std::uint16_t>(RTA_LENGTH(value.size())), type}));
        text += value;
        text.resize(RTA_ALIGN(text.size()));
        return text;
    };
    const std::string settings = nested(AF_INET6, nested(IFLA_INET6_ADDR_GEN_MODE, bytes_of(none)));
    routing.begin(RTM_NEWLINK, 0, link_message(index, 0)).attribute(IFLA_AF_SPEC, settings);
    routing.send();  // a kernel without IPv6 refuses, and has no such address either
}

void add_address(Routing& routing, int index, int family, unsigned prefix, const char* address) {
    ifaddrmsg message{};
    message.ifa_family = static_cast<std::uint8_t>(family);
    message.ifa_prefixlen = static_cast<std::uint8_t>(prefix);
    message.ifa_index = static_cast<std::uint32_t>(index);
    if (family == AF_INET6) message.ifa_flags = IFA_F_NODAD;
    routing.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, message)
        .attribute(IFA_LOCAL, packed(family, address))
        .attribute(IFA_ADDRESS, packed(family, address));
    routing.must("give an address to");
}

void add_default_route(Routing& routing, int index, int family, const char* gateway) {
    rtmsg message{};
    message.rtm_family = static_cast<std::uint8_t>(family);
    message.rtm_table = RT_TABLE_MAIN;
    message.rtm_protocol = RTPROT_BOOT;
    message.rtm_scope = RT_SCOPE_UNIVERSE;
    message.rtm_type = RTN_UNICAST;
    routing.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, message)
        .attribute(RTA_GATEWAY, packed(family, gateway))
        .attribute(RTA_OIF, bytes_of(index));
    routing.must("give a route to");
}

}  // namespace

void bring_loopback_up() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return;  // a kernel without IPv4 has no loopback to bring up
    ifreq interface {};
    std::memcpy(interface.ifr_name, "lo", 3);
    interface.ifr_flags = IFF_UP | IFF_RUNNING;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &interface) < 0) throw_errno("bring up", "the loopback interface");
}

Fd make_step_interface(bool has_ipv6) {
    using namespace uplink_address;
    bring_loopback_up();
    Fd frames = open_interface();
    const int index = index_of_interface();
    Routing routing;
    if (!has_ipv6) leave_ipv6_without_address(routing, index);
    const std::uint32_t mtu = uplink_mtu;
    routing.begin(RTM_NEWLINK, 0, link_message(index, IFF_UP)).attribute(IFLA_MTU, bytes_of(mtu));
    routing.must("bring up");
    add_address(routing, index, AF_INET, prefix, own);
    add_default_route(routing, index, AF_INET, gateway);
    if (has_ipv6) {
        add_address(routing, index, AF_INET6, prefix6, own6);
        add_default_route(routing, index, AF_INET6, gateway6);
    }
    return frames;
}

}  // namespace imgbuild::builder
