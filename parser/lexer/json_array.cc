// SPDX-License-Identifier: Apache-2.0
#include "parser/lexer/json_array.h"

#include "parser/source/utf8.h"

#include <optional>

namespace imgbuild::parser {
namespace {

constexpr std::size_t max_depth = 64;

/// A reader of RFC 8259 that keeps only strings. Each step is false where the text is no JSON.
class JsonReader {
  public:
    JsonReader(std::string_view text, std::size_t at) : text_(text), at_(at) {}

    JsonArray read() {
        JsonArray array;
        blanks();
        if (!take('[') || !elements(array)) return {};
        blanks();
        return at_ == text_.size() ? array : JsonArray{};
    }

  private:
    bool take(char c) {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    void blanks() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
    }
    bool elements(JsonArray& array) {
        array.kind = JsonArray::Kind::of_strings;
        blanks();
        if (take(']')) return true;
        do {
            blanks();
            const std::size_t begin = at_;
            std::string value;
            if (at_ < text_.size() && text_[at_] == '"') {
                if (!string(value)) return false;
                array.values.push_back(std::move(value));
                array.ranges.push_back({begin, at_});
            } else {
                if (!this->value(1)) return false;
                array.kind = JsonArray::Kind::of_others;
            }
            blanks();
        } while (take(','));
        return take(']');
    }

    bool value(std::size_t depth);
    bool members(std::size_t depth, char close, bool named);
    bool string(std::string& out);
    bool escape(std::string& out);
    std::optional<char32_t> hex4();
    bool number();
    bool digits();

    std::string_view text_;
    std::size_t at_;
};

bool JsonReader::value(std::size_t depth) {
    if (depth > max_depth || at_ >= text_.size()) return false;
    std::string ignored;
    for (const std::string_view word : {"true", "false", "null"}) {
        if (text_.substr(at_).starts_with(word)) {
            at_ += word.size();
            return true;
        }
    }
    if (text_[at_] == '"') return string(ignored);
    if (take('[')) return members(depth, ']', false);
    if (take('{')) return members(depth, '}', true);
    return number();
}

bool JsonReader::members(std::size_t depth, char close, bool named) {
    blanks();
    if (take(close)) return true;
    do {
        blanks();
        if (named) {
            std::string ignored;
            if (!string(ignored)) return false;
            blanks();
            if (!take(':')) return false;
            blanks();
        }
        if (!value(depth + 1)) return false;
        blanks();
    } while (take(','));
    return take(close);
}

bool JsonReader::string(std::string& out) {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (static_cast<unsigned char>(c) < 0x20) return false;
        ++at_;
        if (c == '"') return true;
        if (c != '\\') {
            out += c;
        } else if (!escape(out)) {
            return false;
        }
    }
    return false;
}

bool JsonReader::escape(std::string& out) {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view values = "\"\\/\b\f\n\r\t";
    if (const std::size_t known = names.find(c); known != std::string_view::npos) {
        out += values[known];
        return true;
    }
    if (c != 'u') return false;
    std::optional<char32_t> unit = hex4();
    if (!unit) return false;
    constexpr char32_t replacement = 0xFFFD;
    if (*unit >= 0xD800 && *unit < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
        const std::size_t before = at_;
        at_ += 2;
        const std::optional<char32_t> low = hex4();
        if (!low) return false;
        if (*low >= 0xDC00 && *low < 0xE000) {
            unit = 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00);
        } else {
            at_ = before;
        }
    }
    const bool lone = *unit >= 0xD800 && *unit < 0xE000;
    const char32_t value = lone ? replacement : *unit;
    out += encode_utf8({&value, 1});
    return true;
}

std::optional<char32_t> JsonReader::hex4() {
    if (text_.size() - at_ < 4) return std::nullopt;
    char32_t value = 0;
    for (int i = 0; i < 4; ++i) {
        const char c = text_[at_++];
        const std::size_t digit =
            std::string_view("0123456789abcdef").find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
        if (digit == std::string_view::npos) return std::nullopt;
        value = value * 16 + static_cast<char32_t>(digit);
    }
    return value;
}

bool JsonReader::digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > begin;
}

bool JsonReader::number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
        if (!take('+')) take('-');
        return digits();
    }
    return true;
}

}  // namespace

JsonArray read_json_array(std::string_view text, std::size_t begin) { return JsonReader(text, begin).read(); }

}  // namespace imgbuild::parser
