// SPDX-License-Identifier: Apache-2.0
#pragma once

// The instruction graph: what has to be done for one target, and nothing else. Every variable is expanded, every
// name of a stage or image is resolved; what is left open needs the content of files (owners by name, wildcards,
// links).
//
// A node gives one file tree. Its inputs stand before it in the list, so that the order of the list is an order
// in which it can be evaluated.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/image_path.h"
#include "builder/plan/image_resolver.h"
#include "layerstore/image/image.h"
#include "parser/instruction/git_url.h"
#include "parser/instruction/instruction.h"
#include "parser/instruction/mount.h"
#include "parser/lexer/environment.h"
#include "parser/source/source.h"

namespace imgbuild::builder {

using NodeId = std::size_t;

/// Nothing: an empty root directory.
struct FromScratch {
    friend bool operator==(const FromScratch&, const FromScratch&) = default;
};

/// The file tree of an image.
struct FromImage {
    std::shared_ptr<const ResolvedImage> image;
    friend bool operator==(const FromImage& a, const FromImage& b) {
        return a.image->name == b.image->name && a.image->image.descriptor.digest == b.image->image.descriptor.digest;
    }
};

/// A directory of the host, less what its ignore rules hide; or what a context elsewhere holds.
struct ContextFiles {
    std::string context;            ///< a name of PlanRequest::contexts; "" is the main context
    std::vector<ImagePath> wanted;  ///< below which steps look; the root is everything
    friend bool operator==(const ContextFiles&, const ContextFiles&) = default;
};

/// A file from a web server, alone in a tree, as ADD takes it.
struct FetchUrl {
    std::string url;
    std::string checksum;   ///< "sha256:HEX"; empty when the Buildfile says none
    std::string file_name;  ///< one component: what the file is called in its tree
    friend bool operator==(const FetchUrl&, const FetchUrl&) = default;
};

/// The files of a commit, as ADD takes them.
struct FetchGit {
    parser::GitSource source;
    bool keep_git_dir = false;
    friend bool operator==(const FetchGit&, const FetchGit&) = default;
};

/// WORKDIR: the directory and its parents, where missing.
struct MakeWorkingDirectory {
    ImagePath path;
    std::string owner;  ///< as USER gives it; "" is root
    friend bool operator==(const MakeWorkingDirectory&, const MakeWorkingDirectory&) = default;
};

/// One source of COPY or ADD: a path or pattern in the tree of input 1 + `input`.
struct TransferSource {
    std::size_t input = 0;
    std::string pattern;  ///< from the root of that tree, cleaned, no leading slash; "" is the root itself
    std::string pivot;    ///< with --parents: the part of the path that is not kept
    std::string written;  ///< for messages
    bool unpack = false;  ///< archives are unpacked
    friend bool operator==(const TransferSource&, const TransferSource&) = default;
};

/// A file that stands in the Buildfile: a heredoc.
struct InlineFile {
    std::string name;
    std::string content;
    friend bool operator==(const InlineFile&, const InlineFile&) = default;
};

/// COPY, and ADD of what needs no fetching or was fetched.
struct TransferFiles {
    std::vector<TransferSource> sources;
    std::vector<InlineFile> inline_files;
    ImagePath destination;
    bool into_directory = false;  ///< the destination is a directory, whatever stands there
    std::string chown;            ///< "user[:group]"; empty: as it is at the source
    std::string chmod;            ///< octal or symbolic; empty: as it is at the source
    bool link = false;
    bool parents = false;
    std::vector<std::string> excludes;
    friend bool operator==(const TransferFiles&, const TransferFiles&) = default;
};

/// A pure edit of the tree of input 0.
struct EditFiles {
    std::variant<MakeWorkingDirectory, TransferFiles> edit;
    friend bool operator==(const EditFiles&, const EditFiles&) = default;
};

/// A mount with its place; `input` is the node whose tree it shows.
struct RunMount {
    parser::Mount mount;
    ImagePath target;
    std::optional<std::size_t> input;  ///< index into the node's inputs
    friend bool operator==(const RunMount&, const RunMount&) = default;
};

struct RunCommand {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;      ///< "NAME=value", complete but for unkeyed
    std::vector<std::string> build_arguments;  ///< names in `environment` whose values an ARG gave
    std::vector<std::string> unkeyed;          ///< proxy variables that nobody declared: passed, not part of the key
    std::string user;                          ///< as USER gives it; "" is root
    ImagePath working_directory;
    parser::RunNetwork network = parser::RunNetwork::inherit;
    parser::RunSecurity security = parser::RunSecurity::sandbox;
    std::vector<RunMount> mounts;
    std::optional<parser::ScriptFile> script;
    layerstore::Platform platform;
    friend bool operator==(const RunCommand&, const RunCommand&) = default;
};

using Operation = std::variant<FromScratch, FromImage, ContextFiles, FetchUrl, FetchGit, EditFiles, RunCommand>;

/// "FromImage", …: as printed plans and keys name it.
std::string_view name_of(const Operation& operation) noexcept;

struct PlanNode {
    Operation operation;
    std::vector<NodeId> inputs;
    std::string label;           ///< "COPY a /a": the instruction with its variables expanded
    std::string stage;           ///< display name of the stage
    parser::Span span;           ///< of the instruction; empty for what no instruction made
    std::size_t number = 0;      ///< of the step within its stage, from 1; 0: no step of its own
    std::size_t step_count = 0;  ///< steps of that stage
    /// Of a step, that of its stage, "linux/arm64"; "linux/amd64->arm64" for one that belongs to the image for another
    /// platform alone; empty for one that stages of several platforms share.
    std::string platform;
    std::vector<parser::Span> others;  ///< of further FROM lines that name the same image
    /// `label` with the names of variables instead of their values, for what outlives the build; empty: the same.
    std::string written;
};

/// An ARG that decides something about the target.
struct PlannedArgument {
    std::string name;
    std::optional<std::string> value;  ///< empty: declared, and nobody gave one
    std::string description;           ///< of the comment above it
    parser::Span span;                 ///< of the last one of that name in its scope
};

/// What the target is for one platform, before its layers are known.
struct PlannedImage {
    layerstore::Platform platform;  ///< the one that was asked for
    NodeId root = 0;
    std::vector<NodeId> layers;      ///< nodes that give a layer each (or, FromImage, all of an image's), lowest first
    layerstore::ImageConfig config;  ///< without diff IDs; history of the base and of every instruction
    std::size_t base_history = 0;    ///< how many leading entries of the history came with the base
    std::optional<NodeId> scan;      ///< the step that scanned it, where one was asked for
};

struct BuildPlan {
    std::vector<PlanNode> nodes;
    std::vector<PlannedImage> images;  ///< one for each platform that is built, in the order of the request
    std::string target_stage;
    /// Of the planned stages, and those before the first FROM that these or a FROM read; each name once, in the order
    /// of the file.
    std::vector<PlannedArgument> arguments;
    /// The environment that each planned stage over an image begins with, by stage index: for build checks.
    std::map<std::size_t, parser::Environment> base_environments;
};

}  // namespace imgbuild::builder
