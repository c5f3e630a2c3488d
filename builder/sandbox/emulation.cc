// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/emulation.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <vector>

#include "base/directory.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/stream.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

using layerstore::Platform;

constexpr std::uint64_t max_format_bytes = 64 * 1024;

/// An architecture as its programs say it (the constants of <elf.h>).
struct Machine {
    std::string_view architecture;  ///< in Go's words
    std::uint16_t number;
    bool is_64_bit;
    bool is_big_endian;
    std::string_view emulator;  ///< what qemu calls it
};
constexpr std::array machines{
    Machine{"386", 3, false, false, "i386"},
    Machine{"amd64", 62, true, false, "x86_64"},
    Machine{"arm", 40, false, false, "arm"},
    Machine{"arm64", 183, true, false, "aarch64"},
    Machine{"loong64", 258, true, false, "loongarch64"},
    Machine{"mips", 8, false, true, "mips"},
    Machine{"mipsle", 8, false, false, "mipsel"},
    Machine{"mips64", 8, true, true, "mips64"},
    Machine{"mips64le", 8, true, false, "mips64el"},
    Machine{"ppc64", 21, true, true, "ppc64"},
    Machine{"ppc64le", 21, true, false, "ppc64le"},
    Machine{"riscv64", 243, true, false, "riscv64"},
    Machine{"s390x", 22, true, true, "s390x"},
    Machine{"sparc64", 43, true, true, "sparc64"},
};

const Machine* find_machine(const Platform& platform) {
    const auto found = std::ranges::find(machines, platform.architecture, &Machine::architecture);
    return found == machines.end() ? nullptr : &*found;
}

void append(std::string& bytes, std::uint64_t number, std::size_t size, bool is_big_endian = false) {
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t shift = 8 * (is_big_endian ? size - 1 - i : i);
        bytes += static_cast<char>(number >> shift & 0xff);
    }
}

// A program of 32 bits that ends with status 0 at once.
std::string smallest_program(const Platform& platform) {
    constexpr std::uint32_t address = 0x10000, file_header = 52, program_headers = 32;
    const bool is_arm = platform.architecture == "arm";
    // exit(0): xor ebx,ebx; xor eax,eax; inc eax; int 0x80, or mov r0,#0; mov r7,#1; svc 0.
    const std::string code = is_arm ? std::string("\x00\x00\xa0\xe3\x01\x70\xa0\xe3\x00\x00\x00\xef", 12)
                                    : std::string("\x31\xdb\x31\xc0\x40\xcd\x80", 7);
    const std::uint32_t size = file_header + program_headers + static_cast<std::uint32_t>(code.size());
    std::string bytes = program_header(platform);
    // The rest of the file's header: version, entry, where the headers stand, flags, sizes and counts.
    for (const std::uint32_t word :
         {1u, address + file_header + program_headers, file_header, 0u, is_arm ? 0x5000000u : 0u})
        append(bytes, word, 4);
    for (const std::uint32_t half : {file_header, program_headers, 1u, 0u, 0u, 0u}) append(bytes, half, 2);
    // One segment to load, readable and executable: type, offset, address twice, size twice, flags, alignment.
    for (const std::uint32_t word : {1u, 0u, address, address, size, size, 5u, 0x1000u}) append(bytes, word, 4);
    return bytes + code;
}

// By doing: a kernel of 64 bits may have been built, or a processor made, without its 32 bits.
bool runs_smallest_program(const Platform& platform) {
    const Fd program(::memfd_create("program", MFD_CLOEXEC));
    if (program.get() < 0) return false;
    FdWriter(program.get(), "a program").write(as_bytes(smallest_program(platform)));
    constexpr int in_child = 3;
    try {
        Process process = Process::start({.arguments = {fmt::format("/proc/self/fd/{}", in_child)},
                                          .environment = std::vector<std::string>{},
                                          .working_directory = {},
                                          .descriptors = {{program.get(), in_child}}});
        return process.wait().ok();
    } catch (const Error&) {
        return false;
    }
}

bool is_native(const Platform& platform, const Platform& host) {
    if (platform.architecture == host.architecture) return true;
    const bool has_32_bits = (host.architecture == "amd64" && platform.architecture == "386") ||
                             (host.architecture == "arm64" && platform.architecture == "arm");
    return has_32_bits && runs_smallest_program(platform);
}

// Empty where binfmt_misc is not mounted.
std::optional<Directory> formats() {
    try {
        return Directory::open_host("/proc/sys/fs/binfmt_misc");
    } catch (const Error&) {
        return std::nullopt;
    }
}

// What is registered for programs of this kind; the first that a command in an image can reach, if any can.
std::optional<BinaryFormat> find_format(const std::string& header) {
    std::optional<BinaryFormat> found;
    const std::optional<Directory> folder = formats();
    if (!folder) return found;
    for (const std::string& name : folder->list()) {
        if (name == "register" || name == "status") continue;
        const auto format = parse_binary_format(folder->read_file(ImagePath().child(name), max_format_bytes));
        if (!format || !format->enabled || !format->matches(header)) continue;
        if (format->is_open) return format;
        found = format;
    }
    return found;
}

std::string remedy(const Machine* machine) {
    const std::string what = machine ? fmt::format("qemu-{}", machine->emulator) : std::string("an interpreter");
    return fmt::format(
        "register {} with binfmt_misc and the flag F (on Debian: apt install qemu-user-static binfmt-support), or build "
        "this stage with FROM --platform=$BUILDPLATFORM; steps other than RUN need none",
        what);
}

std::string bytes_of_hex(std::string_view digits) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        unsigned value = 0;
        const char* end = digits.data() + i + 2;
        if (std::from_chars(digits.data() + i, end, value, 16).ptr != end) return {};
        bytes += static_cast<char>(value);
    }
    return bytes;
}

}  // namespace

bool BinaryFormat::matches(std::string_view header) const noexcept {
    if (header.size() < offset + magic.size()) return false;
    for (std::size_t i = 0; i < magic.size(); ++i)
        if ((header[offset + i] & mask[i]) != (magic[i] & mask[i])) return false;
    return true;
}

std::optional<BinaryFormat> parse_binary_format(std::string_view text) {
    BinaryFormat format;
    for (const std::string_view line : split(text, '\n')) {
        const std::size_t blank = std::min(line.find(' '), line.size());
        const std::string_view key = line.substr(0, blank);
        const std::string_view value = trim(line.substr(blank));
        if (key == "enabled") format.enabled = true;
        if (key == "interpreter") format.interpreter = value;
        if (key == "flags:") format.is_open = value.find('F') != std::string_view::npos;
        if (key == "offset") format.offset = parse_unsigned(value).value_or(0);
        if (key == "magic") format.magic = bytes_of_hex(value);
        if (key == "mask") format.mask = bytes_of_hex(value);
    }
    if (format.mask.empty()) format.mask.assign(format.magic.size(), '\xff');
    if (format.magic.empty() || format.mask.size() != format.magic.size() || format.interpreter.empty())
        return std::nullopt;
    return format;
}

std::string program_header(const Platform& platform) {
    const Machine* machine = find_machine(platform);
    if (!machine) return {};
    std::string bytes(
        "\x7f"
        "ELF");
    bytes += machine->is_64_bit ? '\2' : '\1';
    bytes += machine->is_big_endian ? '\2' : '\1';
    bytes += '\1';
    bytes.resize(16);
    append(bytes, 2, 2, machine->is_big_endian);  // an executable
    append(bytes, machine->number, 2, machine->is_big_endian);
    return bytes;
}

void require_runnable(const Platform& platform) {
    const Platform host = Platform::host();
    const Platform wanted = platform.normalised();
    const std::string what = fmt::format("RUN for {}: ", printable(wanted.text()));
    if (wanted.os != host.os)
        throw Error(ErrorKind::unsupported, what + "its commands cannot run on " + host.os,
                    "copy what it needs from a stage with FROM --platform=$BUILDPLATFORM");
    if (is_native(wanted, host)) return;
    const Machine* machine = find_machine(wanted);
    const std::optional<BinaryFormat> format = machine ? find_format(program_header(wanted)) : std::nullopt;
    if (format && format->is_open) return;
    if (format)
        throw Error(
            ErrorKind::unsupported,
            what + fmt::format("the interpreter {} is registered without the flag F: a command in an image cannot "
                               "reach it",
                               printable(format->interpreter)),
            remedy(machine));
    throw Error(ErrorKind::unsupported,
                what + fmt::format("this machine is {}, and nothing is registered to run such programs", host.text()),
                remedy(machine));
}

}  // namespace imgbuild::builder
