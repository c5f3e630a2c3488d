// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/wire_spec.h"

namespace imgbuild::builder {
namespace {

template <class Items, class Each>
void encode_list(WireWriter& out, const Items& items, Each each) {
    out.varint(items.size());
    for (const auto& item : items) each(item);
}

template <class Item, class Each>
void decode_list(WireReader& in, std::vector<Item>& items, Each each) {
    for (std::size_t count = in.count(1); count > 0; --count) items.push_back(each());
}

ImagePath path_of(WireReader& in) { return ImagePath::clean(in.text()); }
std::string text_of(WireReader& in) { return std::string(in.text()); }
std::uint32_t number_of(WireReader& in) { return static_cast<std::uint32_t>(in.varint()); }

void encode_layers(WireWriter& out, const std::vector<DeltaId>& layers) {
    encode_list(out, layers, [&](const DeltaId& id) { out.digest(id.value); });
}
void decode_layers(WireReader& in, std::vector<DeltaId>& layers) {
    decode_list(in, layers, [&] { return DeltaId{in.digest()}; });
}

template <class Mount>
void encode_owner(WireWriter& out, const Mount& mount) {
    out.varint(mount.mode).varint(mount.uid).varint(mount.gid);
}
template <class Mount>
void decode_owner(WireReader& in, Mount& mount) {
    mount.mode = static_cast<std::uint16_t>(in.varint());
    mount.uid = number_of(in);
    mount.gid = number_of(in);
}

void encode_mounts(WireWriter& out, const RunSpec& spec) {
    encode_list(out, spec.binds, [&](const BindMount& mount) {
        out.text(mount.target.bytes()).text(mount.source.bytes()).byte(mount.writable);
        encode_layers(out, mount.layers);
    });
    encode_list(out, spec.caches, [&](const CacheMount& mount) {
        out.text(mount.target.bytes()).text(mount.id).text(mount.source.bytes());
        out.byte(static_cast<std::uint8_t>(mount.sharing)).byte(mount.read_only);
        encode_owner(out, mount);
        encode_layers(out, mount.from);
        out.text(mount.from_source.bytes());
    });
    encode_list(out, spec.tmpfs, [&](const TmpfsMount& mount) { out.text(mount.target.bytes()).varint(mount.size); });
    encode_list(out, spec.secrets, [&](const SecretMount& mount) {
        out.text(mount.target.bytes()).text(mount.content);
        encode_owner(out, mount);
    });
    encode_list(out, spec.sockets, [&](const SocketMount& mount) {
        out.text(mount.target.bytes()).text(mount.host_path);
        encode_owner(out, mount);
    });
    encode_list(out, spec.scripts, [&](const auto& script) { out.text(script.first.bytes()).text(script.second); });
}

// Members are initialised, and thus read, in the order in which they stand.
void decode_mounts(WireReader& in, RunSpec& spec) {
    decode_list(in, spec.binds, [&] {
        BindMount mount{.target = path_of(in), .layers = {}, .source = path_of(in), .writable = in.byte() != 0};
        decode_layers(in, mount.layers);
        return mount;
    });
    decode_list(in, spec.caches, [&] {
        CacheMount mount{.target = path_of(in), .id = text_of(in), .source = path_of(in)};
        mount.sharing = static_cast<CacheSharing>(in.byte());
        mount.read_only = in.byte() != 0;
        decode_owner(in, mount);
        decode_layers(in, mount.from);
        mount.from_source = path_of(in);
        return mount;
    });
    decode_list(in, spec.tmpfs, [&] { return TmpfsMount{.target = path_of(in), .size = in.varint()}; });
    decode_list(in, spec.secrets, [&] {
        SecretMount mount{.target = path_of(in), .content = text_of(in)};
        decode_owner(in, mount);
        return mount;
    });
    decode_list(in, spec.sockets, [&] {
        SocketMount mount{.target = path_of(in), .host_path = text_of(in)};
        decode_owner(in, mount);
        return mount;
    });
    decode_list(in, spec.scripts, [&] {
        ImagePath path = path_of(in);
        return std::pair(std::move(path), text_of(in));
    });
}

void encode_budget(WireWriter& out, const ResourceBudget& budget) {
    out.varint(budget.memory).byte(budget.memory_and_swap.has_value()).varint(budget.memory_and_swap.value_or(0));
    out.varint(budget.cpu_quota).varint(budget.cpu_period).varint(budget.cpu_shares);
    out.text(budget.processors).text(budget.memory_nodes).varint(budget.processes).text(budget.parent);
}

ResourceBudget decode_budget(WireReader& in) {
    ResourceBudget budget;
    budget.memory = in.varint();
    const bool has_swap = in.byte() != 0;
    const std::uint64_t swap = in.varint();
    if (has_swap) budget.memory_and_swap = swap;
    budget.cpu_quota = in.varint();
    budget.cpu_period = in.varint();
    budget.cpu_shares = in.varint();
    budget.processors = text_of(in);
    budget.memory_nodes = text_of(in);
    budget.processes = in.varint();
    budget.parent = text_of(in);
    return budget;
}

void encode_uplink(WireWriter& out, const Uplink& uplink) {
    encode_list(out, uplink.programs, [&](const UplinkProgram& program) {
        out.byte(static_cast<std::uint8_t>(program.kind)).text(program.path);
    });
    out.byte(uplink.has_ipv6);
}

Uplink decode_uplink(WireReader& in) {
    Uplink uplink;
    decode_list(in, uplink.programs,
                [&] { return UplinkProgram{.kind = static_cast<UplinkKind>(in.byte()), .path = text_of(in)}; });
    uplink.has_ipv6 = in.byte() != 0;
    return uplink;
}

void encode_terminal(WireWriter& out, const std::optional<TerminalSize>& terminal) {
    out.byte(terminal.has_value());
    if (terminal) out.varint(terminal->rows).varint(terminal->columns);
}

std::optional<TerminalSize> decode_terminal(WireReader& in) {
    if (in.byte() == 0) return std::nullopt;
    TerminalSize size;
    size.rows = static_cast<std::uint16_t>(in.varint());
    size.columns = static_cast<std::uint16_t>(in.varint());
    return size;
}

}  // namespace

void encode_spec(WireWriter& out, const RunSpec& spec) {
    encode_layers(out, spec.layers);
    encode_list(out, spec.arguments, [&](const std::string& argument) { out.text(argument); });
    encode_list(out, spec.stand_ins, [&](const std::string& program) { out.text(program); });
    encode_list(out, spec.environment, [&](const std::string& variable) { out.text(variable); });
    out.text(spec.working_directory.bytes());
    out.varint(spec.credentials.uid).varint(spec.credentials.gid);
    encode_list(out, spec.credentials.groups, [&](std::uint32_t group) { out.varint(group); });
    out.byte(static_cast<std::uint8_t>(spec.network)).byte(static_cast<std::uint8_t>(spec.security));
    out.byte(spec.own_processes).text(spec.hostname).varint(spec.shm_size);
    encode_list(out, spec.added_hosts, [&](const auto& host) { out.text(host.first).text(host.second); });
    encode_list(out, spec.limits,
                [&](const ResourceLimit& limit) { out.text(limit.name).varint(limit.soft).varint(limit.hard); });
    encode_uplink(out, spec.uplink);
    encode_budget(out, spec.budget);
    out.varint(spec.timeout_milliseconds);
    encode_terminal(out, spec.terminal);
    encode_mounts(out, spec);
}

RunSpec decode_spec(WireReader& in) {
    RunSpec spec;
    decode_layers(in, spec.layers);
    decode_list(in, spec.arguments, [&] { return text_of(in); });
    decode_list(in, spec.stand_ins, [&] { return text_of(in); });
    decode_list(in, spec.environment, [&] { return text_of(in); });
    spec.working_directory = path_of(in);
    spec.credentials.uid = number_of(in);
    spec.credentials.gid = number_of(in);
    decode_list(in, spec.credentials.groups, [&] { return number_of(in); });
    spec.network = static_cast<NetworkMode>(in.byte());
    spec.security = static_cast<SecurityMode>(in.byte());
    spec.own_processes = in.byte() != 0;
    spec.hostname = text_of(in);
    spec.shm_size = in.varint();
    decode_list(in, spec.added_hosts, [&] {
        std::string name = text_of(in);
        return std::pair(std::move(name), text_of(in));
    });
    decode_list(in, spec.limits,
                [&] { return ResourceLimit{.name = text_of(in), .soft = in.varint(), .hard = in.varint()}; });
    spec.uplink = decode_uplink(in);
    spec.budget = decode_budget(in);
    spec.timeout_milliseconds = in.varint();
    spec.terminal = decode_terminal(in);
    decode_mounts(in, spec);
    return spec;
}

void encode_error(WireWriter& out, const Error& error) {
    out.byte(static_cast<std::uint8_t>(error.kind())).text(error.message()).text(error.hint());
    encode_list(out, error.frames(), [&](const std::string& frame) { out.text(frame); });
}

Error decode_error(WireReader& in) {
    auto kind = static_cast<ErrorKind>(in.byte());
    std::string message = text_of(in);
    Error error(kind, std::move(message), text_of(in));
    for (std::size_t count = in.count(1); count > 0; --count) error.add_frame(text_of(in));
    return error;
}

void encode_status(WireWriter& out, const ExitStatus& status) {
    out.varint(static_cast<std::uint64_t>(status.code)).varint(static_cast<std::uint64_t>(status.signal));
}

ExitStatus decode_status(WireReader& in) {
    ExitStatus status;
    status.code = static_cast<int>(in.varint());
    status.signal = static_cast<int>(in.varint());
    return status;
}

void encode_end(WireWriter& out, const RunEnd& end) {
    encode_status(out, end.status);
    out.byte(static_cast<std::uint8_t>(end.cause));
    encode_list(out, end.not_enforced, [&](const std::string& what) { out.text(what); });
}

RunEnd decode_end(WireReader& in) {
    RunEnd end;
    end.status = decode_status(in);
    end.cause = static_cast<EndCause>(in.byte());
    decode_list(in, end.not_enforced, [&] { return text_of(in); });
    return end;
}

}  // namespace imgbuild::builder
