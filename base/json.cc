// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild {
namespace {

// Sees the document before it is built: duplicate keys (after unescaping) and depth are refused here, which a
// finished value cannot tell any more.
class StrictScan final : public nlohmann::json_sax<Json> {
  public:
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t value) override {
        return value <= static_cast<number_unsigned_t>(INT64_MAX) || refuse("a number does not fit 64 bits");
    }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override {
        keys_.emplace_back();
        return enter();
    }
    bool key(string_t& name) override {
        return keys_.back().insert(name).second ||
               refuse(fmt::format("the member \"{}\" stands twice", printable(name)));
    }
    bool end_object() override {
        keys_.pop_back();
        --depth_;
        return true;
    }
    bool start_array(std::size_t) override { return enter(); }
    bool end_array() override {
        --depth_;
        return true;
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
        position_ = position;
        return refuse("not well-formed JSON");
    }
    const std::string& reason() const { return reason_; }
    std::optional<std::size_t> position() const { return position_; }

  private:
    bool enter() { return ++depth_ <= json_max_depth || refuse(fmt::format("nested deeper than {}", json_max_depth)); }
    bool refuse(std::string reason) {
        reason_ = std::move(reason);
        return false;
    }
    std::vector<std::set<std::string>> keys_;
    std::size_t depth_ = 0;
    std::string reason_;
    std::optional<std::size_t> position_;
};

std::string place(std::string_view text, std::size_t position) {
    std::string_view before = text.substr(0, std::min(position, text.size()));
    auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
    std::size_t column = before.size() - (line == 0 ? 0 : before.rfind('\n') + 1);
    return fmt::format("line {}, column {}", line + 1, std::max<std::size_t>(column, 1));
}

// nlohmann writes '<' as it is; Go's encoder does not, and digests of configs depend on it.
std::string escape_as_go(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string_view rest = text.substr(i);
        if (text[i] == '<')
            out += "\\u003c";
        else if (text[i] == '>')
            out += "\\u003e";
        else if (text[i] == '&')
            out += "\\u0026";
        else if (rest.starts_with("\u2028") || rest.starts_with("\u2029")) {
            out += rest.starts_with("\u2028") ? "\\u2028" : "\\u2029";
            i += 2;
        } else
            out += text[i];
    }
    return out;
}

[[noreturn]] void wrong_type(std::string_view what, std::string_view member, std::string_view expected) {
    throw Error(ErrorKind::invalid_input, fmt::format("{}: {}: expected {}", what, member, expected));
}

const Json* find_member(const Json& object, std::string_view member) {
    if (!object.is_object()) return nullptr;
    auto found = object.find(std::string(member));
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

template <class Value>
Value present(std::optional<Value> value, std::string_view member, std::string_view what) {
    if (!value) throw Error(ErrorKind::invalid_input, fmt::format("{}: {}: missing", what, member));
    return *std::move(value);
}

}  // namespace

Json parse_json(std::string_view text, std::string_view what) {
    if (text.size() > json_max_bytes)
        throw Error(ErrorKind::invalid_input, fmt::format("{}: larger than {}", what, human_size(json_max_bytes)));
    StrictScan scan;
    if (!Json::sax_parse(text.begin(), text.end(), &scan)) {
        std::string where = scan.position() ? place(text, *scan.position()) + ": " : "";
        throw Error(ErrorKind::invalid_input, fmt::format("{}: {}{}", what, where, scan.reason()));
    }
    return Json::parse(text.begin(), text.end());
}

std::string write_json(const Json& document) { return escape_as_go(document.dump()); }
std::string write_json_indented(const Json& document) { return escape_as_go(document.dump(2)); }

std::optional<std::string> optional_string(const Json& object, std::string_view member, std::string_view what) {
    const Json* value = find_member(object, member);
    if (!value) return std::nullopt;
    if (!value->is_string()) wrong_type(what, member, "a string");
    return value->get<std::string>();
}

std::optional<std::int64_t> optional_integer(const Json& object, std::string_view member, std::string_view what) {
    const Json* value = find_member(object, member);
    if (!value) return std::nullopt;
    if (!value->is_number_integer()) wrong_type(what, member, "an integer");
    return value->get<std::int64_t>();
}

std::string required_string(const Json& object, std::string_view member, std::string_view what) {
    return present(optional_string(object, member, what), member, what);
}

std::int64_t required_integer(const Json& object, std::string_view member, std::string_view what) {
    return present(optional_integer(object, member, what), member, what);
}

const Json* optional_object(const Json& object, std::string_view member, std::string_view what) {
    const Json* value = find_member(object, member);
    if (value && !value->is_object()) wrong_type(what, member, "an object");
    return value;
}

const Json* optional_array(const Json& object, std::string_view member, std::string_view what) {
    const Json* value = find_member(object, member);
    if (value && !value->is_array()) wrong_type(what, member, "an array");
    return value;
}

}  // namespace imgbuild
