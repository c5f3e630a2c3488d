// SPDX-License-Identifier: Apache-2.0
#pragma once

// A helper program of ours at work (docs/formats/helpers.md): found beside our own executable, fed by one
// descriptor, read to its end. The object owns the child; destroying it kills one that still runs.

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/stream.h"

namespace imgbuild::builder {

/// The absolute path of libexec/imgbuild/NAME for an executable at `executable`: in its folder (a build folder) or
/// in the folder above (an installation, where executables lie in bin/). Error{not_found} naming both places.
std::string helper_path(const std::string& executable, std::string_view name);

/// The standard output of a helper. It ends only when the helper said that all went well: the status of a failure
/// and a helper that was killed are thrown instead of an end.
class HelperProgram final : public ByteReader {
  public:
    /// Starts the helper `name` with `input` as its standard input, with `data` as its descriptor 4 and with `tokens` as
    /// its descriptor 5, unless these are -1. Throws Error.
    HelperProgram(std::string_view name, Fd input, int data = -1, int tokens = -1);
    ~HelperProgram() override;

    /// Error{interrupted}, with the helper killed, when somebody asked to stop or ended the helper by a signal for
    /// that; the helper's own Error when it failed; Error{internal} when it ended without a status.
    std::size_t read(std::span<std::byte> buffer) override;

    /// What the helper said; null before read() came to the end of the output or threw.
    const nlohmann::ordered_json& status() const noexcept;
    /// True if the status has `member` and it is true.
    bool says(const char* member) const;

  private:
    struct Running;
    std::unique_ptr<Running> running_;
};

/// A descriptor that gives `text` and then ends. Throws Error.
Fd text_as_input(std::string_view text);

}  // namespace imgbuild::builder
