// SPDX-License-Identifier: Apache-2.0
#pragma once

// One stage while it is planned: what its instructions made of the environment, the config and the file tree so
// far. For this folder only.

#include <string>
#include <vector>

#include "builder/plan/planner.h"
#include "parser/lexer/environment.h"

namespace imgbuild::builder {

/// False for Windows, which has a search path of its own.
inline bool has_default_path(const layerstore::Platform& platform) { return platform.os != "windows"; }
inline constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct StageState {
    NodeId root = 0;
    std::vector<NodeId> layers;
    parser::Environment environment;         ///< of the base, ENV and ARG in the order of the text
    std::vector<PlannedArgument> arguments;  ///< each name once, first declaration first
    layerstore::ImageConfig config;
    std::size_t base_history = 0;
    bool command_was_set = false;  ///< by a CMD of this stage
};

/// What a stage needs of the whole plan.
class PlanSpace {
  public:
    virtual ~PlanSpace() = default;
    virtual NodeId add(PlanNode node) = 0;
    virtual PlanNode& node(NodeId id) = 0;
    virtual const PlanRequest& request() const = 0;
    virtual parser::Diagnostics& diagnostics() = 0;
    virtual const parser::Environment& globals() const = 0;
    /// The tree of a stage, planned when it was not yet.
    virtual NodeId stage_tree(const parser::Stage& stage) = 0;
    /// The tree of a named context or an image.
    virtual NodeId outside_tree(const std::string& name, const layerstore::Platform& platform) = 0;
};

/// Plans one instruction after the other.
class StagePlanner {
  public:
    StagePlanner(PlanSpace& space, const parser::Stage& stage, StageState& state);

    /// `is_trigger`: it came from ONBUILD of the base.
    void plan(const parser::Instruction& instruction, bool is_trigger = false);

    // One for each kind of body; std::visit calls them.
    void operator()(const parser::From&) {}
    void operator()(const parser::Onbuild& onbuild);
    void operator()(const parser::Run& run);
    void operator()(const parser::Copy& copy);
    void operator()(const parser::Add& add);
    void operator()(const parser::Workdir& workdir);
    void operator()(const parser::Env& env);
    void operator()(const parser::Label& label);
    void operator()(const parser::Arg& arg);
    void operator()(const parser::Expose& expose);
    void operator()(const parser::Volume& volume);
    void operator()(const parser::User& user);
    void operator()(const parser::Stopsignal& signal);
    void operator()(const parser::Cmd& cmd);
    void operator()(const parser::Entrypoint& entrypoint);
    void operator()(const parser::Shell& shell);
    void operator()(const parser::Healthcheck& check);
    void operator()(const parser::Maintainer& maintainer);

  private:
    std::string expand(const parser::Word& word);
    std::vector<std::pair<std::string, std::string>> expand_pairs(const std::vector<parser::KeyValue>& pairs);
    std::string label_of(const parser::Instruction& instruction) const;
    std::vector<std::string> shell_words() const;
    std::vector<std::string> arguments_of(const parser::Command& command) const;
    void history(std::string created_by, bool empty_layer = true);
    ImagePath working_directory() const;
    NodeId add_step(Operation operation, std::vector<NodeId> inputs);
    void declare_argument(PlannedArgument argument);

    void transfer(const parser::Transfer& transfer, TransferFiles files, std::vector<NodeId> inputs,
                  std::string_view keyword);
    void set_destination(TransferFiles& files, const std::string& destination) const;
    TransferSource source_of(const std::string& text, std::size_t input, bool parents, NodeId tree);
    void want(NodeId tree, const std::string& pattern);
    void add_inline_files(const parser::Transfer& transfer, TransferFiles& files);
    void add_git(const parser::Add& add, const parser::Word& word, const std::string& text, const std::string& checksum,
                 TransferFiles& files, std::vector<NodeId>& inputs);
    std::size_t fetch_input(Operation fetch, const std::string& what, const parser::Word& word,
                            std::vector<NodeId>& inputs);
    RunMount plan_mount(const parser::MountFlag& flag, std::vector<NodeId>& inputs);
    void set_environment(RunCommand& command) const;

    PlanSpace& space_;
    const parser::Stage& stage_;
    StageState& state_;
    const parser::Instruction* instruction_ = nullptr;
    std::string step_label_, step_text_;  ///< PlanNode::label and ::written
};

}  // namespace imgbuild::builder
