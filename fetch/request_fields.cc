// SPDX-License-Identifier: Apache-2.0
#include "fetch/request_fields.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/helper_status.h"
#include "base/json.h"
#include "base/stream.h"

namespace imgbuild::fetch {

std::uint64_t byte_count(const Json& request, std::string_view member) {
    std::int64_t value = required_integer(request, member, "request");
    if (value < 0) throw Error(ErrorKind::usage, fmt::format("request: {}: negative", member));
    return static_cast<std::uint64_t>(value);
}

std::string one_line(const Json& request, std::string_view member) {
    std::string text = optional_string(request, member, "request").value_or("");
    for (const char c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
            throw Error(ErrorKind::usage, fmt::format("request: {}: holds control characters", member));
    return text;
}

std::size_t read_data(std::uint64_t offset, std::span<std::byte> buffer) {
    constexpr const char* name = "what is pushed";
    if (::lseek(helper_data_fd, static_cast<off_t>(offset), SEEK_SET) < 0) throw_errno("read", name);
    return FdReader(helper_data_fd, name).read(buffer);
}

}  // namespace imgbuild::fetch
