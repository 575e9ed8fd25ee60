// SPDX-License-Identifier: Apache-2.0
#include "kernel/listing.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/hex.hpp"
#include "kernel/bpf.hpp"

namespace skep::kernel {

namespace {

struct FuncInfo {
    uint32_t insn;
    uint32_t type;
};

/// The kernel keeps 15 characters of a name; BTF has the function's.
std::string whole_name(int fd, const bpf_prog_info& info, TypeNames& names) {
    const std::string name = info.name;
    if (info.btf_id == 0 || info.nr_func_info == 0) return name;
    FuncInfo first{};
    bpf_prog_info ask{};
    ask.nr_func_info = 1;
    ask.func_info_rec_size = sizeof first;
    ask.func_info = reinterpret_cast<uint64_t>(&first);
    if (!object_info(fd, &ask, sizeof ask)) return name;
    const std::string whole = names.name(info.btf_id, first.type);
    return whole.starts_with(name) ? whole : name;
}

ProgRow prog_row(int fd, const bpf_prog_info& info, TypeNames& names) {
    ProgRow row;
    row.id = info.id;
    row.type = ProgType{info.type};
    row.name = whole_name(fd, info, names);
    row.tag = to_hex(ByteView(info.tag, sizeof info.tag));
    row.target = names.name(info.attach_btf_obj_id, info.attach_btf_id);
    row.uid = info.created_by_uid;
    row.loaded_ns = info.load_time;
    row.gpl = info.gpl_compatible;
    row.insns = info.xlated_prog_len / 8;
    row.jited_bytes = info.jited_prog_len;
    row.btf_id = info.btf_id;
    row.runs = info.run_cnt;
    row.run_ns = info.run_time_ns;
    row.misses = info.recursion_misses;
    if (auto maps = prog_map_ids(fd)) row.maps = std::move(*maps);
    return row;
}

MapRow map_row(const bpf_map_info& info) {
    MapRow row;
    row.id = info.id;
    row.type = MapType{info.type};
    row.name = info.name;
    row.key_size = info.key_size;
    row.value_size = info.value_size;
    row.max_entries = info.max_entries;
    row.flags = info.map_flags;
    row.btf_id = info.btf_id;
    return row;
}

/// Calls visit(fd) for each object. One that this user may not open is counted, one that has gone
/// is not.
template <typename Visit>
Result<void> each_object(ObjectKind kind, Listing& out, const Visit& visit) {
    size_t closed = 0;
    for (const uint32_t id : SKEP_TRY(all_ids(kind))) {
        const auto fd = fd_by_id(kind, id, kind == ObjectKind::Map ? BPF_F_RDONLY : 0);
        if (fd)
            visit(fd->get());
        else if (fd.error().sys_errno != ENOENT && fd.error().sys_errno != EAGAIN)  // not yet
            closed++;
    }
    if (closed != 0)
        out.unseen.push_back(
            fmt::format("{} {}s that this user may not open", closed, to_string(kind)));
    return {};
}

template <typename Row>
Row* find(std::vector<Row>& rows, uint32_t id) {
    const auto row = std::ranges::find(rows, id, &Row::id);
    return row == rows.end() ? nullptr : &*row;
}

void put_links(Listing& out, const std::map<uint64_t, std::string>& groups) {
    const auto put = [&](int fd) {
        const auto info = link_info(fd);
        if (!info) return;
        ProgRow* prog = find(out.progs, info->prog_id);
        LinkRow row;
        row.id = info->id;
        row.type = LinkType{info->type};
        row.prog_id = info->prog_id;
        row.at = describe_link(fd, *info, prog ? prog->target : "", groups);
        if (prog) prog->attached.push_back(row.at);
        out.links.push_back(std::move(row));
    };
    // Kernels before 5.8 have no ids of links: their programs are found at the hooks.
    if (const auto done = each_object(ObjectKind::Link, out, put); !done)
        out.unseen.push_back("links: " + done.error().message);
}

/// A program at a hook that no link accounts for.
void put_hooked(Listing& out, const Hooked& hooked) {
    ProgRow* prog = find(out.progs, hooked.prog_id);
    if (!prog) return;
    const auto same = [&](const Attachment& known) {
        if (hooked.at.link_id != 0) return known.link_id == hooked.at.link_id;
        if (known.hook == "perf_event" && known.target.empty()) return true;
        const std::string_view hook = hooked.at.hook;
        const bool xdp = hook.starts_with("xdp") && known.hook.starts_with("xdp");
        const bool netns = hooked.at.target == "this network namespace";
        return (xdp || known.hook == hook) && (netns || known.target == hooked.at.target);
    };
    if (const auto known = std::ranges::find_if(prog->attached, same);
        known == prog->attached.end())
        prog->attached.push_back(hooked.at);
    else if (known->hook == "xdp")
        known->hook = hooked.at.hook;  // with its mode
    else if (known->target.empty())    // before Linux 6.6, links do not tell
        known->hook = hooked.at.hook, known->target = hooked.at.target;
}

template <typename Rows, typename Table, typename Member>
void put_all(Rows& rows, const Table& table, Member member) {
    for (const auto& [id, items] : table)
        if (auto* row = find(rows, id)) row->*member = items;
}

/// Programs that listen to, parse or judge what goes through a map of sockets.
std::vector<Hooked> find_sockmap_hooks(int fd, const MapRow& map) {
    std::vector<Hooked> out;
    for (const AttachType type : {AttachType::SkMsgVerdict, AttachType::SkSkbStreamParser,
                                  AttachType::SkSkbStreamVerdict, AttachType::SkSkbVerdict})
        if (const auto attached = prog_query(static_cast<uint32_t>(fd), type))
            for (const uint32_t id : attached->prog_ids)
                out.push_back({id,
                               {std::string(to_string(type)),
                                fmt::format("{} (map {})", map.name, map.id), 0, map.id}});
    return out;
}

}  // namespace

Result<Listing> list_objects() {
    Listing out;
    TypeNames names;
    SKEP_TRY(each_object(ObjectKind::Prog, out, [&](int fd) {
        if (const auto info = prog_info(fd)) out.progs.push_back(prog_row(fd, *info, names));
    }));
    std::vector<Hooked> hooked;
    SKEP_TRY(each_object(ObjectKind::Map, out, [&](int fd) {
        const auto info = map_info(fd);
        if (!info) return;
        out.maps.push_back(map_row(*info));
        const MapType type = out.maps.back().type;
        if (type == MapType::Sockmap || type == MapType::Sockhash)
            std::ranges::move(find_sockmap_hooks(fd, out.maps.back()), std::back_inserter(hooked));
    }));
    const std::map<uint64_t, std::string> groups = find_cgroups();
    put_links(out, groups);

    std::ranges::move(find_interface_hooks(), std::back_inserter(hooked));
    std::ranges::move(find_namespace_hooks(), std::back_inserter(hooked));
    std::ranges::move(find_cgroup_hooks(groups), std::back_inserter(hooked));
    Holders holders = find_holders();
    for (const Holders::PerfEvent& event : holders.perf_events)
        hooked.push_back({event.prog_id, event.at});
    for (const Hooked& one : hooked) put_hooked(out, one);
    if (holders.hidden_processes != 0)
        out.unseen.push_back(
            fmt::format("what {} processes of other users hold", holders.hidden_processes));

    put_all(out.progs, holders.progs, &ProgRow::holders);
    put_all(out.links, holders.links, &LinkRow::holders);
    put_all(out.maps, holders.maps, &MapRow::holders);
    const Pins pins = find_pins();
    put_all(out.progs, pins.progs, &ProgRow::pins);
    put_all(out.links, pins.links, &LinkRow::pins);
    put_all(out.maps, pins.maps, &MapRow::pins);
    for (const ProgRow& prog : out.progs)
        for (const uint32_t id : prog.maps)
            if (MapRow* map = find(out.maps, id)) map->progs.push_back(prog.id);
    return out;
}

}  // namespace skep::kernel
