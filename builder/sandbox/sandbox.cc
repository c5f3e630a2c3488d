// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <optional>

#include "base/cancel.h"
#include "base/error.h"
#include "base/work_count.h"
#include "builder/sandbox/delta_folder.h"
#include "builder/sandbox/helper.h"
#include "builder/sandbox/id_maps.h"
#include "builder/sandbox/network/uplink.h"
#include "builder/sandbox/requests.h"
#include "builder/sandbox/wire_spec.h"
#include "layerstore/snapshot/trust.h"

namespace imgbuild::builder {
namespace {

constexpr int stop_milliseconds = 5000;

// False when the user asked to stop before the helper said anything.
bool wait_for_answer(const Channel& channel, int timeout_milliseconds, bool watch_cancel) {
    std::array<pollfd, 2> events{pollfd{channel.fd(), POLLIN, 0}, pollfd{watch_cancel ? cancel_fd() : -1, POLLIN, 0}};
    while (::poll(events.data(), events.size(), timeout_milliseconds) < 0)
        if (errno != EINTR) throw_errno("wait for", "the sandbox helper");
    return events[0].revents != 0;
}

[[noreturn]] void helper_died() {
    throw Error(ErrorKind::unavailable, "sandbox: the process that served this request was killed",
                "if the kernel killed it for want of memory, dmesg says so");
}

// Tells the helper to stop and waits until it has cleaned up, which the end of the connection says.
[[noreturn]] void stop_request(Channel& channel) {
    channel.finish_sending();
    try {
        while (wait_for_answer(channel, stop_milliseconds, false) && channel.receive()) {
        }
    } catch (const Error&) {
        // It was killed: that is an end, too.
    }
    throw_if_cancelled();
    throw Error(ErrorKind::interrupted, "sandbox: stopped");
}

// The answer's message, past its first byte in `in`; an Error in it is thrown. A wish to stop reaches the helper,
// which kills and cleans up before it answers.
Message receive_answer(Channel& channel) {
    if (!wait_for_answer(channel, -1, true)) {
        stop_request(channel);
    }
    auto message = channel.receive();
    if (!message) helper_died();
    WireReader in(message->payload, "the helper's answer");
    if (static_cast<Answer>(in.byte()) == Answer::error) throw decode_error(in);
    return std::move(*message);
}

// False when the other side stopped reading: its answer says why.
bool try_send(Channel& channel, std::span<const std::byte> bytes) {
    try {
        channel.send(as_text(bytes));
        return true;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::unavailable) throw;
        return false;
    }
}

// The end of a command that somebody talks to; its request is sent.
RunEnd receive_attached_end(Channel& channel, const Attachment& attachment) {
    for (;;) {
        Message answer = receive_answer(channel);
        WireReader in(answer.payload, "the helper's answer");
        if (static_cast<Answer>(in.byte()) != Answer::terminal) return decode_end(in);
        attachment.when_terminal(std::move(answer.fds.at(0)));
    }
}

void send_attached(Channel& channel, const WireWriter& request, const RunSpec& spec, const Attachment& attachment) {
    const std::array<int, 3> streams{attachment.input.get(), attachment.output.get(), attachment.error.get()};
    channel.send(request.bytes(), spec.terminal ? std::span<const int>() : std::span<const int>(streams));
}

WireReader answer_body(const Message& message) {
    return WireReader(std::string_view(message.payload).substr(1), "the helper's answer");
}

// What this machine makes of what a command asks for.
class Adaptation {
  public:
    explicit Adaptation(const Rung& rung)
        : may_be_own_(rung.mode != RootMode::chroot), own_processes_(!rung.shares_processes) {}

    /// `spec` as the helper gets it.
    RunSpec adapt(RunSpec spec) {
        spec.own_processes = own_processes_;
        if (spec.network != NetworkMode::standard) return spec;
        const Uplink uplink = may_be_own_ ? search().uplink : Uplink();
        spec.network = uplink.programs.empty() ? NetworkMode::host : NetworkMode::own;
        spec.uplink = uplink;
        return spec;
    }
    /// Adds to `end` that a command which asked for nothing special was in the host's network after all.
    void note(NetworkMode asked, RunEnd& end) {
        if (asked != NetworkMode::standard || !may_be_own_ || search().missing.empty()) return;
        end.not_enforced.push_back("commands use this machine's own network, services on its loopback included: " +
                                   search().missing);
    }

  private:
    const UplinkSearch& search() {
        const std::lock_guard guard(mutex_);
        if (!search_) search_ = find_uplink();
        return *search_;
    }

    bool may_be_own_;  ///< the network
    bool own_processes_;
    std::mutex mutex_;
    std::optional<UplinkSearch> search_;
};

class HelperRunResult final : public RunResult {
  public:
    HelperRunResult(Channel channel, WireReader& in, NetworkMode asked, Adaptation& adaptation)
        : channel_(std::move(channel)), adaptation_(adaptation) {
        end_ = decode_end(in);
        adaptation_.note(asked, end_);
        if (!end_.ok()) return;
        changes_ = layerstore::TreeDelta::decode(in.text());
        count_work(Work::hash, in.varint());
    }

    void keep(const layerstore::TreeDelta& delta, const DeltaId& id) override {
        WireWriter out;
        channel_.send(out.digest(id.value).text(delta.encode()).bytes());
        receive_answer(channel_);
    }

    RunEnd run_attached(const RunSpec& spec, const Attachment& attachment) override {
        WireWriter out;
        encode_spec(out, adaptation_.adapt(spec));
        send_attached(channel_, out, spec, attachment);
        return receive_attached_end(channel_, attachment);
    }

  private:
    Channel channel_;  // when it closes, the helper discards what was not kept
    Adaptation& adaptation_;
};

using layerstore::OverlaySpelling;

OverlaySpelling spelling_on(RootMode mode, bool initial_namespace) {
    switch (mode) {
        case RootMode::root: return initial_namespace ? OverlaySpelling::trusted : OverlaySpelling::user;
        case RootMode::userns: return OverlaySpelling::user;
        case RootMode::single: return OverlaySpelling::single;
        case RootMode::chroot: return OverlaySpelling::plain;
        case RootMode::emulated: break;
    }
    throw Error(ErrorKind::unsupported, "sandbox: nothing is materialised without any privilege");
}

std::string name_of_spelling(OverlaySpelling spelling) {
    switch (spelling) {
        case OverlaySpelling::trusted: return "root";
        case OverlaySpelling::user: return "user";
        case OverlaySpelling::single: return "single";
        case OverlaySpelling::plain: break;
    }
    return "plain";
}

class HelperSandbox final : public Sandbox {
  public:
    HelperSandbox(Rung rung, const std::string& store) : rung_(std::move(rung)), adaptation_(rung_) {
        place_.store = store;
        const bool initial = in_initial_user_namespace();
        place_.spelling = spelling_on(rung_.mode, initial);
        // Where the ids on the disk are those of this machine, and every store has one owner, nothing else tells.
        const bool is_plain_name = initial && rung_.mode != RootMode::userns;
        place_.spelling_name = name_of_spelling(place_.spelling) + (is_plain_name ? "" : "-" + map_digest());
    }
    ~HelperSandbox() override { drop_roots(); }

    const std::string& spelling() const override { return place_.spelling_name; }
    bool has(const DeltaId& delta) override;
    void materialise(const DeltaId& delta, ByteReader& canonical_tar) override;
    std::unique_ptr<RunResult> run(const RunSpec& spec, const Fd& log) override;
    RunEnd run_attached(const RunSpec& spec, const Attachment& attachment) override;
    std::vector<Fd> open_files(const DeltaId& delta, std::span<const ImagePath> paths) override;
    std::vector<DeltaId> changed(std::span<const DeltaId> deltas) override;
    std::vector<std::string> check(const DeltaId& delta, const layerstore::TreeDelta& record) override;
    void remove(const DeltaId& delta) override;
    void remove_cache_mount(const std::string& id) override;

  private:
    std::string map_digest() const;
    Helper& helper();
    WireWriter begin(Request kind) const;
    Channel ask(const WireWriter& request, std::span<const int> fds = {});
    bool files_are_ours() const { return rung_.mode == RootMode::root || rung_.mode == RootMode::chroot; }
    void drop_roots() noexcept;
    std::vector<Fd> open_ourselves(const DeltaId& delta, std::span<const ImagePath> paths) const;

    Rung rung_;
    Adaptation adaptation_;
    RequestPlace place_;
    std::mutex mutex_;
    std::optional<Helper> helper_;
};

std::string HelperSandbox::map_digest() const {
    KeyHasher key("id maps");
    const bool nested = rung_.mode != RootMode::userns;
    for (bool users : {true, false}) {
        auto ranges = nested ? own_id_map(users ? "uid_map" : "gid_map") : users ? rung_.uid_map : rung_.gid_map;
        for (const IdRange& range : ranges)
            key.add("inside", range.inside).add("outside", range.outside).add("count", range.count);
    }
    return key.finish().hex().substr(0, 16);
}

// What killed processes left is taken away beside the first request, not before it: a large delta takes seconds.
Helper& HelperSandbox::helper() {
    std::lock_guard guard(mutex_);
    if (!helper_) {
        helper_.emplace(rung_);
        Channel channel = helper_->connect();
        channel.send(begin(Request::sweep).bytes());
        if (place_.spelling == OverlaySpelling::plain) receive_answer(channel);
    }
    return *helper_;
}

WireWriter HelperSandbox::begin(Request kind) const {
    WireWriter out;
    place_.encode(out.byte(static_cast<std::uint8_t>(kind)));
    return out;
}

Channel HelperSandbox::ask(const WireWriter& request, std::span<const int> fds) {
    throw_if_cancelled();
    Channel channel = helper().connect();
    channel.send(request.bytes(), fds);
    return channel;
}

bool HelperSandbox::has(const DeltaId& delta) {
    try {
        Directory deltas = Directory::open_host(place_.store + "/deltas");
        Directory folder = deltas.open_directory(ImagePath().child(place_.spelling_name), FollowLinks::never);
        return layerstore::is_trusted(deltas, folder, delta.value.hex());
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return false;  // nothing was ever materialised here
    }
}

void HelperSandbox::materialise(const DeltaId& delta, ByteReader& canonical_tar) {
    WireWriter request = begin(Request::materialise);
    Channel channel = ask(request.digest(delta.value));
    std::vector<std::byte> block(stream_block);
    for (bool more = true; more;) {
        throw_if_cancelled();
        std::size_t count = canonical_tar.read(block);
        bool sent = try_send(channel, std::span<const std::byte>(block).first(count));
        more = count > 0 && sent;
    }
    receive_answer(channel);
}

std::unique_ptr<RunResult> HelperSandbox::run(const RunSpec& spec, const Fd& log) {
    WireWriter request = begin(Request::run);
    encode_spec(request.byte(0), adaptation_.adapt(spec));
    int number = log.get();
    Channel channel = ask(request, std::span(&number, 1));
    Message answer = receive_answer(channel);
    WireReader in = answer_body(answer);
    return std::make_unique<HelperRunResult>(std::move(channel), in, spec.network, adaptation_);
}

RunEnd HelperSandbox::run_attached(const RunSpec& spec, const Attachment& attachment) {
    throw_if_cancelled();
    Channel channel = helper().connect();
    WireWriter request = begin(Request::run);
    encode_spec(request.byte(1), adaptation_.adapt(spec));
    send_attached(channel, request, spec, attachment);
    return receive_attached_end(channel, attachment);
}

std::vector<Fd> HelperSandbox::open_ourselves(const DeltaId& delta, std::span<const ImagePath> paths) const {
    std::string name = place_.store + "/deltas/" + place_.spelling_name + "/" + delta.value.hex() + "/files";
    Directory files = Directory::open_host(name);
    std::vector<Fd> opened;
    for (const ImagePath& path : paths) opened.push_back(open_regular(files, path));
    return opened;
}

std::vector<Fd> HelperSandbox::open_files(const DeltaId& delta, std::span<const ImagePath> paths) {
    if (files_are_ours()) return open_ourselves(delta, paths);
    std::vector<Fd> opened;
    if (paths.empty()) return opened;
    WireWriter request = begin(Request::open_files);
    request.digest(delta.value).varint(paths.size());
    for (const ImagePath& path : paths) request.text(path.bytes());
    Channel channel = ask(request);
    while (opened.size() < paths.size()) {
        Message answer = receive_answer(channel);
        WireReader in = answer_body(answer);
        auto next = answer.fds.begin();
        for (char found : in.text()) opened.push_back(found != 0 ? std::move(*next++) : Fd());
    }
    return opened;
}

std::vector<DeltaId> HelperSandbox::changed(std::span<const DeltaId> deltas) {
    if (deltas.empty()) return {};
    if (files_are_ours())
        return DeltaFolder(place_.store, place_.spelling_name, place_.spelling).changed(deltas, throw_if_cancelled);
    WireWriter request = begin(Request::changed);
    request.varint(deltas.size());
    for (const DeltaId& id : deltas) request.digest(id.value);
    Channel channel = ask(request);
    Message answer = receive_answer(channel);
    WireReader in = answer_body(answer);
    std::vector<DeltaId> changed;
    for (std::size_t left = in.count(Digest::size); left > 0; --left) changed.push_back(DeltaId{in.digest()});
    return changed;
}

std::vector<std::string> HelperSandbox::check(const DeltaId& delta, const layerstore::TreeDelta& record) {
    WireWriter request = begin(Request::check);
    Channel channel = ask(request.digest(delta.value).text(record.encode()));
    Message answer = receive_answer(channel);
    WireReader in = answer_body(answer);
    std::vector<std::string> faults;
    for (std::size_t left = in.count(1); left > 0; --left) faults.emplace_back(in.text());
    return faults;
}

// What commands without mounts worked in is of no use to the next build.
void HelperSandbox::drop_roots() noexcept {
    if (place_.spelling != OverlaySpelling::plain || !helper_) return;
    try {
        Channel channel = helper_->connect();
        channel.send(begin(Request::drop_roots).bytes());
        wait_for_answer(channel, stop_milliseconds, false);
    } catch (const Error&) {
        // The next build sweeps them.
    }
}

void HelperSandbox::remove(const DeltaId& delta) {
    WireWriter request = begin(Request::remove_delta);
    Channel channel = ask(request.digest(delta.value));
    receive_answer(channel);
}

void HelperSandbox::remove_cache_mount(const std::string& id) {
    WireWriter request = begin(Request::remove_cache);
    Channel channel = ask(request.text(id));
    receive_answer(channel);
}

}  // namespace

std::unique_ptr<Sandbox> make_sandbox(const Rung& rung, const std::string& store_path) {
    return std::make_unique<HelperSandbox>(rung, store_path);
}

}  // namespace imgbuild::builder
