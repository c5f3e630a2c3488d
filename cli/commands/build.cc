// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "base/work_count.h"
#include "builder/fetch/fetch_listener.h"
#include "cli/builds/recorder.h"
#include "cli/builds/summary.h"
#include "cli/commands/build_request.h"
#include "cli/commands/call.h"
#include "cli/commands/commands.h"
#include "cli/commands/delivery.h"
#include "cli/commands/offline.h"
#include "cli/commands/planning.h"
#include "cli/commands/shell.h"
#include "cli/commands/solving.h"
#include "cli/commands/source_epoch.h"
#include "cli/common/environment.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "cli/progress/progress.h"
#include "cli/progress/step_names.h"

namespace imgbuild::cli {
namespace {

void tell_fetched(const BuildOptions& options, const BuildInput& input) {
    if (options.progress == ProgressMode::quiet || options.progress == ProgressMode::rawjson) return;
    if (!input.fetched.empty()) tell("context " + printable(input.fetched) + "\n");
}

// After the build, where they are seen: one line each, as buildx does it.
void tell_advice(const BuildOptions& options, const Advice& advice, const parser::Source& source) {
    if (options.progress == ProgressMode::quiet || options.progress == ProgressMode::rawjson) return;
    if (advice.warnings.empty()) return;
    std::string text =
        fmt::format("\n {} found (--check shows more):\n", counted(advice.warnings.size(), "warning", "warnings"));
    for (const parser::Diagnostic& warning : advice.warnings)
        text += fmt::format(" - {}: {} (line {})\n", printable(warning.rule), printable(warning.message),
                            source.line_of(warning.span.begin));
    tell(text);
}

[[noreturn]] void refuse_violations(const Advice& advice, const parser::Source& source) {
    throw Error(ErrorKind::usage, parser::violation_summary(advice.warnings), advice.warnings.render(source));
}

// What a failed command left is shown before it goes.
void offer_shell(builder::SolveOptions& solve_options, layerstore::Store& store, Progress& progress) {
    solve_options.tools = shell_tools(store);
    solve_options.when_command_failed = [&progress](builder::FailedState& state, const Error& error) {
        progress.finish();
        open_shell_after(state, error);
    };
}

int tell_not_cached(const builder::BuildPlan& plan, const builder::NotCached& missing) {
    std::string text =
        fmt::format("imgbuild: not cached: {}\nthis is the first step whose result is not in the store\n",
                    kept_step_name(plan, missing.node));
    for (const std::string& cause : missing.causes) text += fmt::format("because: {}\n", printable(cause));
    tell(text);
    return exit_status::not_cached;
}

// A directory by its whole path, so that builds of one are known as such; an address without who asks.
std::string context_to_keep(const std::string& context) {
    const std::size_t scheme = context.find("://");
    if (scheme != std::string::npos) {
        const std::size_t host = scheme + 3;
        const std::size_t at = context.substr(0, context.find('/', host)).rfind('@');
        return at == std::string::npos || at < host ? context : context.substr(0, host) + context.substr(at + 1);
    }
    std::error_code error;
    const std::filesystem::path path = std::filesystem::canonical(context, error);
    return error ? context : path.string();
}

// The progress has ended by now.
void end_exports(const BuildOptions& options, const builder::SolveOptions& solve_options, bool succeeded) {
    for (const std::string& warning : finish_exports(solve_options.exports, succeeded))
        if (options.progress != ProgressMode::quiet && options.progress != ProgressMode::rawjson)
            tell(fmt::format("warning: {}\n", printable(warning)));
}

struct Made {
    Product product;
    RecordedInputs inputs;                      ///< for who wants to build it again
    std::optional<builder::NotCached> missing;  ///< what --require-cached did not find; then there is no product
};

// For `imgbuild builds`, `explain` and `advise`, and for --profile.
BuildRecord keep_record(const BuildOptions& options, const Recorder& recorder, layerstore::Store& store,
                        const Made* made) {
    BuildRecord record = recorder.record();
    record.context = printable(context_to_keep(options.context));
    record.succeeded = made != nullptr;
    if (made) {
        if (made->product.descriptor()) record.result = made->product.descriptor()->digest.text();
        for (const layerstore::Image& image : made->product.images)
            record.images.push_back(image.descriptor.digest.text());
        record.inputs = made->inputs;
    }
    save_record(store, record);
    if (options.profile) write_host_file(*options.profile, record.trace());
    return record;
}

void tell_summary(const BuildOptions& options, const BuildRecord& record) {
    if (options.progress == ProgressMode::quiet || options.progress == ProgressMode::rawjson) return;
    if (record.count_steps() > 0) tell(summary_of(record) + "\n");
}

void print_result(const BuildOptions& options, const builder::BuildPlan& plan, const Product& product) {
    if (!product.descriptor()) return;
    const std::string digest = product.descriptor()->digest.text();
    const bool is_taken = std::ranges::any_of(options.outputs, &OutputOption::is_standard_output);
    if (options.quiet && !is_taken) print(digest + "\n");
    if (options.progress == ProgressMode::quiet || options.progress == ProgressMode::rawjson) return;
    tell(fmt::format("{} {}\n", product.index ? "index" : "image", digest));
    if (product.index)
        for (std::size_t i = 0; i < product.images.size(); ++i)
            tell(fmt::format("image {} {}\n", product.images[i].descriptor.digest.text(),
                             plan.images[i].platform.text()));
    for (const std::string& name : stored_names(options)) tell(fmt::format("named {}\n", printable(name)));
}

void tell_work() {
    const WorkCount work = work_count();
    tell(fmt::format("hashed {} bytes, compressed {}, decompressed {}\n", work.hashed, work.compressed,
                     work.decompressed));
}

void refuse_terminal(const BuildOptions& options) {
    if (std::ranges::any_of(options.outputs, &OutputOption::is_standard_output) && ::isatty(STDOUT_FILENO) == 1)
        throw Error(ErrorKind::usage, "--output: standard output is a terminal", "name a file with dest=");
}

struct Job {
    const BuildOptions& options;
    const BuildInput& input;
    const builder::BuildPlan& plan;
    const builder::SolveOptions& solve_options;
    layerstore::Store& store;
    layerstore::Store::Lease& lease;
    std::time_t started;
};

Made make_once(const Job& job, Progress& progress) {
    const auto result = builder::solve(job.plan, job.solve_options, job.store, job.lease, progress);
    progress.finish();
    if (const auto* missing = std::get_if<builder::NotCached>(&result))
        return {.product = {}, .inputs = {}, .missing = *missing};
    const auto& solved = std::get<builder::Solved>(result);
    const Attestations attestations(job.options, job.input, job.plan, solved, job.started);
    Made made{.product = make_product(job.options, job.plan, solved, attestations, job.store),
              .inputs = recorded_inputs(job.options, job.input, job.plan, solved),
              .missing = {}};
    deliver(job.options, made.product, job.plan, solved, attestations, job.store);
    return made;
}

// A blob that went bad on the disk shows when it is written out; what it held can be made or brought again.
Made make(const Job& job, Recorder& progress) {
    try {
        return make_once(job, progress);
    } catch (const Error& error) {
        progress.finish();
        if (error.kind() != ErrorKind::corrupt || job.store.take_out_damaged(job.lease).empty()) throw;
        progress.show(make_progress(job.options.progress, STDERR_FILENO, tell, job.options.explain));
        progress.warning(error.full_message() + ": looking again");
        return make_once(job, progress);
    }
}

int build(BuildOptions options) {
    refuse_terminal(options);
    if (options.shell_on_failure)
        require_terminal("--on-failure=shell", "leave it out, and look with `imgbuild debug` afterwards");
    const std::time_t started = std::time(nullptr);
    const auto progress =
        std::make_unique<Recorder>(make_progress(options.progress, STDERR_FILENO, tell, options.explain),
                                   [] { return std::chrono::steady_clock::now().time_since_epoch(); });
    for (const std::string& warning : options.warnings) progress->warning(warning);
    // What a program reads, or nobody, holds no lines for people.
    std::optional<builder::FetchListener> nobody;
    if (options.progress == ProgressMode::quiet || options.progress == ProgressMode::rawjson) nobody.emplace(nullptr);
    clear_report(options);
    const std::unique_ptr<layerstore::Store> store = open_store(options.common);
    const std::unique_ptr<layerstore::Store::Lease> lease = store->lease();

    BuildInput input = read_build_input(options, *store, lease.get());
    tell_fetched(options, input);
    if (options.call.method != Call::Method::build) return answer_call(options, input, *store);
    const std::optional<ParsedInput> parsed = parse_input(options, input);
    if (!parsed) return exit_status::usage;
    const parser::Buildfile& buildfile = parsed->buildfile;
    if (options.solve.offline) require_all_here(options, buildfile, input, *store, *lease);
    const std::optional<builder::PlanResult> planned = plan_with_time(options, buildfile, input, *store, lease.get());
    if (!planned) return exit_status::usage;
    const Advice advice = check_input(options, buildfile, input, &*planned);
    if (advice.is_fatal) refuse_violations(advice, input.source);
    const builder::BuildPlan& plan = *planned->plan;
    for (const auto& warnings :
         {input.warnings, parsed->warnings, planned->warnings, warnings_of_no_cache(options, input, buildfile, plan)})
        for (const std::string& warning : warnings) progress->warning(warning);

    // It outlives what it gives: the files of the result are read through it.
    builder::SolveOptions solve_options = solve_options_of(options, input, buildfile, plan);
    solve_options.goal = goal_of(options);
    solve_options.imports = open_imports(options.caches, *store);
    solve_options.exports = open_exports(options.caches, *store);
    if (options.shell_on_failure) offer_shell(solve_options, *store, *progress);
    progress->set_locate(solve_options.locate);
    const Made made = [&] {
        try {
            return make({options, input, plan, solve_options, *store, *lease, started}, *progress);
        } catch (const Error&) {
            end_exports(options, solve_options, false);
            keep_record(options, *progress, *store, nullptr);
            // What failed may be what a check warns of.
            tell_advice(options, advice, input.source);
            throw;
        }
    }();
    end_exports(options, solve_options, !made.missing);
    if (made.missing) return tell_not_cached(plan, *made.missing);
    const Product& product = made.product;
    write_report(options, product);
    const BuildRecord record = keep_record(options, *progress, *store, &made);
    print_result(options, plan, product);
    tell_summary(options, record);
    tell_advice(options, advice, input.source);
    if (options.common.debug) tell_work();
    return exit_status::ok;
}

}  // namespace

int run_build(Arguments arguments) {
    std::optional<BuildOptions> options = read_build_options("build", arguments, process_environment);
    return options ? build(std::move(*options)) : exit_status::ok;
}

}  // namespace imgbuild::cli
