// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/requests.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/work_count.h"
#include "builder/sandbox/cache_mounts.h"
#include "builder/sandbox/cgroup.h"
#include "builder/sandbox/delta_folder.h"
#include "builder/sandbox/id_maps.h"
#include "builder/sandbox/launch.h"
#include "builder/sandbox/network_files.h"
#include "builder/sandbox/plain/plain_run.h"
#include "builder/sandbox/wire_spec.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::builder {
namespace {

constexpr std::uint64_t resolv_conf_limit = 1 << 20;
constexpr std::uint32_t tty_group = 5;
constexpr const char* upper_name = "upper-root";
constexpr std::size_t attached_streams = 3;  // in, out, error

// Stops when the main process closed its end or finished sending.
void check_asker(const Channel& channel) {
    pollfd asker{channel.fd(), POLLRDHUP, 0};
    if (::poll(&asker, 1, 0) > 0 && asker.revents != 0) throw Error(ErrorKind::interrupted, "sandbox: stopped");
}

Directory open_upper(const TemporaryDirectory& work) {
    return work.directory().open_directory(ImagePath().child(upper_name), FollowLinks::never);
}

WireWriter answer_done() {
    WireWriter out;
    out.byte(static_cast<std::uint8_t>(Answer::done));
    return out;
}

// One request: the place it works in, opened.
class Service {
  public:
    Service(Channel& channel, const RequestPlace& place)
        : channel_(channel),
          place_(place),
          deltas_(place.store, place.spelling_name, place.spelling),
          caches_(place.store, place.spelling_name, deltas_) {}

    void materialise(WireReader& in);
    void run(WireReader& in, std::vector<Fd> fds);
    void open_files(WireReader& in);
    void remove_delta(WireReader& in);
    void remove_cache(WireReader& in);
    void changed(WireReader& in);
    void check(WireReader& in);
    /// Takes away what killed processes left. Only where nothing can be mounted there is an answer.
    void sweep();
    void drop_roots();

  private:
    StopCheck stop() const {
        return [this] { check_asker(channel_); };
    }
    bool is_plain() const noexcept { return place_.spelling == layerstore::OverlaySpelling::plain; }
    void drop_kept_roots() const { PlainRoots(deltas_).clear(); }
    void prepare_uppers(const RunSpec& spec, const MountSources& sources, const Directory& work) const;
    MountSources find_sources(const RunSpec& spec, const TemporaryDirectory& work) const;
    RunStreams streams_of(const RunSpec& spec, const std::vector<Fd>& fds);
    RunEnd run_once(const RunSpec& spec, const TemporaryDirectory& work, std::vector<Fd> fds);
    RunEnd run_once_without_mounts(const RunSpec& spec, PlainRun& run, std::vector<Fd> fds);
    void answer_end(const RunEnd& end);
    void answer_changes(const RunEnd& end, const TemporaryDirectory& work);
    using WhenKept = std::function<void(const layerstore::TreeDelta&, const DeltaId&)>;
    void keep(const TemporaryDirectory& work, const WhenKept& when_kept);

    Channel& channel_;
    RequestPlace place_;
    DeltaFolder deltas_;
    CacheMounts caches_;
};

void Service::materialise(WireReader& in) {
    DeltaId id{in.digest()};
    std::string hex = id.value.hex();
    MessageReader tar(channel_);
    FileLock held = deltas_.lock(hex, stop());
    if (deltas_.has(id)) {
        drain(tar);
    } else {
        TemporaryDirectory work = deltas_.begin();
        Directory files = work.directory().make_directory(ImagePath().child("files"));
        layerstore::write_upper(tar, files, place_.spelling);
        deltas_.publish(work, "files", id);
    }
    channel_.send(answer_done().bytes());
}

std::string host_resolv_conf() {
    try {
        return Directory::open_host("/etc").read_file(ImagePath().child("resolv.conf"), resolv_conf_limit);
    } catch (const Error&) {
        return {};  // a host without one resolves nothing either
    }
}

MountFeatures mount_features(layerstore::OverlaySpelling spelling) {
    MountFeatures features;
    features.user_namespace = layerstore::uses_user_attributes(spelling);
    struct statfs status {};
    features.cgroup2 = ::statfs("/sys/fs/cgroup", &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
    features.tty_group = is_mapped(own_id_map("gid_map"), tty_group);
    return features;
}

// An empty directory is a layer, too: an overlay needs one.
std::string empty_layer(const TemporaryDirectory& work) {
    constexpr const char* name = "empty";
    if (::mkdirat(work.directory().fd(), name, 0755) < 0 && errno != EEXIST) throw_errno("make directory", name);
    return DeltaFolder::path_of(work) + "/" + name;
}

MountSources Service::find_sources(const RunSpec& spec, const TemporaryDirectory& work) const {
    auto find = [&](const std::vector<DeltaId>& layers) {
        std::vector<std::string> lower = deltas_.stack(layers, stop());
        if (lower.empty()) lower.push_back(empty_layer(work));
        return lower;
    };
    MountSources sources;
    sources.root = find(spec.layers);
    for (const BindMount& bind : spec.binds) sources.binds.push_back(find(bind.layers));
    sources.resolv_conf = resolv_conf_for(host_resolv_conf(), spec.network);
    sources.hosts = hosts_for(spec);
    return sources;
}

// The root directory of an overlay is that of its upper layer: it must look like the one below.
void copy_root(const Directory& from, const Directory& upper, layerstore::OverlaySpelling spelling) {
    struct stat status {};
    if (::fstat(from.fd(), &status) < 0) throw_errno("stat", from.name());
    layerstore::Entry entry = layerstore::entry_of_open(status, from.fd(), spelling);
    entry.xattrs = layerstore::read_xattrs(from.fd(), ImagePath());
    layerstore::dress(upper.fd(), entry, ImagePath(), spelling);
    layerstore::stamp(upper.fd(), entry.mtime, ImagePath());
}

// What a command before left in an upper directory stays; the kernel wants a work directory that nothing used.
void Service::prepare_uppers(const RunSpec& spec, const MountSources& sources, const Directory& work) const {
    auto prepare = [&](const std::string& stage, const std::string& top) {
        const bool is_used = work.status(ImagePath().child("upper-" + stage)).has_value();
        if (is_used) work.remove_tree("work-" + stage);
        work.make_directory(ImagePath().child("work-" + stage));
        if (is_used) return;
        Directory upper = work.make_directory(ImagePath().child("upper-" + stage));
        copy_root(deltas_.directory().open_directory(ImagePath::clean(top), FollowLinks::never), upper,
                  place_.spelling);
    };
    prepare("root", sources.root.front());
    for (std::size_t i = 0; i < spec.binds.size(); ++i)
        if (spec.binds[i].writable) prepare("bind-" + std::to_string(i), sources.binds[i].front());
}

RunStreams Service::streams_of(const RunSpec& spec, const std::vector<Fd>& fds) {
    RunStreams streams;
    if (spec.terminal) {
        streams.when_terminal = [this](Fd other_end) {
            WireWriter word;
            const int number = other_end.get();
            channel_.send(word.byte(static_cast<std::uint8_t>(Answer::terminal)).bytes(), std::span(&number, 1));
        };
    } else if (fds.size() == attached_streams) {
        streams.input = fds[0].get();
        streams.output = fds[1].get();
        streams.error = fds[2].get();
    } else {
        streams.output = streams.error = fds.at(0).get();
    }
    return streams;
}

// Nobody else holds `fds` when a command has ended, or who reads them would wait for their end until the answer is dealt
// with.
RunEnd Service::run_once(const RunSpec& spec, const TemporaryDirectory& work, std::vector<Fd> fds) {
    const FileLock used = deltas_.use(stop());
    const HeldCaches caches = caches_.hold_all(spec.caches, stop());
    const SandboxFolders folders{deltas_.directory().name(), DeltaFolder::path_of(work), stage_name, caches.paths,
                                 place_.spelling};
    const MountSources sources = find_sources(spec, work);
    prepare_uppers(spec, sources, work.directory());
    const MountPlan plan = plan_mounts(spec, sources, mount_features(place_.spelling));
    const RunStreams streams = streams_of(spec, fds);
    const Cgroup cgroup(spec.budget);
    const LaunchOutcome outcome = launch({spec, plan, folders, streams, cgroup, channel_.fd()});
    if (outcome.end.ok()) remove_stubs(open_upper(work), outcome.stubs);
    return outcome.end;
}

RunEnd Service::run_once_without_mounts(const RunSpec& spec, PlainRun& run, std::vector<Fd> fds) {
    const HeldCaches caches = caches_.hold_all(spec.caches, stop());
    const MountSources sources{.binds = std::vector<std::vector<std::string>>(spec.binds.size()),
                               .resolv_conf = resolv_conf_for(host_resolv_conf(), spec.network),
                               .hosts = hosts_for(spec)};
    const MountPlan plan = plan_mounts(spec, sources, {.can_mount = false});
    const RunStreams streams = streams_of(spec, fds);
    const Cgroup cgroup(spec.budget);
    return run.run({spec, plan, caches.paths, streams, cgroup, channel_.fd()});
}

// The first command, and as long as somebody wants to look at what it left, further ones in the same state.
void Service::run(WireReader& in, std::vector<Fd> fds) {
    const bool is_attached = in.byte() != 0;
    const RunSpec spec = decode_spec(in);
    const TemporaryDirectory work = deltas_.begin();
    std::optional<PlainRun> plain;
    if (is_plain()) {
        const FileLock used = deltas_.use(stop());
        plain.emplace(deltas_, work.directory(), spec, stop());
    }
    auto once = [&](const RunSpec& command, std::vector<Fd> streams) {
        if (!plain) return run_once(command, work, std::move(streams));
        const FileLock used = deltas_.use(stop());
        return run_once_without_mounts(command, *plain, std::move(streams));
    };
    const RunEnd end = once(spec, std::move(fds));
    if (is_attached || !end.ok()) {
        answer_end(end);
        while (auto message = channel_.receive()) {
            WireReader again(message->payload, "a request to look at what a command left");
            answer_end(once(decode_spec(again), std::move(message->fds)));
        }
        return;
    }
    if (plain) plain->collect(work.directory().make_directory(ImagePath().child(upper_name)));
    answer_changes(end, work);
    keep(work, [&](const layerstore::TreeDelta& delta, const DeltaId& id) {
        if (plain) plain->keep_root(delta, id);
    });
}

void Service::answer_end(const RunEnd& end) {
    WireWriter answer = answer_done();
    encode_end(answer, end);
    channel_.send(answer.bytes());
}

void Service::answer_changes(const RunEnd& end, const TemporaryDirectory& work) {
    WireWriter answer = answer_done();
    encode_end(answer, end);
    answer.text(layerstore::read_upper(open_upper(work), place_.spelling).encode());
    channel_.send(answer.varint(work_count().hashed).bytes());
}

// The main process looks at the changes and either names what is to be kept, or closes its end.
void Service::keep(const TemporaryDirectory& work, const WhenKept& when_kept) {
    auto message = channel_.receive();
    if (!message) return;
    WireReader in(message->payload, "a request to keep a delta");
    DeltaId id{in.digest()};
    layerstore::TreeDelta delta = layerstore::TreeDelta::decode(in.text());
    layerstore::finish_upper(open_upper(work), delta, place_.spelling);
    {
        FileLock held = deltas_.lock(id.value.hex(), stop());
        deltas_.publish(work, upper_name, id);
    }
    when_kept(delta, id);
    channel_.send(answer_done().bytes());
    deltas_.sweep();  // what it replaced; nobody waits for that
}

// Answers of at most max_message_fds descriptors, each with one byte for every path: is it there.
void Service::open_files(WireReader& in) {
    DeltaId id{in.digest()};
    Directory files = deltas_.open(id);
    std::size_t left = in.count(1);
    do {
        std::vector<Fd> opened;
        std::vector<int> numbers;
        std::string found;
        for (; left > 0 && found.size() < max_message_fds; --left) {
            Fd file = open_regular(files, ImagePath::clean(in.text()));
            found.push_back(file ? 1 : 0);
            if (file) numbers.push_back(file.get());
            opened.push_back(std::move(file));
        }
        WireWriter answer = answer_done();
        channel_.send(answer.text(found).bytes(), numbers);
    } while (left > 0);
}

void Service::remove_delta(WireReader& in) {
    deltas_.remove(DeltaId{in.digest()}, stop());
    channel_.send(answer_done().bytes());
}

void Service::remove_cache(WireReader& in) {
    caches_.remove(std::string(in.text()));
    channel_.send(answer_done().bytes());
}

void Service::changed(WireReader& in) {
    std::vector<DeltaId> asked;
    for (std::size_t left = in.count(Digest::size); left > 0; --left) asked.push_back(DeltaId{in.digest()});
    const std::vector<DeltaId> changed = deltas_.changed(asked, stop());
    WireWriter answer = answer_done();
    answer.varint(changed.size());
    for (const DeltaId& id : changed) answer.digest(id.value);
    channel_.send(answer.bytes());
}

// Roots that an earlier build kept are waited for: this one makes its own at their place.
void Service::sweep() {
    if (is_plain()) {
        drop_kept_roots();
        channel_.send(answer_done().bytes());
    }
    deltas_.sweep();
}

void Service::drop_roots() {
    drop_kept_roots();
    channel_.send(answer_done().bytes());
}

void Service::check(WireReader& in) {
    const DeltaId id{in.digest()};
    const layerstore::TreeDelta record = layerstore::TreeDelta::decode(in.text());
    const std::vector<std::string> faults = layerstore::check_upper(deltas_.open(id), record, place_.spelling);
    WireWriter answer = answer_done();
    answer.varint(faults.size());
    for (const std::string& fault : faults) answer.text(fault);
    channel_.send(answer.bytes());
}

void answer_request(Channel& channel) {
    auto message = channel.receive();
    if (!message) return;
    WireReader in(message->payload, "a request to the sandbox helper");
    auto kind = static_cast<Request>(in.byte());
    RequestPlace place = RequestPlace::decode(in);
    Service service(channel, place);
    switch (kind) {
        case Request::materialise: return service.materialise(in);
        case Request::run: return service.run(in, std::move(message->fds));
        case Request::open_files: return service.open_files(in);
        case Request::remove_delta: return service.remove_delta(in);
        case Request::remove_cache: return service.remove_cache(in);
        case Request::changed: return service.changed(in);
        case Request::check: return service.check(in);
        case Request::sweep: return service.sweep();
        case Request::drop_roots: return service.drop_roots();
    }
}

}  // namespace

void RequestPlace::encode(WireWriter& out) const {
    out.text(store).text(spelling_name).byte(static_cast<std::uint8_t>(spelling));
}

RequestPlace RequestPlace::decode(WireReader& in) {
    RequestPlace place;
    place.store = in.text();
    place.spelling_name = in.text();
    place.spelling = static_cast<layerstore::OverlaySpelling>(in.byte());
    return place;
}

void serve_request(Channel& channel) noexcept {
    auto answer_error = [&](const Error& error) {
        try {
            WireWriter out;
            encode_error(out.byte(static_cast<std::uint8_t>(Answer::error)), error);
            channel.send(out.bytes());
        } catch (const std::exception&) {
            // Nobody is left to tell.
        }
    };
    try {
        answer_request(channel);
    } catch (const Error& error) {
        answer_error(error);
    } catch (const std::exception& error) {
        answer_error(Error(ErrorKind::internal, std::string("sandbox: ") + error.what()));
    }
}

}  // namespace imgbuild::builder
