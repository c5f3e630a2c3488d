// SPDX-License-Identifier: Apache-2.0
// A work tree of this machine may have been made by anybody, and its configuration names programs (filters, monitors,
// signatures). So its configuration only ever answers where its parts lie; what is asked of them is asked in a
// repository of our own, which borrows its objects and has a copy of its index.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/text.h"
#include "fetch/git.h"
#include "fetch/git_program.h"

namespace imgbuild::fetch {
namespace {

std::string alternate_line(const std::string& path) {
    if (path.find('\n') != std::string::npos)
        throw Error(ErrorKind::usage, fmt::format("git {}: a path with a line break", printable(path)));
    return path + "\n";
}

/// One look at a work tree.
class WorkTreeReader {
  public:
    explicit WorkTreeReader(const GitAccess& access)
        : git_(access), access_(access), own_(access.directory + "/repository") {}

    WorkTree read() {
        const std::string commit = ask("HEAD", {"--verify", "--quiet"});
        borrow(commit);
        const std::string text = git_.run({"show", "--no-patch", "--format=%ct", commit}, own_);
        const auto seconds = parse_unsigned(trim(text));
        WorkTree found;
        found.time = static_cast<std::int64_t>(std::min<std::uint64_t>(seconds.value_or(0), latest_time));
        found.is_dirty = is_dirty();
        return found;
    }

  private:
    // Everybody's trees may be looked at (safe.directory), since nothing of them is run.
    std::string ask(const std::string& revision, std::vector<std::string> options = {}) const {
        std::vector<std::string> arguments{"-c", "safe.directory=*", "rev-parse"};
        arguments.insert(arguments.end(), options.begin(), options.end());
        arguments.push_back(revision);
        const CapturedOutput output = git_.try_run(arguments, access_.remote);
        const std::string said(trim(output.standard_output));
        if (output.status.ok() && !said.empty()) return said;
        throw Error(ErrorKind::not_found,
                    fmt::format("git {}: {}", printable(access_.remote),
                                output.standard_error.empty() ? "has no commit" : last_words(output.standard_error)),
                    "--created=git takes a context that is a work tree of git, with a commit");
    }

    std::string path_of(const char* option) const { return ask(option, {"--path-format=absolute"}); }

    void borrow(const std::string& commit) const {
        const char* format = commit.size() == 64 ? "sha256" : "sha1";
        git_.run({"init", "--quiet", "--bare", "--template=", fmt::format("--object-format={}", format), own_},
                 access_.directory);
        std::filesystem::create_directory(own_ + "/objects/info");
        std::ofstream(own_ + "/objects/info/alternates") << alternate_line(path_of("--git-common-dir") + "/objects");
        git_.run({"update-ref", "--no-deref", "HEAD", commit}, own_);
        const std::filesystem::path index = path_of("--git-dir") + "/index";
        if (std::filesystem::exists(index)) std::filesystem::copy_file(index, own_ + "/index");
    }

    // Where git cannot say it, as with an index in parts, nothing is said.
    bool is_dirty() const {
        const CapturedOutput output =
            git_.try_run({"--git-dir=" + own_, "--work-tree=" + path_of("--show-toplevel"), "-c", "core.bare=false",
                          "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all"},
                         access_.remote);
        return output.status.ok() && !output.standard_output.empty();
    }

    static constexpr std::uint64_t latest_time = INT32_MAX * std::uint64_t{64};
    GitProgram git_;
    const GitAccess& access_;
    std::string own_;
};

}  // namespace

WorkTree read_work_tree(const GitAccess& access) { return WorkTreeReader(access).read(); }

}  // namespace imgbuild::fetch
