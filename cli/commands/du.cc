// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include <array>
#include <set>
#include <utility>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/table.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

struct Usage {
    std::uint64_t bytes = 0;                   ///< as the disk counts them
    std::uint64_t hidden = 0;                  ///< directories that cannot be looked into
    std::set<std::pair<dev_t, ino_t>> linked;  ///< files with more than one name, which count once
};

void add_file(const struct stat& status, Usage& usage) {
    const bool is_shared = !S_ISDIR(status.st_mode) && status.st_nlink > 1;
    if (is_shared && !usage.linked.emplace(status.st_dev, status.st_ino).second) return;
    usage.bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
}

// Files come and go while others build: what is gone does not count.
void add_tree(const Directory& directory, Usage& usage) {
    for (const std::string& name : directory.list()) {
        struct stat status {};
        if (::fstatat(directory.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        add_file(status, usage);
        if (!S_ISDIR(status.st_mode)) continue;
        Fd fd(::openat(directory.fd(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (fd)
            add_tree(Directory(std::move(fd), directory.name() + "/" + name), usage);
        else
            ++usage.hidden;
    }
}

struct Part {
    const char* folder;
    const char* what;
};
constexpr std::array parts{
    Part{"blobs", "layers, configs and manifests"}, Part{"deltas", "files of layers, ready to run on"},
    Part{"mounts", "cache mounts of RUN"},          Part{"contexts", "what is known of contexts"},
    Part{"logs", "logs of failed steps"},           Part{"pending", "work in progress"}};

}  // namespace

int run_du(Arguments arguments) {
    OptionSet options("du", "Says what takes the space of the store");
    CommonOptions common;
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    Table table({"PART", "SIZE", "WHAT"});
    Usage whole;
    add_tree(store->root(), whole);
    for (const Part& part : parts) {
        const auto path = ImagePath::clean(part.folder);
        if (!store->root().status(path)) continue;
        Usage usage;
        add_tree(store->root().open_directory(path, FollowLinks::never), usage);
        table.add({part.folder, human_size(usage.bytes), part.what});
    }
    table.add({"total", human_size(whole.bytes), ""});
    print(table.text());
    if (whole.hidden > 0)
        tell(fmt::format("{} of other ids could not be looked into\n",
                         counted(whole.hidden, "directory", "directories")));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
