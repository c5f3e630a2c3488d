// SPDX-License-Identifier: Apache-2.0
#pragma once

// The variables that expansion sees at one place of a Buildfile: an ordered list of names, each with a value
// or only declared (`ARG NAME` without any value). The order is that of an image config's Env: a name keeps
// the place at which it was first set.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace imgbuild::parser {

struct Variable {
    std::string name;
    std::optional<std::string> value;  ///< empty: declared, but unset

    friend bool operator==(const Variable&, const Variable&) = default;
};

class Environment {
  public:
    Environment() = default;
    Environment(std::initializer_list<std::pair<std::string_view, std::string_view>> values);

    /// Sets a value; a name that is there already keeps its place.
    void set(std::string_view name, std::string value);
    /// Makes the name known. A value that it has stays.
    void declare(std::string_view name);

    /// The value; empty when the name is unset or unknown. Valid until the next change.
    std::optional<std::string_view> find(std::string_view name) const;
    /// True if the name was set or declared.
    bool declares(std::string_view name) const;
    /// The known name whose spelling is nearest to `name`, for hints.
    std::optional<std::string> nearest_name(std::string_view name) const;

    /// Set and declared ones, in order.
    const std::vector<Variable>& variables() const noexcept { return variables_; }

  private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };

    Variable& entry(std::string_view name);

    std::vector<Variable> variables_;
    std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> index_;
};

}  // namespace imgbuild::parser
