// SPDX-License-Identifier: Apache-2.0
#pragma once

// The options of one command: declared once, read by CLI11, and printed by --help from the same declarations.
// Flags whose value is optional take it only after "=", so that `--pull .` never eats the context.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::cli {

using Arguments = std::span<const std::string>;

class OptionSet {
  public:
    /// `usage` stands behind "imgbuild " in the help: "tag SOURCE NAME". `summary` is one sentence without a full stop.
    OptionSet(std::string usage, std::string summary);
    OptionSet(const OptionSet&) = delete;
    OptionSet& operator=(const OptionSet&) = delete;
    ~OptionSet();

    // `names` as in "-f,--file". The targets outlive parse().

    void flag(const std::string& names, bool& target, std::string help);
    /// The last one given counts. `metavar` is the value's name in the help.
    void value(const std::string& names, std::optional<std::string>& target, std::string metavar, std::string help);
    /// May be given any number of times, one value each.
    void list(const std::string& names, std::vector<std::string>& target, std::string metavar, std::string help);
    /// `--pull` sets `implied`, `--pull=never` what stands there.
    void word(const std::string& names, std::optional<std::string>& target, std::string implied, std::string help);
    /// A value that is accepted and not in the help, because it changes nothing for this command.
    void silent(const std::string& names, std::optional<std::string>& target);
    /// A flag of other builders that is refused with `reason`, and not in the help.
    void unsupported(const std::string& names, std::string reason);
    /// Words that are no flags, in the order of these calls.
    void positional(const std::string& name, std::optional<std::string>& target, bool required = true);
    void positionals(const std::string& name, std::vector<std::string>& target, bool required = true);

    /// Reads what stands behind the command word. Error{usage} for an unknown flag, with the nearest known one, for a
    /// missing value and for words too many. False when --help or -h is among them: nothing else was then read.
    bool parse(Arguments arguments);
    /// What --help prints.
    std::string help() const;

  private:
    struct Reader;  ///< CLI11 stays out of this header
    struct Line {
        std::string left;
        std::string help;
    };
    struct Positional {
        std::string name;
        bool required;
        bool many;
        std::function<void(const std::string&)> take;
    };
    std::string command() const;
    void take_words(const std::vector<std::string>& words) const;
    void describe(const std::string& names, const std::string& metavar, std::string help);
    [[noreturn]] void refuse_unknown(const std::string& argument) const;

    std::string usage_;
    std::string summary_;
    std::vector<Line> lines_;
    std::vector<std::string> flags_;  ///< "--file": for suggestions
    std::vector<Positional> positionals_;
    std::unique_ptr<Reader> reader_;
};

}  // namespace imgbuild::cli
