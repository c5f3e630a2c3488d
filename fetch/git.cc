// SPDX-License-Identifier: Apache-2.0
#include "fetch/git.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "fetch/git_program.h"

namespace imgbuild::fetch {
namespace {

constexpr mode_t usual_umask = 022;

bool is_commit(std::string_view text) noexcept {
    return (text.size() == 40 || text.size() == 64) &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// One repository while its files are brought.
class Checkout {
  public:
    Checkout(const GitAccess& access, const GitRevision& revision, bool submodules)
        : git_(access),
          access_(access),
          revision_(revision),
          submodules_(submodules),
          folder_(access.directory + "/files") {}

    std::int64_t run() {
        ::umask(usual_umask);
        const char* format = revision_.commit.size() == 64 ? "sha256" : "sha1";
        git_.run({"init", "--quiet", "--template=", fmt::format("--object-format={}", format), folder_},
                 access_.directory);
        git_.run({"remote", "add", "origin", access_.remote}, folder_);
        fetch();
        git_.forbid_files();
        git_.run({"update-ref", "--no-deref", "HEAD", revision_.commit}, folder_);
        write_files();
        if (submodules_) update_submodules(folder_, 0);
        return commit_time();
    }

  private:
    bool has_commit() const {
        return git_.try_run({"cat-file", "-e", revision_.commit + "^{commit}"}, folder_).status.ok();
    }

    // As little as the server gives, then more: a server of plain files knows no shallow fetch, and many do not give
    // commits by their digits alone.
    void fetch() {
        std::vector<std::vector<std::string>> attempts;
        if (!revision_.reference.empty()) attempts.push_back({"--depth=1", "origin", refspec()});
        attempts.push_back({"--depth=1", "origin", revision_.commit});
        if (!revision_.reference.empty()) attempts.push_back({"origin", refspec()});
        attempts.push_back({"origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"});
        CapturedOutput output;
        for (const auto& attempt : attempts) {
            std::vector<std::string> arguments{"fetch", "--quiet", "--no-tags", "--no-recurse-submodules",
                                               "--no-write-fetch-head"};
            arguments.insert(arguments.end(), attempt.begin(), attempt.end());
            output = git_.try_run(arguments, folder_);
            if (output.status.ok() && has_commit()) return;
        }
        if (!output.status.ok()) git_.fail(output);
        throw Error(ErrorKind::not_found,
                    fmt::format("git {}: has no commit {}", printable(access_.remote), revision_.commit));
    }

    std::string refspec() const {
        constexpr std::string_view heads = "refs/heads/";
        const std::string& reference = revision_.reference;
        if (reference.starts_with(heads))
            return fmt::format("+{}:refs/remotes/origin/{}", reference, reference.substr(heads.size()));
        if (reference.starts_with("refs/tags/")) return fmt::format("+{0}:{0}", reference);
        return reference;
    }

    // Not `checkout`: nothing there can start a program, and the index holds no times, so that it is the same each time.
    void write_files() const {
        git_.run({"read-tree", revision_.commit}, folder_);
        git_.run({"checkout-index", "--all", "--force", "--quiet"}, folder_);
    }

    std::int64_t commit_time() const {
        const std::string text = git_.run({"show", "--no-patch", "--format=%ct", revision_.commit}, folder_);
        const auto seconds = parse_unsigned(trim(text));
        return static_cast<std::int64_t>(std::min<std::uint64_t>(seconds.value_or(0), INT32_MAX * std::uint64_t{64}));
    }

    // Level by level, because --recursive knows no bound. The paths are the index's own: no link lies on the way.
    void update_submodules(const std::string& folder, int level) {
        const std::vector<std::string> paths = submodules_of(folder);
        if (paths.empty()) return;
        seen_submodules_ += paths.size();
        if (level == most_submodule_levels || seen_submodules_ > most_submodules)
            throw Error(ErrorKind::invalid_input,
                        fmt::format("git {}: more than {} levels or {} submodules", printable(access_.remote),
                                    most_submodule_levels, most_submodules));
        const std::vector<std::string> update{"submodule", "--quiet", "update", "--init", "--checkout"};
        std::vector<std::string> shallow = update;
        shallow.emplace_back("--depth=1");
        if (!git_.try_run(shallow, folder).status.ok()) git_.run(update, folder);
        for (const std::string& path : paths) update_submodules(folder + "/" + path, level + 1);
    }

    std::vector<std::string> submodules_of(const std::string& folder) const {
        std::vector<std::string> paths;
        struct stat status {};
        if (::lstat((folder + "/.gitmodules").c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return paths;
        constexpr std::string_view link_mode = "160000 ";
        const std::string listing = git_.run({"ls-files", "--stage", "-z"}, folder);
        for (const std::string_view line : split(listing, '\0'))
            if (const std::size_t tab = line.find('\t'); line.starts_with(link_mode) && tab != std::string_view::npos)
                paths.emplace_back(line.substr(tab + 1));
        return paths;
    }

    GitProgram git_;
    const GitAccess& access_;
    const GitRevision& revision_;
    bool submodules_;
    std::string folder_;
    std::size_t seen_submodules_ = 0;
};

}  // namespace

GitRevision choose_revision(std::string_view listing, const std::string& reference) {
    std::map<std::string, std::string, std::less<>> found;
    for (const std::string_view line : split(listing, '\n')) {
        const std::size_t tab = line.find('\t');
        if (tab == std::string_view::npos || !is_commit(line.substr(0, tab))) continue;
        found.emplace(line.substr(tab + 1), line.substr(0, tab));
    }
    if (reference.empty()) {
        const auto head = found.find("HEAD");
        return head == found.end() ? GitRevision() : GitRevision{head->second, "HEAD"};
    }
    const std::array names{"refs/heads/" + reference, "refs/tags/" + reference, "refs/" + reference, reference};
    for (const std::string& name : names) {
        const auto commit = found.contains(name + "^{}") ? found.find(name + "^{}") : found.find(name);
        if (commit != found.end()) return {commit->second, name};
    }
    return {};
}

GitRevision resolve_git(const GitAccess& access, const std::string& reference) {
    const GitProgram git(access);
    std::vector<std::string> arguments{"ls-remote", "--quiet", access.remote};
    if (reference.empty())
        arguments.emplace_back("HEAD");
    else
        arguments.insert(arguments.end(), {reference, reference + "^{}"});
    GitRevision revision = choose_revision(git.run(arguments, access.directory), reference);
    if (revision.commit.empty())
        throw Error(ErrorKind::not_found, fmt::format("git {}: no branch or tag {}", printable(access.remote),
                                                      reference.empty() ? "HEAD" : printable(reference)));
    return revision;
}

std::int64_t check_out_git(const GitAccess& access, const GitRevision& revision, bool submodules) {
    return Checkout(access, revision, submodules).run();
}

}  // namespace imgbuild::fetch
