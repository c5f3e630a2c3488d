// SPDX-License-Identifier: Apache-2.0
#pragma once

// The instructions of the language, each as a type of its own. What the language expands is a Word and keeps
// its variables; everything else is final. An Instruction was checked as far as its own text allows.

#include "parser/instruction/mount.h"
#include "parser/lexer/word.h"
#include "parser/source/source.h"
#include "parser/syntax/syntax_tree.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace imgbuild::parser {

/// Text in the file after the instruction's line, announced by a word like `<<EOF`.
struct Heredoc {
    std::string name;  ///< of the file that COPY makes
    std::optional<int> descriptor;
    bool strip_tabs = false;  ///< `<<-`
    bool expand = true;       ///< the name was not quoted
    std::string body;         ///< raw
    Span span;                ///< of the word that announces it
    Span body_span;

    /// What COPY writes: tabs stripped if `<<-`, variables still to expand if the name was not quoted.
    Word content() const;
};

/// The command of RUN, CMD, ENTRYPOINT and HEALTHCHECK.
struct Command {
    bool exec = false;                   ///< JSON form: `arguments` is argv, no shell takes part
    std::vector<std::string> arguments;  ///< of the exec form
    std::string text;                    ///< shell form: the one argument behind the SHELL's words
    Span span;
};

/// FROM [--platform=P] image [AS name]
struct From {
    Word image;
    std::optional<Word> platform;
    std::optional<std::string> name;  ///< lower-case
    std::string written_name;
    Span name_span;
    std::string written_as;  ///< "AS", "as", …; empty without a name
    Span as_span;
};

enum class RunNetwork { inherit, none, host };  ///< inherit: what the build says
enum class RunSecurity { sandbox, insecure };

/// RUN … with a body that begins with "#!": the body is an executable file, and the shell is given its path.
struct ScriptFile {
    std::string path;  ///< "/dev/pipes/NAME"; Run::command.text is the same
    std::string content;

    friend bool operator==(const ScriptFile&, const ScriptFile&) = default;
};

struct Run {
    Command command;  ///< heredocs are in it already, in the form that the shell is given
    std::optional<ScriptFile> script;
    std::vector<Heredoc> heredocs;
    std::vector<MountFlag> mounts;
    RunNetwork network = RunNetwork::inherit;
    RunSecurity security = RunSecurity::sandbox;
    Span security_span;
    Span network_span;
};

/// What COPY and ADD have in common. Sources come first in the result, then heredocs, each in order.
struct Transfer {
    std::vector<Word> sources;
    std::vector<Heredoc> heredocs;
    Word destination;
    std::optional<Word> chown;
    std::optional<Word> chmod;
    bool link = false;
    std::vector<std::string> excludes;  ///< patterns of ignore files, never expanded
    Span excludes_span;
};

struct Copy : Transfer {
    std::optional<std::string> from;  ///< stage, index, context or image; never expanded
    Span from_span;
    bool parents = false;
};

struct Add : Transfer {
    std::optional<Word> checksum;
    std::optional<bool> keep_git_dir;
    std::optional<bool> unpack;
};

struct KeyValue {
    Word key;
    Word value;
};

/// ENV and LABEL. All words of one instruction are expanded with the environment before it.
struct Env {
    std::vector<KeyValue> pairs;
    bool legacy = false;  ///< `ENV key value`
};
struct Label {
    std::vector<KeyValue> pairs;
    bool legacy = false;
};

struct ArgEntry {
    std::string name;
    std::optional<Word> default_value;  ///< expanded only if nothing overrides it, after the entries before it
    Span span;
};
struct Arg {
    std::vector<ArgEntry> entries;
};

/// In the order in which they are expanded (expand_words, then parse_port_range).
struct Expose {
    std::vector<Word> ports;
};
struct Volume {
    std::vector<Word> paths;
};
struct User {
    Word name;
};
struct Workdir {
    Word path;
};
struct Stopsignal {
    Word signal;
};
struct Cmd {
    Command command;
};
struct Entrypoint {
    Command command;  ///< exec without arguments takes the entrypoint away
};
struct Shell {
    std::vector<std::string> arguments;
};
struct Maintainer {
    std::string name;
};

/// The text is parsed when a later build uses it; see parse_trigger().
struct Onbuild {
    std::string trigger;  ///< as stored in the image: joined line and heredocs
    Span span;
};

struct Healthcheck {
    std::optional<Command> command;        ///< empty: HEALTHCHECK NONE
    std::chrono::nanoseconds interval{0};  ///< 0: the runtime's default, for all four
    std::chrono::nanoseconds timeout{0};
    std::chrono::nanoseconds start_period{0};
    std::chrono::nanoseconds start_interval{0};
    std::int64_t retries = 0;
};

using InstructionBody = std::variant<From, Run, Cmd, Entrypoint, Env, Label, Expose, Add, Copy, Volume, User, Workdir,
                                     Arg, Onbuild, Stopsignal, Healthcheck, Shell, Maintainer>;

struct Instruction {
    InstructionBody body;
    std::string keyword;  ///< as written; see canonical_keyword()
    /// One line for people: the joined text, keyword in capitals, runs of blanks as they are; for a RUN that
    /// is one heredoc " (first line…)" behind it.
    std::string text;
    Span span;  ///< from the keyword to the last byte of the last line, heredocs included
    Span keyword_span;
    std::vector<std::string> comments;        ///< texts of the comment lines above it, without "#" and blanks
    std::vector<std::string> skipped_checks;  ///< of `# check=skip=A,B` above it; "all" stands for all
    std::optional<Span> empty_continuation;   ///< the first blank line inside the continuation
};

/// "RUN", "COPY", …
std::string_view canonical_keyword(const InstructionBody& body) noexcept;

/// One instruction from its syntax. Empty when its text is wrong: then `diagnostics` says why.
std::optional<Instruction> parse_instruction(const InstructionSyntax& syntax, char escape, const Source& source,
                                             Diagnostics& diagnostics);

}  // namespace imgbuild::parser
