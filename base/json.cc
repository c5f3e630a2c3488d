// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/input_limits.h"
#include "base/text.h"

namespace imgbuild {
namespace {

static_assert(json_max_bytes == limits::json_bytes && json_max_depth == limits::json_depth);

// Line and column of an offset, both from 1; a column counts characters, as an editor shows it.
std::string place(std::string_view text, std::size_t offset) {
    std::string_view before = text.substr(0, std::min(offset, text.size()));
    auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
    std::string_view in_line = before.substr(line == 0 ? 0 : before.rfind('\n') + 1);
    auto column = std::count_if(in_line.begin(), in_line.end(), [](char c) { return (c & 0xc0) != 0x80; });
    return fmt::format("line {}, column {}", line + 1, column + 1);
}

// Walks the text and keeps how far the parser has read, which nlohmann does not tell its handlers.
class Cursor {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    Cursor(const char* at, const char** reached) : at_(at), reached_(reached) {}
    const char& operator*() const { return *at_; }
    Cursor& operator++() {
        *reached_ = ++at_;
        return *this;
    }
    friend bool operator==(const Cursor& a, const Cursor& b) { return a.at_ == b.at_; }

  private:
    const char* at_;
    const char** reached_;
};

// Builds the document and refuses on the way what a finished value cannot show any more: a key that stands
// twice (after unescaping), depth, integers that would come back as something else. nlohmann's own builder
// looks a key up among all earlier ones for each member: half a megabyte of keys takes it half a minute.
class StrictBuilder final : public nlohmann::json_sax<Json> {
  public:
    explicit StrictBuilder(std::string_view text) : text_(text), reached_(text.data()) {}

    Json parse(std::string_view what) {
        const char* end = text_.data() + text_.size();
        // Two things that nlohmann lets pass: it skips a mark, and takes a NUL for the end.
        if (text_.starts_with("\xef\xbb\xbf"))
            refuse_at(0, "begins with a byte order mark");
        else if (std::size_t nul = text_.find('\0'); nul != std::string_view::npos)
            refuse_at(nul, "a NUL byte");
        else
            Json::sax_parse(Cursor(text_.data(), &reached_), Cursor(end, &reached_), this);
        if (!problem_.empty()) throw Error(ErrorKind::invalid_input, fmt::format("{}: {}", what, problem_));
        return std::move(root_);
    }

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override {
        if (value > static_cast<number_unsigned_t>(INT64_MAX)) return refuse_number();
        return add(static_cast<number_integer_t>(value));
    }
    bool number_float(number_float_t value, const string_t& spelling) override {
        // Digits alone: an integer too large for nlohmann, which a round trip would change.
        if (spelling.find_first_of(".eE") == std::string::npos) return refuse_number();
        return add(value);
    }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return refuse_at(offset(), "binary data"); }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        Level& level = levels_.back();
        if (!level.keys.insert(name).second)
            return refuse_at(start_of_key(), fmt::format("the member \"{}\" stands twice", printable(name)));
        level.key = std::move(name);
        return true;
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
        std::size_t found = position == 0 ? 0 : position - 1;
        return refuse_at(found, found >= text_.size() ? "ends too early" : "not well-formed JSON");
    }

  private:
    struct Level {
        Json* value;
        std::set<std::string> keys;
        std::string key;
    };

    bool add(Json value) {
        place_value(std::move(value));
        return true;
    }
    // Where the value came to stand; valid until its parent takes the next one, that is while it is open.
    Json* place_value(Json value) {
        if (levels_.empty()) return &(root_ = std::move(value));
        Level& level = levels_.back();
        if (level.value->is_array()) {
            auto& items = level.value->get_ref<Json::array_t&>();
            return &items.emplace_back(std::move(value));
        }
        auto& members = level.value->get_ref<Json::object_t&>();
        return &members.emplace_back(std::move(level.key), std::move(value)).second;
    }
    bool open(Json value) {
        if (levels_.size() >= json_max_depth)
            return refuse_at(offset() - 1, fmt::format("nested deeper than {}", json_max_depth));
        levels_.push_back({place_value(std::move(value)), {}, {}});
        return true;
    }
    bool close() {
        levels_.pop_back();
        return true;
    }

    std::size_t offset() const { return static_cast<std::size_t>(reached_ - text_.data()); }
    // The parser stands behind the closing quote: back to the quote that no backslash escapes.
    std::size_t start_of_key() const {
        std::size_t at = offset() - 1;
        for (;;) {
            at = text_.rfind('"', at - 1);
            std::size_t slashes = at;
            while (slashes > 0 && text_[slashes - 1] == '\\') --slashes;
            if ((at - slashes) % 2 == 0) return at;
        }
    }
    bool refuse_number() {
        // The parser has read one byte behind the number, or none where the text ends.
        std::size_t end = text_.find_last_of("0123456789", std::min(offset(), text_.size() - 1));
        std::size_t before = text_.find_last_not_of("0123456789-", end);
        return refuse_at(before == std::string_view::npos ? 0 : before + 1, "an integer does not fit 64 bits");
    }
    bool refuse_at(std::size_t at, std::string_view reason) {
        problem_ = fmt::format("{}: {}", place(text_, at), reason);
        return false;
    }

    std::string_view text_;
    const char* reached_;
    Json root_;
    std::vector<Level> levels_;
    std::string problem_;
};

// What Go's encoder writes for what begins at `rest`, and how many bytes that stands for; 0 for what it leaves.
std::pair<std::string_view, std::size_t> go_escape(std::string_view rest) {
    switch (rest.front()) {
        case '<': return {"\\u003c", 1};
        case '>': return {"\\u003e", 1};
        case '&': return {"\\u0026", 1};
        case '\xe2':
            if (rest.starts_with("\u2028")) return {"\\u2028", 3};
            if (rest.starts_with("\u2029")) return {"\\u2029", 3};
            return {"", 0};
        default: return {"", 0};
    }
}

// nlohmann writes '<' as it is; Go's encoder does not, and digests of configs depend on it.
std::string escape_as_go(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    std::size_t from = 0;
    for (std::size_t i = 0; i < text.size();) {
        const auto [escape, length] = go_escape(text.substr(i));
        if (length == 0) {
            ++i;
            continue;
        }
        out.append(text, from, i - from).append(escape);
        from = i += length;
    }
    return out.append(text, from);
}

std::string dump(const Json& document, int indent) {
    try {
        return document.dump(indent);
    } catch (const Json::exception&) {
        throw Error(ErrorKind::invalid_input, "write JSON: a string is not valid UTF-8");
    }
}

// "manifest: size" for a member of the document, "manifest: layers[2].size" below it.
std::string name_member(std::string_view what, std::string_view member) {
    return fmt::format("{}{}{}", what, what.find(": ") == std::string_view::npos ? ": " : ".", member);
}

[[noreturn]] void wrong_type(std::string_view place, std::string_view expected) {
    throw Error(ErrorKind::invalid_input, fmt::format("{}: expected {}", place, expected));
}

const Json* find_member(const Json& object, std::string_view member, std::string_view what) {
    if (!object.is_object()) wrong_type(what, "an object");
    auto found = object.find(std::string(member));
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

template <class Value>
Value present(std::optional<Value> value, std::string_view member, std::string_view what) {
    if (!value) throw Error(ErrorKind::invalid_input, fmt::format("{}: missing", name_member(what, member)));
    return *std::move(value);
}

}  // namespace

Json parse_json(std::string_view text, std::string_view what) {
    if (text.size() > json_max_bytes)
        throw Error(ErrorKind::invalid_input, fmt::format("{}: larger than {}", what, human_size(json_max_bytes)));
    return StrictBuilder(text).parse(what);
}

std::string write_json(const Json& document) { return escape_as_go(dump(document, -1)); }
std::string write_json_indented(const Json& document) { return escape_as_go(dump(document, 2)); }

std::optional<std::string> optional_string(const Json& object, std::string_view member, std::string_view what) {
    const Json* value = find_member(object, member, what);
    if (!value) return std::nullopt;
    if (!value->is_string()) wrong_type(name_member(what, member), "a string");
    return value->get<std::string>();
}

std::optional<std::int64_t> optional_integer(const Json& object, std::string_view member, std::string_view what) {
    const Json* value = find_member(object, member, what);
    if (!value) return std::nullopt;
    if (!value->is_number_integer()) wrong_type(name_member(what, member), "an integer");
    return value->get<std::int64_t>();
}

std::optional<bool> optional_boolean(const Json& object, std::string_view member, std::string_view what) {
    const Json* value = find_member(object, member, what);
    if (!value) return std::nullopt;
    if (!value->is_boolean()) wrong_type(name_member(what, member), "true or false");
    return value->get<bool>();
}

std::string required_string(const Json& object, std::string_view member, std::string_view what) {
    return present(optional_string(object, member, what), member, what);
}

std::int64_t required_integer(const Json& object, std::string_view member, std::string_view what) {
    return present(optional_integer(object, member, what), member, what);
}

const Json* optional_object(const Json& object, std::string_view member, std::string_view what) {
    const Json* value = find_member(object, member, what);
    if (value && !value->is_object()) wrong_type(name_member(what, member), "an object");
    return value;
}

const Json* optional_array(const Json& object, std::string_view member, std::string_view what) {
    const Json* value = find_member(object, member, what);
    if (value && !value->is_array()) wrong_type(name_member(what, member), "an array");
    return value;
}

}  // namespace imgbuild
