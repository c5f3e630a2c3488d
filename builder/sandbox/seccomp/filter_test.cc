// SPDX-License-Identifier: Apache-2.0
// Asks the generated filters for every system call of every architecture and compares with the table that they are made
// of. The filters are run here by a machine of our own, which knows the instructions that they use.

#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>

#include "builder/sandbox/seccomp/profile.h"
#include "builder/sandbox/seccomp_filter.h"

namespace {

using namespace imgbuild::builder::seccomp;
using Filter = std::span<const sock_filter>;

constexpr std::uint32_t x32_bit = 0x40000000;
constexpr std::uint32_t last_asked = 700;  // beyond all that the kernel has
constexpr std::uint32_t allow = SECCOMP_RET_ALLOW, denied = SECCOMP_RET_ERRNO | EPERM,
                        unknown = SECCOMP_RET_ERRNO | ENOSYS;

bool jumps(const sock_filter& step, std::uint32_t value) {
    switch (BPF_OP(step.code)) {
        case BPF_JEQ: return value == step.k;
        case BPF_JGE: return value >= step.k;
        case BPF_JGT: return value > step.k;
        case BPF_JSET: return (value & step.k) != 0;
        default: throw std::runtime_error("a jump that the test does not know");
    }
}

std::uint32_t verdict(Filter filter, const seccomp_data& call) {
    std::uint32_t value = 0;
    for (std::size_t at = 0; at < filter.size(); ++at) {
        const sock_filter& step = filter[at];
        switch (BPF_CLASS(step.code)) {
            case BPF_RET: return step.k;
            case BPF_LD: std::memcpy(&value, reinterpret_cast<const char*>(&call) + step.k, sizeof value); break;
            case BPF_ALU:
                if (BPF_OP(step.code) != BPF_AND) throw std::runtime_error("a calculation that the test does not know");
                value &= step.k;
                break;
            case BPF_JMP:
                if (BPF_OP(step.code) == BPF_JA)
                    at += step.k;
                else
                    at += jumps(step, value) ? step.jt : step.jf;
                break;
            default: throw std::runtime_error("an instruction that the test does not know");
        }
    }
    throw std::runtime_error("the filter ends without a verdict");
}

struct Architecture {
    const char* name;
    Filter filter;
    std::uint32_t kernel;
    std::uint32_t library;
    std::uint32_t first = 0;  // of its numbers
    bool is_x86 = true;
};

const Architecture architectures[] = {
    {"x86_64", filter_x86_64, AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64},
    {"i386", filter_x86_64, AUDIT_ARCH_I386, SCMP_ARCH_X86},
    {"x32", filter_x86_64, AUDIT_ARCH_X86_64, SCMP_ARCH_X32, x32_bit},
    {"aarch64", filter_aarch64, AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64, 0, false},
    {"arm", filter_aarch64, AUDIT_ARCH_ARM, SCMP_ARCH_ARM, 0, false},
};

seccomp_data call_of(const Architecture& architecture, std::uint32_t number) {
    seccomp_data call{};
    call.nr = static_cast<int>(number);
    call.arch = architecture.kernel;
    return call;
}

std::string name_of(const Architecture& architecture, std::uint32_t number) {
    char* name = seccomp_syscall_resolve_num_arch(architecture.library, static_cast<int>(number));
    std::string text = name ? name : "";
    std::free(name);
    return text;
}

bool is_listed(const Architecture& architecture, const std::string& name) {
    const auto has = [&](const auto& list) { return std::ranges::find(list, name) != list.end(); };
    return has(allowed) || (architecture.is_x86 ? has(allowed_on_x86) : has(allowed_on_arm));
}

// What the table says of a call with arguments of zero.
std::uint32_t expected(const Architecture& architecture, std::uint32_t number, const std::string& name) {
    const std::uint32_t plain = number - architecture.first;
    if (architecture.first == 0 && plain >= end_newest && plain < 0xf0000) return unknown;
    if (architecture.first == 0 && plain >= first_newest) return allow;
    if (architecture.first == 0 && plain >= first_recent && plain < end_recent) return allow;
    if (name == "clone3") return unknown;
    if (name == "socket" || name == "personality" || name == "clone") return allow;
    return is_listed(architecture, name) ? allow : denied;
}

// Not by the library: for calls of sockets on i386 it has numbers of its own, which stand for socketcall, too.
std::uint32_t number_of(const Architecture& architecture, const std::string& name) {
    for (std::uint32_t number = architecture.first; number < architecture.first + last_asked; ++number)
        if (name_of(architecture, number) == name) return number;
    throw std::runtime_error(name + " has no number");
}

}  // namespace

TEST_CASE("every number of every architecture has the verdict that the table gives its name") {
    for (const Architecture& architecture : architectures) {
        int allowed_calls = 0;
        for (std::uint32_t number = architecture.first; number < architecture.first + last_asked; ++number) {
            const std::string name = name_of(architecture, number);
            const std::uint32_t found = verdict(architecture.filter, call_of(architecture, number));
            INFO(architecture.name, " ", number, " ", name);
            CHECK(found == expected(architecture, number, name));
            allowed_calls += found == allow;
        }
        CHECK(allowed_calls > 200);
    }
}

TEST_CASE("sockets and personalities are allowed by their argument") {
    for (const Architecture& architecture : architectures)
        for (std::uint32_t argument = 0; argument < 64; ++argument) {
            seccomp_data call = call_of(architecture, number_of(architecture, "socket"));
            call.args[0] = argument;
            const bool is_family = std::ranges::find(socket_families, argument) != socket_families.end();
            CHECK(verdict(architecture.filter, call) == (is_family ? allow : denied));
            call.nr = static_cast<int>(number_of(architecture, "personality"));
            const bool is_persona = std::ranges::find(personalities, argument) != personalities.end();
            CHECK(verdict(architecture.filter, call) == (is_persona ? allow : denied));
        }
}

TEST_CASE("clone makes processes and no namespaces, whichever flag asks for one") {
    for (const Architecture& architecture : architectures)
        for (int bit = 0; bit < 32; ++bit) {
            seccomp_data call = call_of(architecture, number_of(architecture, "clone"));
            call.args[0] = std::uint64_t{1} << bit;
            const bool makes_one = (call.args[0] & namespace_flags) != 0;
            CHECK(verdict(architecture.filter, call) == (makes_one ? denied : allow));
        }
}

TEST_CASE("characters cannot be pushed into a terminal, also by a request with high bits") {
    for (const Architecture& architecture : architectures) {
        seccomp_data call = call_of(architecture, number_of(architecture, "ioctl"));
        for (std::uint32_t request : refused_requests)
            for (std::uint64_t high : {std::uint64_t{0}, std::uint64_t{1} << 32, std::uint64_t{1} << 63}) {
                call.args[1] = high | request;
                CHECK(verdict(architecture.filter, call) == denied);
            }
        call.args[1] = 0x5401;
        CHECK(verdict(architecture.filter, call) == allow);
    }
}

TEST_CASE("what comes from another architecture is refused") {
    seccomp_data call{};
    call.arch = AUDIT_ARCH_S390X;
    CHECK(verdict(filter_x86_64, call) == denied);
    CHECK(verdict(filter_aarch64, call) == denied);
}
