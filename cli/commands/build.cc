// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "cli/builds/recorder.h"
#include "cli/commands/call.h"
#include "cli/commands/commands.h"
#include "cli/commands/delivery.h"
#include "cli/commands/planning.h"
#include "cli/commands/source_epoch.h"
#include "cli/common/environment.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "cli/progress/progress.h"

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

std::vector<std::string> stages_that_are_not_there(const BuildOptions& options, const parser::Buildfile& buildfile) {
    std::vector<std::string> missing = options.solve.no_cache_stages;
    for (const parser::Stage& stage : buildfile.stages) std::erase(missing, to_lower(stage.display_name()));
    return missing;
}

builder::SolveOptions solve_options_of(const BuildOptions& options, const BuildInput& input, layerstore::Store& store) {
    builder::SolveOptions solve_options = options.solve;
    solve_options.imports = open_imports(options.caches, store);
    solve_options.exports = open_exports(options.caches, store);
    solve_options.contexts = input.contexts;
    solve_options.goal = goal_of(options);
    solve_options.locate = [&input](parser::Span span) {
        return fmt::format("{}:{}", input.source.name(), input.source.line_of(span.begin));
    };
    return solve_options;
}

int tell_not_cached(const builder::BuildPlan& plan, const builder::NotCached& missing) {
    std::string text =
        fmt::format("imgbuild: not cached: {}\nthis is the first step whose result is not in the store\n",
                    printable(plan.nodes[missing.node].label));
    for (const std::string& cause : missing.causes) text += fmt::format("because: {}\n", printable(cause));
    tell(text);
    return exit_status::not_cached;
}

// The progress has ended by now.
void end_exports(const BuildOptions& options, const builder::SolveOptions& solve_options, bool succeeded) {
    for (const std::string& warning : finish_exports(solve_options.exports, succeeded))
        if (options.progress != ProgressMode::quiet && options.progress != ProgressMode::rawjson)
            tell(fmt::format("warning: {}\n", printable(warning)));
}

// For `imgbuild builds` and `explain`, and for --profile.
void keep_record(const BuildOptions& options, const Recorder& recorder, layerstore::Store& store,
                 const Product* product) {
    BuildRecord record = recorder.record();
    record.context = printable(options.context);
    record.succeeded = product != nullptr;
    if (product && product->descriptor()) record.result = product->descriptor()->digest.text();
    save_record(store, record);
    if (options.profile) write_host_file(*options.profile, record.trace());
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
    for (const std::string& name : options.names) tell(fmt::format("named {}\n", printable(name)));
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

struct Made {
    Product product;
    std::optional<builder::NotCached> missing;  ///< what --require-cached did not find; then there is no product
};

Made make_once(const Job& job, Progress& progress) {
    const auto result = builder::solve(job.plan, job.solve_options, job.store, job.lease, progress);
    progress.finish();
    if (const auto* missing = std::get_if<builder::NotCached>(&result)) return {.missing = *missing};
    const auto& solved = std::get<builder::Solved>(result);
    const Attestations attestations(job.options, job.input, job.plan, solved, job.started);
    Made made{.product = make_product(job.options, job.plan, solved, attestations, job.store)};
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
    const std::time_t started = std::time(nullptr);
    const auto progress =
        std::make_unique<Recorder>(make_progress(options.progress, STDERR_FILENO, tell, options.explain),
                                   [] { return std::chrono::steady_clock::now().time_since_epoch(); });
    for (const std::string& warning : options.warnings) progress->warning(warning);
    clear_report(options);
    const std::unique_ptr<layerstore::Store> store = open_store(options.common);
    const std::unique_ptr<layerstore::Store::Lease> lease = store->lease();

    BuildInput input = read_build_input(options, *store, lease.get());
    tell_fetched(options, input);
    if (options.call.method != Call::Method::build) return answer_call(options, input, *store);
    const std::optional<ParsedInput> parsed = parse_input(options, input);
    if (!parsed) return exit_status::usage;
    const parser::Buildfile& buildfile = parsed->buildfile;
    const std::optional<builder::PlanResult> planned = plan_with_time(options, buildfile, input, *store, lease.get());
    if (!planned) return exit_status::usage;
    const Advice advice = check_input(options, buildfile, input, &*planned);
    if (advice.is_fatal) refuse_violations(advice, input.source);
    for (const auto& warnings : {input.warnings, parsed->warnings, planned->warnings})
        for (const std::string& warning : warnings) progress->warning(warning);
    for (const std::string& stage : stages_that_are_not_there(options, buildfile))
        progress->warning(fmt::format("--no-cache-filter: there is no stage {}", printable(stage)));

    // It outlives what it gives: the files of the result are read through it.
    const builder::SolveOptions solve_options = solve_options_of(options, input, *store);
    progress->set_locate(solve_options.locate);
    const Made made = [&] {
        try {
            return make({options, input, *planned->plan, solve_options, *store, *lease, started}, *progress);
        } catch (const Error&) {
            end_exports(options, solve_options, false);
            keep_record(options, *progress, *store, nullptr);
            // What failed may be what a check warns of.
            tell_advice(options, advice, input.source);
            throw;
        }
    }();
    end_exports(options, solve_options, !made.missing);
    if (made.missing) return tell_not_cached(*planned->plan, *made.missing);
    const Product& product = made.product;
    write_report(options, product);
    keep_record(options, *progress, *store, &product);
    print_result(options, *planned->plan, product);
    tell_advice(options, advice, input.source);
    return exit_status::ok;
}

}  // namespace

int run_build(Arguments arguments) {
    std::optional<BuildOptions> options = read_build_options("build", arguments, process_environment);
    return options ? build(std::move(*options)) : exit_status::ok;
}

}  // namespace imgbuild::cli
