// SPDX-License-Identifier: Apache-2.0
// A program of the build: turns profile.h into the filters of x86_64 (with i386 and x32) and aarch64 (with arm) as
// a C++ header on standard output.

#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "builder/sandbox/seccomp/profile.h"

namespace {

using namespace imgbuild::builder::seccomp;

// One instruction of the kernel's packet filter machine (linux/filter.h).
struct Instruction {
    std::uint16_t code;
    std::uint8_t if_true, if_false;
    std::uint32_t value;
};
using Program = std::vector<Instruction>;

constexpr std::uint16_t load = 0x20, jump_if_equal = 0x15, jump_if_at_least = 0x35, give = 0x06;
constexpr std::uint32_t allow = 0x7fff0000, refuse = 0x00050000;
constexpr std::uint32_t number_offset = 0, arch_offset = 4, second_argument_offset = 24;

// Instructions with names for their targets, so that nobody counts them.
class Assembler {
  public:
    void mark(const std::string& label) { labels_[label] = program_.size(); }
    void add(std::uint16_t code, std::uint32_t value) { program_.push_back({code, 0, 0, value}); }
    // Goes to `yes` or on to the next instruction.
    void branch(std::uint16_t code, std::uint32_t value, const std::string& yes) {
        targets_[program_.size()] = yes;
        program_.push_back({code, 0, 0, value});
    }
    Program finish() {
        for (const auto& [at, label] : targets_)
            program_[at].if_true = static_cast<std::uint8_t>(labels_.at(label) - at - 1);
        return program_;
    }

  private:
    Program program_;
    std::map<std::string, std::size_t> labels_;
    std::map<std::size_t, std::string> targets_;
};

struct Target {
    std::string name;
    std::vector<std::uint32_t> arches;
    std::vector<const char*> own_calls;
    std::vector<std::pair<std::uint32_t, std::vector<std::uint32_t>>> ioctl_numbers;  // kernel arch → numbers
};

// What libseccomp cannot say: requests by their low half, and numbers it has no names for.
Program prelude(const Target& target) {
    Assembler out;
    out.add(load, number_offset);
    out.branch(jump_if_at_least, 0xf0000, "requests");  // x32, and arm's private calls
    out.branch(jump_if_at_least, end_newest, "unknown");
    out.branch(jump_if_at_least, first_newest, "allow");
    out.branch(jump_if_at_least, end_recent, "main");
    out.branch(jump_if_at_least, first_recent, "allow");
    out.mark("requests");
    out.add(load, arch_offset);
    for (std::size_t i = 0; i < target.ioctl_numbers.size(); ++i)
        out.branch(jump_if_equal, target.ioctl_numbers[i].first, "arch" + std::to_string(i));
    out.branch(jump_if_at_least, 0, "main");
    for (std::size_t i = 0; i < target.ioctl_numbers.size(); ++i) {
        out.mark("arch" + std::to_string(i));
        out.add(load, number_offset);
        for (std::uint32_t number : target.ioctl_numbers[i].second) out.branch(jump_if_equal, number, "ioctl");
        out.branch(jump_if_at_least, 0, "main");
    }
    out.mark("ioctl");
    out.add(load, second_argument_offset);
    for (std::uint32_t request : refused_requests) out.branch(jump_if_equal, request, "refuse");
    out.branch(jump_if_at_least, 0, "main");
    out.mark("unknown");
    out.add(give, refuse | ENOSYS);
    out.mark("refuse");
    out.add(give, refuse | EPERM);
    out.mark("allow");
    out.add(give, allow);
    out.mark("main");
    return out.finish();
}

void check(int result, const std::string& what) {
    if (result < 0) throw std::runtime_error("seccomp: " + what + ": error " + std::to_string(-result));
}

int number_of(const char* name) {
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) throw std::runtime_error(std::string("seccomp: ") + name + ": unknown system call");
    return number;
}

void add_rules(scmp_filter_ctx filter, const Target& target) {
    for (const char* name : allowed) check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number_of(name), 0), name);
    for (const char* name : target.own_calls) check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number_of(name), 0), name);
    for (std::uint32_t family : socket_families)
        check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number_of("socket"), 1, SCMP_A0(SCMP_CMP_EQ, family)), "socket");
    for (std::uint32_t persona : personalities)
        check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number_of("personality"), 1, SCMP_A0(SCMP_CMP_EQ, persona)),
              "personality");
    check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number_of("clone"), 1,
                           SCMP_A0(SCMP_CMP_MASKED_EQ, namespace_flags, 0)),
          "clone");
    check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number_of("clone3"), 0), "clone3");
}

Program filter_for(const Target& target) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter) throw std::runtime_error("seccomp: no memory");
    check(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), "remove architecture");
    for (std::uint32_t arch : target.arches) check(seccomp_arch_add(filter, arch), "add architecture");
    check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM)), "set action");
    check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimise");  // a binary tree
    add_rules(filter, target);
    int file = memfd_create("filter", 0);
    check(seccomp_export_bpf(filter, file), "export");
    seccomp_release(filter);
    Program program(static_cast<std::size_t>(lseek(file, 0, SEEK_END)) / sizeof(Instruction));
    auto size = static_cast<ssize_t>(program.size() * sizeof(Instruction));
    if (pread(file, program.data(), static_cast<std::size_t>(size), 0) != size)
        throw std::runtime_error("seccomp: read");
    Program whole = prelude(target);
    whole.insert(whole.end(), program.begin(), program.end());
    return whole;
}

void print(const Target& target) {
    std::cout << "inline constexpr sock_filter filter_" << target.name << "[] = {\n";
    for (const Instruction& step : filter_for(target))
        std::cout << "    {" << step.code << ", " << int{step.if_true} << ", " << int{step.if_false} << ", "
                  << step.value << "U},\n";
    std::cout << "};\n";
}

}  // namespace

int main() {
    constexpr std::uint32_t audit_x86_64 = 0xc000003e, audit_i386 = 0x40000003, audit_aarch64 = 0xc00000b7,
                            audit_arm = 0x40000028, x32_bit = 0x40000000;
    try {
        std::cout << "// SPDX-License-Identifier: Apache-2.0\n#pragma once\n"
                     "// Generated from profile.h by generate.cc: the seccomp filters of a RUN.\n"
                     "#include <linux/filter.h>\nnamespace imgbuild::builder::seccomp {\n";
        print({"x86_64",
               {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32},
               {allowed_on_x86.begin(), allowed_on_x86.end()},
               {{audit_x86_64, {16, x32_bit | 514}}, {audit_i386, {54}}}});
        print({"aarch64",
               {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM},
               {allowed_on_arm.begin(), allowed_on_arm.end()},
               {{audit_aarch64, {29}}, {audit_arm, {54}}}});
        std::cout << "}  // namespace imgbuild::builder::seccomp\n";
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
    return 0;
}
