// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/result_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::cli {
namespace {

using layerstore::Tree;
using layerstore::TreeDelta;

std::string folder_name(const layerstore::Platform& platform) {
    std::string name = platform.text();
    std::ranges::replace(name, '/', '_');
    return name;
}

// "provenance.linux_arm64.json"
std::string with_platform(const std::string& file, const layerstore::Platform& platform) {
    const std::size_t dot = file.find('.');
    if (dot == std::string::npos) return file + "." + folder_name(platform);
    return file.substr(0, dot) + "." + folder_name(platform) + file.substr(dot);
}

Tree with_file(const Tree& tree, const std::string& name, const Digest& content, std::uint64_t size,
               layerstore::FileTime time) {
    const ImagePath path = ImagePath().child(name);
    if (tree.find(path))
        throw Error(ErrorKind::usage, fmt::format("--output: {}: the result has such a file", printable(name)),
                    "give the statement another name with attestation-prefix=");
    layerstore::Entry file;
    file.mode = 0644;
    file.size = size;
    file.content = content;
    file.mtime = time;
    return layerstore::apply(tree, TreeDelta::build({{path, layerstore::ChangeKind::put, file}}));
}

/// The files of several platforms in one folder.
class SharedFolder {
  public:
    void add(const Tree& tree, const layerstore::Platform& platform) {
        const std::string name = platform.text();
        tree.walk([&](const ImagePath& path, const layerstore::Child& child) {
            const auto [known, is_new] = owners_.try_emplace(path.absolute(), name, child.entry.is_directory());
            const bool are_folders = known->second.second && child.entry.is_directory();
            if (!is_new && !are_folders) refuse(path, known->second.first, name);
            return true;
        });
        tree_ = layerstore::apply(tree_, layerstore::as_delta(tree));
    }
    const Tree& tree() const noexcept { return tree_; }

  private:
    [[noreturn]] static void refuse(const ImagePath& path, const std::string& first, const std::string& second) {
        throw Error(ErrorKind::usage,
                    fmt::format("--output: cannot overwrite {} from {} with {} when platform-split=false",
                                printable(path.relative()), first, second));
    }

    Tree tree_;
    std::map<std::string, std::pair<std::string, bool>> owners_;  // of each path: its platform, and if it is a folder
};

}  // namespace

ResultFiles result_files(const BuildOptions& options, const OutputOption& output, const builder::BuildPlan& plan,
                         const builder::Solved& solved, const Attestations& attestations) {
    const bool is_split = output.platform_split.value_or(options.is_multi_platform());
    const auto statements = std::make_shared<layerstore::MemoryContents>();
    ResultFiles files{{}, std::make_shared<layerstore::ContentSources>()};
    files.contents->add(statements);
    SharedFolder shared;
    for (std::size_t i = 0; i < solved.images.size(); ++i) {
        const layerstore::Platform& platform = plan.images[i].platform;
        Tree tree = solved.images[i].tree;
        for (const Attestations::File& file : attestations.of_files(i)) {
            const std::string name = output.attestation_prefix + file.name;
            const bool is_shared = !is_split && options.is_multi_platform();
            tree = with_file(tree, is_shared ? with_platform(name, platform) : name, statements->add(file.bytes),
                             file.bytes.size(), options.file_time);
        }
        files.contents->add(solved.images[i].contents);
        if (is_split)
            files.tree = layerstore::graft(files.tree, ImagePath().child(folder_name(platform)), tree);
        else if (solved.images.size() == 1)
            files.tree = std::move(tree);
        else
            shared.add(tree, platform);
    }
    if (!is_split && solved.images.size() > 1) files.tree = shared.tree();
    return files;
}

}  // namespace imgbuild::cli
