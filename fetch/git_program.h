// SPDX-License-Identifier: Apache-2.0
#pragma once

// The git program in surroundings of our own, for fetch/git.cc.

#include <string>
#include <vector>

#include "base/process.h"
#include "fetch/git.h"

namespace imgbuild::fetch {

class GitProgram {
  public:
    /// Writes the configuration into the access's directory; the destructor takes it away again, since it may hold the
    /// authorization.
    explicit GitProgram(const GitAccess& access);
    GitProgram(const GitProgram&) = delete;
    GitProgram& operator=(const GitProgram&) = delete;
    ~GitProgram();

    /// Runs git in `folder` and gives what it printed; any status.
    CapturedOutput try_run(const std::vector<std::string>& arguments, const std::string& folder) const;
    /// As try_run(), but a failure is an Error with git's last words.
    std::string run(const std::vector<std::string>& arguments, const std::string& folder) const;
    /// Throws that Error.
    [[noreturn]] void fail(const CapturedOutput& output) const;

    /// From here on no address of this machine's file system is fetched from: what a repository names is foreign.
    void forbid_files() { allows_files_ = false; }

  private:
    std::vector<std::string> environment() const;

    const GitAccess& access_;
    std::string program_;
    std::string configuration_;  ///< the file's path
    bool allows_files_;
};

/// "https://host:1/" of an address with a scheme; empty for others.
std::string origin_of(const std::string& remote);

/// The reason that git gives for ending, without its "fatal: " and fit for a message.
std::string last_words(const std::string& standard_error);

}  // namespace imgbuild::fetch
