// SPDX-License-Identifier: Apache-2.0
#include "parser/instruction/git_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "parser/source/path_text.h"

namespace imgbuild::parser {
namespace {

constexpr std::array<std::string_view, 10> query_keys{
    "ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules", "mtime", "fetch-by-commit"};
constexpr std::string_view github = "github.com/", file_scheme = "file://";
constexpr std::size_t sha1_digits = 40, sha256_digits = 64;

bool is_hexadecimal(std::string_view text) noexcept {
    return !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Empty for a "%" that no two hexadecimal digits follow.
std::optional<std::string> decode_query(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i] == '+' ? ' ' : text[i];
            continue;
        }
        if (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) return std::nullopt;
        out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
        i += 2;
    }
    return out;
}

// The rules of git-check-ref-format(1), as far as a name that is none could mean something else to git.
bool is_reference_name(std::string_view name) {
    if (name.starts_with('-') || name.starts_with('+') || name.starts_with('/') || name.ends_with('/')) return false;
    if (name.ends_with('.') || name.ends_with(".lock") || name == "@") return false;
    for (const std::string_view part : {"..", "@{", "//"})
        if (name.find(part) != std::string_view::npos) return false;
    return std::ranges::none_of(name, [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == 0x7f ||
               std::string_view("~^:?*[\\").find(c) != std::string_view::npos;
    });
}

std::optional<ValueError> check_remote(std::string_view remote) {
    const std::size_t scheme = remote.find("://");
    std::string_view authority = scheme == std::string_view::npos ? remote : remote.substr(scheme + 3);
    if (scheme == std::string_view::npos)
        authority = authority.substr(0, authority.find(':'));
    else
        authority = authority.substr(0, authority.find('/'));
    const std::size_t at = authority.rfind('@');
    const std::string_view user = authority.substr(0, at == std::string_view::npos ? 0 : at);
    const std::string_view host = at == std::string_view::npos ? authority : authority.substr(at + 1);
    const bool may_name_user = !remote.starts_with("http");
    if (user.find(':') != std::string_view::npos || (!user.empty() && !may_name_user))
        return ValueError{"the address of a git repository holds a name or a password",
                          "it would end up in the image's history: give --secret id=GIT_AUTH_TOKEN,env=NAME"};
    if ((host.empty() && !remote.starts_with(file_scheme)) || host.starts_with('-') || user.starts_with('-'))
        return ValueError{fmt::format("no address of a git repository: {}", remote), {}};
    if (std::ranges::any_of(remote, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }))
        return ValueError{"the address of a git repository holds control characters", {}};
    return std::nullopt;
}

/// Reads one address.
class GitUrlReader {
  public:
    std::variant<GitSource, ValueError> read(std::string_view text) {
        const std::size_t hash = text.find('#');
        const std::string_view fragment = hash == std::string_view::npos ? "" : text.substr(hash + 1);
        text = text.substr(0, hash);
        const bool has_scheme = text.find("://") != std::string_view::npos;
        const std::size_t question = has_scheme ? text.find('?') : std::string_view::npos;
        source_.remote = std::string(text.substr(0, question));
        if (source_.remote.starts_with(github)) source_.remote.insert(0, "https://");
        if (auto error = check_remote(source_.remote)) return *error;
        read_fragment(fragment);
        if (question != std::string_view::npos) read_query(text.substr(question + 1));
        if (!error_) apply_query();
        if (!error_) check();
        if (error_) return *error_;
        return std::move(source_);
    }

  private:
    void fail(std::string message, std::string hint = {}) {
        if (!error_) error_ = ValueError{std::move(message), std::move(hint)};
    }

    void read_fragment(std::string_view fragment) {
        const std::size_t colon = fragment.find(':');
        source_.reference = std::string(fragment.substr(0, colon));
        if (colon != std::string_view::npos) source_.directory = std::string(fragment.substr(colon + 1));
    }

    void read_query(std::string_view query) {
        for (const std::string_view pair : split(query, '&')) {
            if (pair.empty()) continue;
            const std::size_t equals = pair.find('=');
            const auto key = decode_query(pair.substr(0, equals));
            const auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                                : decode_query(pair.substr(equals + 1));
            if (!key || !value) return fail(fmt::format("malformed query \"{}\"", pair));
            if (std::ranges::find(query_keys, *key) == query_keys.end()) {
                const auto near = nearest(*key, std::span(query_keys));
                return fail(fmt::format("unexpected query \"{}\"", *key),
                            near ? fmt::format("did you mean {}?", *near) : "");
            }
            if (!query_.emplace(*key, *value).second)
                return fail(fmt::format("query \"{}\" has multiple values", *key));
            const bool is_switch = *key == "keep-git-dir" || *key == "submodules" || *key == "fetch-by-commit";
            if (value->empty() && !is_switch) return fail(fmt::format("query \"{}\" has no value", *key));
        }
    }

    std::string value_of(const std::string& key) const {
        const auto found = query_.find(key);
        return found == query_.end() ? "" : found->second;
    }

    // One thing said twice must be the same thing.
    void merge(std::string& into, const std::string& value, std::string_view name) {
        if (value.empty()) return;
        if (!into.empty() && into != value) fail(fmt::format("{} conflicts: \"{}\" and \"{}\"", name, into, value));
        into = value;
    }

    std::optional<bool> switch_of(const std::string& key) {
        const auto found = query_.find(key);
        if (found == query_.end()) return std::nullopt;
        if (found->second.empty()) return true;
        const std::optional<bool> value = parse_bool(found->second);
        if (!value) fail(fmt::format("query \"{}\": expected true or false, not \"{}\"", key, found->second));
        return value;
    }

    void apply_query() {
        const std::string tag = value_of("tag"), branch = value_of("branch");
        if (!tag.empty() && !branch.empty()) return fail("branch conflicts with tag");
        merge(source_.reference, value_of("ref"), "ref");
        for (const auto& [name, prefix] : {std::pair(tag, "refs/tags/"), std::pair(branch, "refs/heads/")}) {
            if (name.empty()) continue;
            if (source_.reference == name) source_.reference.clear();
            merge(source_.reference, name.starts_with(prefix) ? name : prefix + name, "ref");
        }
        merge(source_.directory, value_of("subdir"), "subdir");
        source_.checksum = to_lower(value_of("checksum"));
        merge(source_.checksum, to_lower(value_of("commit")), "checksum");
        source_.keep_git_dir = switch_of("keep-git-dir");
        source_.submodules = switch_of("submodules").value_or(true);
        source_.fetch_by_commit = switch_of("fetch-by-commit").value_or(false);
        const std::string mtime = value_of("mtime");
        if (!mtime.empty() && mtime != "checkout" && mtime != "commit")
            fail(fmt::format("query \"mtime\": expected checkout or commit, not \"{}\"", mtime));
    }

    void check() {
        if (!source_.reference.empty() && !is_reference_name(source_.reference))
            return fail(fmt::format("no name of a branch, tag or commit: {}", source_.reference));
        for (const std::string_view part : split(source_.directory, '/'))
            if (part == "..") return fail(fmt::format("the directory leaves the repository: {}", source_.directory));
        source_.directory = clean_path("/" + source_.directory).substr(1);
        if (!source_.checksum.empty() && (!is_hexadecimal(source_.checksum) || source_.checksum.size() > sha256_digits))
            return fail(fmt::format("invalid checksum: {}", source_.checksum), "write digits of the commit's hash");
        if (source_.fetch_by_commit && !is_commit(source_.checksum))
            fail("fetch-by-commit needs a whole commit", "write checksum= with all 40 digits");
    }

    GitSource source_;
    std::map<std::string, std::string> query_;
    std::optional<ValueError> error_;
};

}  // namespace

std::variant<GitSource, ValueError> parse_git_url(std::string_view text) { return GitUrlReader().read(text); }

bool is_git_context(std::string_view place) {
    return is_git_url(place) || place.starts_with(file_scheme) ||
           (place.starts_with(github) && place.find('/', github.size()) != std::string_view::npos);
}

bool is_commit(std::string_view text) noexcept {
    return (text.size() == sha1_digits || text.size() == sha256_digits) && is_hexadecimal(text);
}

std::string text_of(const GitSource& source) {
    std::string text = source.remote;
    if (!source.reference.empty() || !source.directory.empty()) text += "#" + source.reference;
    if (!source.directory.empty()) text += ":" + source.directory;
    return text;
}

}  // namespace imgbuild::parser
