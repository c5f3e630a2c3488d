// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/build_flags.h"

#include <utility>

namespace imgbuild::cli {
namespace {

void declare_input(OptionSet& options, BuildFlags& flags) {
    options.value("-f,--file", flags.file, "FILE",
                  "the Buildfile (- is standard input; else Buildfile, Containerfile or Dockerfile in CONTEXT)");
    options.value("--target", flags.target, "STAGE", "the stage to build (else the last)");
    options.list("--build-arg", flags.build_args, "NAME[=VALUE]", "a value for ARG; without one, the environment's");
    options.list("--build-arg-file", flags.build_arg_files, "FILE", "lines of NAME=VALUE");
    options.list("--build-context", flags.build_contexts, "NAME=PLACE",
                 "for FROM and --from: a directory, tar, URL or git repository, docker-image://REF, "
                 "oci-layout://PATH or target:STAGE");
    options.list("--platform", flags.platforms, "PLATFORM,…",
                 "as in linux/arm64 (else this machine's); several give an image index");
    options.value("--context-modes", flags.context_modes, "git", "reduce modes of context files to 0644 and 0755");
    options.word("--pull", flags.pull, "always", "ask registries: always, missing or never");
    options.flag("--offline", flags.offline, "use no network for images and files");
}

// A result that is only compared goes nowhere: such flags have nothing to say then.
void declare_output(OptionSet& options, BuildFlags& flags, bool is_delivered) {
    if (is_delivered) options.list("-t,--tag", flags.tags, "NAME", "a name for the image");
    options.list("-o,--output", flags.outputs, "OUTPUT",
                 "type=oci|docker|image|registry|local|tar|cacheonly,dest=PATH,…; a directory; or - for a tar");
    if (is_delivered) {
        options.flag("--push", flags.push, "put the image into the registries that its names speak of");
        options.flag("--load", flags.load, "put the image into the docker or podman of this machine as well");
    }
    options.list("--label", flags.labels, "NAME=VALUE", "a label of the image");
    options.list(
        "--annotation", flags.annotations, "[TYPE:]NAME=VALUE",
        "an annotation of manifests; TYPE is manifest[PLATFORM], manifest-descriptor[PLATFORM], index or index-descriptor");
    if (is_delivered) options.value("--iidfile", flags.iidfile, "FILE", "write the digest there");
    if (is_delivered)
        options.value("--metadata-file", flags.metadata_file, "FILE", "write what was made there, as JSON");
    if (is_delivered) options.flag("-q,--quiet", flags.quiet, "print the digest alone, and no progress");
    options.value("--progress", flags.progress, "MODE", "auto, tty, plain, rawjson or quiet");
    options.value("--created", flags.created, "git", "SOURCE_DATE_EPOCH is the time of the commit that CONTEXT is at");
    options.value("--timestamps", flags.timestamps, "HOW",
                  "times of files: fixed (one for all, the default), preserve (their own), or clamp (their own, "
                  "none later than SOURCE_DATE_EPOCH)");
    options.value("--repro", flags.repro, "strict",
                  "leave logs, caches and random ids out of what commands made (docs/reproducible.md has the list)");
    options.value("--format-version", flags.format_version, "N",
                  "make the bytes that this version of the image format means (docs/formats/format-version.md; 1)");
    if (!is_delivered) return;
    options.word("--provenance", flags.provenance, "true",
                 "say how it was made: mode=min|max,version=v1|v0.2,builder-id=ID,… (docs/attestations.md)");
    options.word("--sbom", flags.sbom, "true", "say what is in it: generator=IMAGE, which scans the result");
    options.list("--attest", flags.attests, "type=TYPE,…", "the same with type=provenance or type=sbom");
}

void declare_limits(OptionSet& options, LimitFlags& limits) {
    options.value("-m,--memory", limits.memory, "SIZE", "that a RUN may take");
    options.value("--memory-swap", limits.memory_swap, "SIZE", "with swap space (twice --memory; -1: any)");
    options.value("--cpus", limits.cpus, "N", "processors' worth of time that a RUN may take, as in 1.5");
    options.value("--cpu-period", limits.cpu_period, "US", "microseconds in which --cpu-quota counts (100000)");
    options.value("--cpu-quota", limits.cpu_quota, "US", "microseconds of processor time in each period");
    options.value("-c,--cpu-shares", limits.cpu_shares, "N", "weight against others, 2 to 262144 (1024 is usual)");
    options.value("--cpuset-cpus", limits.cpuset_cpus, "LIST", "processors that a RUN may use, as in 0-2,4");
    options.value("--cpuset-mems", limits.cpuset_mems, "LIST", "NUMA nodes that a RUN may use");
    options.value("--pids,--pids-limit", limits.pids, "N", "processes and threads that a RUN may have at once");
    options.value("--cgroup-parent", limits.cgroup_parent, "CGROUP", "make the cgroups of RUN in this one");
    options.value("--step-timeout", limits.step_timeout, "DURATION", "kill a RUN that takes longer, as in 90s or 1h");
}

void declare_running(OptionSet& options, BuildFlags& flags, bool is_delivered) {
    options.list("--secret", flags.secrets, "id=ID[,src=FILE][,env=NAME]", "for RUN --mount=type=secret");
    options.list("--ssh", flags.ssh, "ID[=SOCKET]", "an agent's socket for RUN --mount=type=ssh");
    options.value("--network", flags.network, "MODE", "of RUN: default, none or host");
    options.list("--allow", flags.allow, "WHAT", "network.host or security.insecure");
    options.list("--add-host", flags.add_hosts, "HOST:ADDRESS", "a line of /etc/hosts in RUN");
    options.value("--shm-size", flags.shm_size, "SIZE", "of /dev/shm in RUN (64m)");
    options.list("--ulimit", flags.ulimits, "NAME=SOFT[:HARD]", "a limit in RUN");
    declare_limits(options, flags.limits);
    if (is_delivered)
        options.word("--on-failure", flags.on_failure, "shell", "open a shell in the state that a failed RUN left");
    options.value("--jobs", flags.jobs, "N", "steps at once (as many as there are processors)");
    options.word("--no-cache", flags.no_cache, "true", "do every step again; with LINE,… those of these lines");
    options.list("--no-cache-filter", flags.no_cache_filters, "STAGES", "do the steps of these stages again");
    options.flag("--explain", flags.explain,
                 "say of each step why it is done (plan: what would be done and why, not as JSON)");
    if (!is_delivered) return;
    options.list("--cache-from", flags.cache_from, "type=TYPE,…",
                 "take results from registry,ref=REF, local,src=DIR or gha; trust=verify|accept (docs/caching.md)");
    options.list("--cache-to", flags.cache_to, "type=TYPE,…",
                 "put results to registry,ref=REF, local,dest=DIR, gha or inline; mode=min|max, ignore-error=BOOL");
    options.word("--require-cached", flags.require_cached, "true",
                 "end with status 5 rather than do a step; with STAGE,… one of these stages");
    options.value("--profile", flags.profile, "FILE", "write what took how long there, for trace viewers");
    options.flag("--check", flags.check, "only say what could be better");
    options.value("--call", flags.call, "METHOD[,format=json]",
                  "build, check, outline (what the target takes) or targets (the stages)");
}

void declare_verify(OptionSet& options, BuildFlags& flags) {
    options.positional("IMAGE|CONTEXT", flags.image);
    options.positional("CONTEXT", flags.context, false);
    options.flag("--twice", flags.twice, "build CONTEXT twice under different conditions, and compare the two");
    options.value("--format", flags.format, "FORMAT", "of the report: text (the default), json or html");
    options.value("--html", flags.html, "FILE", "write the report there as well, as one page");
    options.value("--second-store", flags.second_store, "DIR",
                  "where the second build is made (else beside the store): another file system lists directories in "
                  "another order");
}

std::pair<std::string, std::string> usage_of(const std::string& command) {
    if (command == "verify")
        return {"verify [flags] IMAGE [CONTEXT] | verify --twice [flags] CONTEXT",
                "Builds again what IMAGE was built from, as far as that was recorded, or with the same flags as build, "
                "and says whether it is the same and what differs; exit status 4 where it does"};
    if (command == "plan")
        return {"plan [flags] CONTEXT",
                "Prints what a build with the same flags would do and what it would find, as JSON"};
    return {command + " [flags] CONTEXT",
            "Builds an image from a Buildfile and a CONTEXT: a directory, a tar, an URL, a git repository, or - for a "
            "tar or Buildfile on standard input"};
}

// What users of other builders may try and would miss silently.
void declare_unsupported(OptionSet& options) {
    options.unsupported("--squash", "use a last stage that copies from the others");
}

}  // namespace

bool read_build_flags(const std::string& command, Arguments arguments, BuildFlags& flags) {
    const auto [usage, summary] = usage_of(command);
    OptionSet options(usage, summary);
    if (command == "verify")
        declare_verify(options, flags);
    else
        options.positional("CONTEXT", flags.context);
    declare_input(options, flags);
    declare_output(options, flags, command != "verify");
    declare_running(options, flags, command != "verify");
    declare_unsupported(options);
    add_common(options, flags.common, CommonScope::sandbox);
    return parse_or_help(options, arguments);
}

}  // namespace imgbuild::cli
