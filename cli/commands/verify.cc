// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/cancel.h"
#include "base/error.h"
#include "base/task_pool.h"
#include "base/text.h"
#include "cli/builds/build_record.h"
#include "cli/commands/build_flags.h"
#include "cli/commands/build_request.h"
#include "cli/commands/commands.h"
#include "cli/commands/context_input.h"
#include "cli/commands/delivery.h"
#include "cli/commands/provenance_request.h"
#include "cli/commands/rebuild.h"
#include "cli/commands/verify_report.h"
#include "cli/common/common_options.h"
#include "cli/common/environment.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

constexpr std::string_view usual_host_name = "buildkitsandbox";
constexpr std::string_view other_host_name = "another-host";
// Times in zip archives count in steps of two seconds.
constexpr std::chrono::milliseconds time_between{2100};

/// The processors of this process, put back at the end.
class OneProcessor {
  public:
    OneProcessor() {
        CPU_ZERO(&before_);
        if (::sched_getaffinity(0, sizeof before_, &before_) != 0) return;
        cpu_set_t one;
        CPU_ZERO(&one);
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
            if (CPU_ISSET(cpu, &before_)) {
                CPU_SET(cpu, &one);
                break;
            }
        is_changed_ = ::sched_setaffinity(0, sizeof one, &one) == 0;
    }
    OneProcessor(const OneProcessor&) = delete;
    OneProcessor& operator=(const OneProcessor&) = delete;
    ~OneProcessor() {
        if (is_changed_) ::sched_setaffinity(0, sizeof before_, &before_);
    }

  private:
    cpu_set_t before_;
    bool is_changed_ = false;
};

void wait_for_another_time() {
    constexpr std::chrono::milliseconds slice{50};
    const auto end = std::chrono::steady_clock::now() + time_between;
    while (std::chrono::steady_clock::now() < end) {
        throw_if_cancelled();
        std::this_thread::sleep_for(slice);
    }
}

// What is built is compared and goes nowhere.
void keep_to_ourselves(BuildOptions& options) {
    options.attest = {};
    options.names.clear();
    options.caches = {};
    options.solve.inline_cache = false;
    const auto image = std::ranges::find_if(options.outputs, &OutputOption::is_image);
    OutputOption output = image == options.outputs.end() ? OutputOption() : *image;
    output.kind = OutputOption::Kind::store;
    output.push = false;
    output.names.clear();
    options.outputs = {output};
}

void refuse_stream(const BuildOptions& options) {
    if (options.context == "-")
        throw Error(ErrorKind::usage, "verify: a context on standard input cannot be read twice",
                    "write it to a file or unpack it");
}

// By the numbers that statfs gives; others are shown as they are.
std::string describe_file_system(const std::string& path) {
    constexpr std::array known{std::pair(0xef53L, "ext4"), std::pair(0x01021994L, "tmpfs"),
                               std::pair(0x58465342L, "xfs"), std::pair(0x9123683eL, "btrfs"),
                               std::pair(0x794c7630L, "overlay")};
    struct statfs status {};
    if (::statfs(path.c_str(), &status) != 0) return "";
    const long type = static_cast<long>(status.f_type);
    const auto found = std::ranges::find(known, type, [](const auto& one) { return one.first; });
    return found == known.end() ? fmt::format("{:#x}", static_cast<unsigned long>(type)) : std::string(found->second);
}

/// The second of two builds: how it is made otherwise.
class SecondBuild {
  public:
    SecondBuild(const PlannedBuild& first, layerstore::Store& store, const Directory& parent, VerifyReport& report)
        : first_(first), store_(store), fresh_(parent, first.options.solve.root_mode), report_(report) {
        report_.varied.push_back({"store", store.path(), fresh_.store().path()});
    }

    MadeImages make() {
        BuildOptions options = first_.options;
        vary_runs(options);
        // Nothing of it is in a store that is new, and imports would bring it there.
        options.solve.no_cache = false;
        auto planned = plan_again(first_, std::move(options), store_, fresh_);
        vary_contexts(planned->input);
        vary_order();
        const OneProcessor one;
        report_.varied.push_back({"processors", std::to_string(processors_), std::to_string(available_processors())});
        report_.surroundings.processors_before = processors_;
        report_.surroundings.processors_after = available_processors();
        return with_context("second build", [&] { return make_images(*planned, fresh_.store(), fresh_.lease()); });
    }
    layerstore::Store& store() noexcept { return fresh_.store(); }

  private:
    void vary_runs(BuildOptions& options) {
        const std::size_t jobs = options.solve.jobs == 0 ? processors_ : options.solve.jobs;
        options.solve.jobs = jobs == 1 ? 4 : 1;
        report_.varied.push_back({"jobs", std::to_string(jobs), std::to_string(options.solve.jobs)});
        // A name that was asked for is part of what is built.
        if (!options.solve.run.hostname.empty()) return;
        options.solve.run.hostname = other_host_name;
        report_.varied.push_back({"host name", std::string(usual_host_name), std::string(other_host_name)});
        report_.surroundings.host_name_before = usual_host_name;
        report_.surroundings.host_name_after = other_host_name;
    }

    // The same files by another path: copies would differ in what no build reads.
    void vary_contexts(BuildInput& input) {
        std::size_t number = 0;
        for (auto& [name, context] : input.contexts) {
            auto* directory = std::get_if<builder::ContextDirectory>(&context);
            if (!directory) continue;
            const std::string link = fmt::format("{}/context-{}", fresh_.folder().name(), number++);
            const std::string target = std::filesystem::absolute(directory->path).string();
            if (::symlink(target.c_str(), link.c_str()) != 0) throw_errno("make a link for the context", link);
            report_.varied.push_back({name.empty() ? "path of the context" : "path of context " + printable(name),
                                      printable(directory->path), link});
            directory->path = link;
        }
    }

    void vary_order() {
        const std::string before = describe_file_system(store_.path());
        const std::string after = describe_file_system(fresh_.store().path());
        if (before != after)
            report_.varied.push_back({"file system, and with it the order of directories", before, after});
        else
            report_.not_varied.push_back(
                "the order of directories: both stores lie on one kind of file system; --second-store names another");
    }

    const PlannedBuild& first_;
    layerstore::Store& store_;
    std::size_t processors_ = available_processors();
    FreshStore fresh_;
    VerifyReport& report_;
};

int end_with(const VerifyReport& report, const BuildFlags& flags) {
    if (flags.html) write_host_file(*flags.html, verify_page(report));
    const std::string format = flags.format.value_or("text");
    print(format == "json" ? verify_json(report) : format == "html" ? verify_page(report) : verify_text(report));
    return report.is_equal() ? exit_status::ok : exit_status::mismatch;
}

void compare(VerifyReport& report, const Directory& scratch) {
    builder::ComparisonOptions options;
    options.surroundings = report.surroundings;
    for (VerifiedImage& image : report.images)
        if (image.before.image.descriptor.digest != image.after.image.descriptor.digest)
            image.comparison = compare_images(image.before, image.after, Pairing::place, scratch, options);
        else
            image.comparison.is_equal = true;
}

int verify_twice(const BuildFlags& flags) {
    BuildOptions options = build_options_of(flags, process_environment);
    refuse_stream(options);
    keep_to_ourselves(options);
    const std::unique_ptr<layerstore::Store> store = open_store(options.common);
    const std::unique_ptr<layerstore::Store::Lease> lease = store->lease();
    const auto first = plan_build(std::move(options), *store, *lease);
    if (!first) return exit_status::usage;
    VerifyReport report{.subject = first->options.context, .is_twice = true};
    const MadeImages before = with_context("first build", [&] { return make_images(*first, *store, *lease); });
    const bool runs = std::ranges::any_of(first->plan.nodes, [](const builder::PlanNode& node) {
        return std::holds_alternative<builder::RunCommand>(node.operation);
    });
    if (runs) wait_for_another_time();
    report.varied.push_back({"time", "first build", runs ? "two seconds later, or more" : "later"});
    report.not_varied.emplace_back(
        "the date: commands see the clock of the machine, which two builds on one day share");
    const Directory parent =
        flags.second_store ? Directory::open_host(*flags.second_store) : store->pending().duplicate();
    SecondBuild second(*first, *store, parent, report);
    const MadeImages after = second.make();
    for (std::size_t i = 0; i < before.images.size(); ++i)
        report.images.push_back({side_of("first build", before.images[i], before.origins[i], *store),
                                 side_of("second build", after.images[i], after.origins[i], second.store()),
                                 {}});
    compare(report, store->pending());
    return end_with(report, flags);
}

// The newest build that gave the image, and remembers what it took in.
std::optional<BuildRecord> record_of(layerstore::Store& store, const layerstore::Descriptor& image) {
    for (BuildRecord& record : load_records(store)) {
        if (!record.succeeded || !record.inputs) continue;
        const std::string digest = image.digest.text();
        if (record.result == digest || std::ranges::find(record.images, digest) != record.images.end())
            return std::move(record);
    }
    return std::nullopt;
}

[[noreturn]] void refuse_without_record(const std::string& name) {
    throw Error(
        ErrorKind::not_found, fmt::format("{}: the store remembers no build of it", printable(name)),
        "name what it was built from: `imgbuild verify IMAGE -f BUILDFILE CONTEXT`, with the flags of that build");
}

// What became of what was recorded, before anything is built.
void note_source(const RecordedInputs& inputs, BuildOptions& options, VerifyReport& report) {
    const std::string& name = inputs.buildfile_name;
    if (options.file) return;
    if (inputs.buildfile.empty()) {
        report.notes.push_back("the text of the Buildfile was too long to be kept: it is read again");
        return;
    }
    options.source = parser::Source(name, inputs.buildfile);
    if (!name.starts_with('/')) return;
    options.file = name;
    if (!is_there(name))
        report.notes.push_back(fmt::format("{}: is not there any more; the recorded text is used", printable(name)));
    else if (read_source(name).text() != inputs.buildfile)
        report.notes.push_back(fmt::format("{}: has changed since; the recorded text is used", printable(name)));
}

void note_arguments(const RecordedInputs& inputs, const BuildOptions& options, VerifyReport& report) {
    for (const std::string& name : missing_arguments(inputs.flags, options.build_args))
        report.notes.push_back(
            fmt::format("build argument {0}: values are not recorded; give it again with "
                        "--build-arg {0}=…",
                        printable(name)));
}

void note_contexts(const std::vector<RecordedInputs::Source>& before, const std::vector<RecordedInputs::Source>& after,
                   VerifyReport& report) {
    for (std::size_t i = 0; i < before.size() && i < after.size(); ++i)
        if (before[i].name == after[i].name && before[i].identity != after[i].identity)
            report.notes.push_back(fmt::format("{}: has changed since: was {}, is {}",
                                               before[i].name.empty() ? "context" : printable(before[i].name),
                                               printable(before[i].identity), printable(after[i].identity)));
}

/// One image of the store, built again from what was recorded, or from what the command line says.
class ImageVerification {
  public:
    ImageVerification(BuildFlags flags, Arguments arguments)
        : flags_(std::move(flags)), store_(open_store(flags_.common)), lease_(store_->lease()) {
        const std::string& name = *flags_.image;
        image_ = require_image(*store_, name);
        report_.subject = name;
        recall(arguments);
    }

    int run() {
        // The time that was recorded counts, and none where none was.
        BuildOptions options = build_options_of(flags_, [&](const std::string& name) {
            return record_ && name == epoch_name ? std::nullopt : process_environment(name);
        });
        refuse_stream(options);
        keep_to_ourselves(options);
        if (record_) {
            note_source(*record_->inputs, options, report_);
            note_arguments(*record_->inputs, options, report_);
            for (const RecordedInputs::Base& base : record_->inputs->bases)
                options.pins.push_back({base.reference, base.platform, base.digest});
        }
        const auto planned = plan_build(std::move(options), *store_, *lease_);
        if (!planned) return exit_status::usage;
        FreshStore fresh(
            flags_.second_store ? Directory::open_host(*flags_.second_store) : store_->pending().duplicate(),
            planned->options.solve.root_mode);
        const auto again = plan_again(*planned, planned->options, *store_, fresh);
        const MadeImages made =
            with_context("build again", [&] { return make_images(*again, fresh.store(), fresh.lease()); });
        if (record_) note_contexts(record_->inputs->contexts, made.contexts, report_);
        pair(made, fresh.store());
        compare(report_, store_->pending());
        return end_with(report_, flags_);
    }

  private:
    // What was recorded comes before what is given now, which therefore counts.
    void recall(Arguments arguments) {
        record_ = record_of(*store_, image_.descriptor);
        if (!record_) record_ = record_of_provenance(*store_, image_.descriptor);
        if (!record_ && !flags_.context) refuse_without_record(report_.subject);
        if (!record_) return;
        std::vector<std::string> all = record_->inputs->flags;
        all.insert(all.end(), arguments.begin(), arguments.end());
        if (!flags_.context && record_->context.empty())
            throw Error(ErrorKind::not_found,
                        fmt::format("{}: was built from a directory, and its provenance does not say which",
                                    printable(report_.subject)),
                        "name it: `imgbuild verify IMAGE CONTEXT`");
        if (!flags_.context) all.push_back(record_->context);
        BuildFlags flags;
        read_build_flags("verify", all, flags);
        flags_ = std::move(flags);
    }

    void pair(const MadeImages& made, layerstore::Store& fresh) {
        const std::vector<layerstore::Image> images =
            store_->read_images(image_.descriptor, layerstore::Platform::host(), report_.subject);
        for (std::size_t i = 0; i < made.images.size(); ++i) {
            const std::string platform = made.images[i].config.platform.normalised().text();
            const auto found = std::ranges::find_if(images, [&](const layerstore::Image& image) {
                return image.config.platform.normalised().text() == platform;
            });
            if (found == images.end())
                throw Error(ErrorKind::not_found,
                            fmt::format("{}: has no image for {}", printable(report_.subject), platform));
            report_.images.push_back({side_of(report_.subject, *found, origins_of_history(*found), *store_),
                                      side_of("built again", made.images[i], made.origins[i], fresh),
                                      {}});
        }
    }

    BuildFlags flags_;
    std::unique_ptr<layerstore::Store> store_;
    std::unique_ptr<layerstore::Store::Lease> lease_;
    layerstore::NamedImage image_;
    std::optional<BuildRecord> record_;
    VerifyReport report_;
};

}  // namespace

int run_verify(Arguments arguments) {
    BuildFlags flags;
    if (!read_build_flags("verify", arguments, flags)) return exit_status::ok;
    check_report_format(flags.format);
    if (!flags.twice) return ImageVerification(std::move(flags), arguments).run();
    if (flags.context)
        throw Error(ErrorKind::usage, fmt::format("verify --twice: {}: one word too many", printable(*flags.context)),
                    "it takes a context, and no image");
    flags.context = flags.image;
    return verify_twice(flags);
}

}  // namespace imgbuild::cli
