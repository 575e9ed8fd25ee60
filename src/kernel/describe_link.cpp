// SPDX-License-Identifier: Apache-2.0
#include <linux/netfilter.h>

#include <array>

#include "kernel/bpf.hpp"
#include "kernel/listing.hpp"
#include "kernel/running.hpp"

namespace skep::kernel {

std::shared_ptr<const btf::Btf> TypeNames::types(uint32_t btf_id) {
    if (btf_id == 0) return nullptr;
    const auto [slot, fresh] = read_.try_emplace(btf_id);
    if (!fresh) return slot->second;
    const auto fd = fd_by_id(ObjectKind::Btf, btf_id);
    if (!fd) return nullptr;
    std::array<char, 64> name{};
    bpf_btf_info info{};
    info.name = reinterpret_cast<uint64_t>(name.data());
    info.name_len = name.size();
    if (!object_info(fd->get(), &info, sizeof info)) return nullptr;
    if (info.kernel_btf && std::string_view(name.data()) == "vmlinux")
        return slot->second = running_types();
    auto bytes = btf_bytes(fd->get());
    if (!bytes) return nullptr;
    auto parsed = btf::Btf::parse(std::move(*bytes), info.kernel_btf ? running_types() : nullptr);
    return slot->second = parsed ? *parsed : nullptr;
}

std::string TypeNames::name(uint32_t btf_id, uint32_t type_id) {
    const auto btf = types(btf_id);
    return btf && type_id != 0 ? std::string(btf->type(type_id).name()) : std::string();
}

namespace {

/// Asks once more, with room for one string. `set` puts pointer and length into the union.
template <typename Set>
std::string link_string(int fd, const Set& set) {
    std::array<char, 1024> text{};
    LinkInfo info{};
    set(info, reinterpret_cast<uint64_t>(text.data()), static_cast<uint32_t>(text.size()));
    if (!object_info(fd, &info, sizeof info)) return {};
    return text.data();
}

Attachment describe_perf_event(int fd, const LinkInfo& info) {
    const auto& event = info.perf_event;
    switch (PerfEventType{event.type}) {
        case PerfEventType::Uprobe:
        case PerfEventType::Uretprobe: {
            const std::string file =
                link_string(fd, [](LinkInfo& ask, uint64_t at, uint32_t length) {
                    ask.perf_event.uprobe.file_name = at;
                    ask.perf_event.uprobe.name_len = length;
                });
            return {PerfEventType{event.type} == PerfEventType::Uprobe ? "uprobe" : "uretprobe",
                    fmt::format("{}+0x{:x}", file, event.uprobe.offset), info.id};
        }
        case PerfEventType::Kprobe:
        case PerfEventType::Kretprobe: {
            const std::string function =
                link_string(fd, [](LinkInfo& ask, uint64_t at, uint32_t length) {
                    ask.perf_event.kprobe.func_name = at;
                    ask.perf_event.kprobe.name_len = length;
                });
            return {PerfEventType{event.type} == PerfEventType::Kprobe ? "kprobe" : "kretprobe",
                    event.kprobe.offset ? fmt::format("{}+0x{:x}", function, event.kprobe.offset)
                                        : function,
                    info.id};
        }
        case PerfEventType::Tracepoint:
            return {"tracepoint",
                    link_string(fd,
                                [](LinkInfo& ask, uint64_t at, uint32_t length) {
                                    ask.perf_event.tracepoint.tp_name = at;
                                    ask.perf_event.tracepoint.name_len = length;
                                }),
                    info.id};
        case PerfEventType::Event:
            return {"perf_event",
                    fmt::format("type {} config {}", event.event.type, event.event.config),
                    info.id};
        case PerfEventType::Unspec: break;
    }
    return {"perf_event", "", info.id};
}

std::string netfilter_target(const LinkInfo& info) {
    const auto& hook = info.netfilter;
    constexpr std::array<std::string_view, 5> kHooks = {"prerouting", "input", "forward", "output",
                                                        "postrouting"};
    const std::string_view family = hook.pf == NFPROTO_IPV4   ? "ip"
                                    : hook.pf == NFPROTO_IPV6 ? "ip6"
                                                              : "family";
    return fmt::format("{} {} priority {}", family,
                       hook.hooknum < kHooks.size() ? kHooks[hook.hooknum] : "hook", hook.priority);
}

std::string map_name(uint32_t id) {
    const auto fd = fd_by_id(ObjectKind::Map, id);
    const auto info = fd ? map_info(fd->get()) : std::unexpected(fd.error());
    return info ? fmt::format("{} (map {})", info->name, id) : fmt::format("map {}", id);
}

std::string attach_name(uint32_t type) {
    return std::string(to_string(AttachType{type}));
}

}  // namespace

Attachment describe_link(int fd, const LinkInfo& info, const std::string& prog_target,
                         const std::map<uint64_t, std::string>& groups) {
    const std::string type(to_string(LinkType{info.type}));
    switch (LinkType{info.type}) {
        case LinkType::RawTracepoint:
            return {type,
                    link_string(fd,
                                [](LinkInfo& ask, uint64_t at, uint32_t length) {
                                    ask.raw_tracepoint.name = at;
                                    ask.raw_tracepoint.name_len = length;
                                }),
                    info.id};
        case LinkType::Tracing:
            return {attach_name(info.tracing.attach_type), prog_target, info.id};
        case LinkType::Cgroup: {
            const auto group = groups.find(info.cgroup.cgroup_id);
            return {attach_name(info.cgroup.attach_type),
                    group != groups.end() ? group->second
                                          : fmt::format("cgroup {}", info.cgroup.cgroup_id),
                    info.id};
        }
        case LinkType::Iter:
            return {type,
                    link_string(fd,
                                [](LinkInfo& ask, uint64_t at, uint32_t length) {
                                    ask.iter.target_name = at;
                                    ask.iter.target_name_len = length;
                                }),
                    info.id};
        case LinkType::Netns:
            return {attach_name(info.netns.attach_type),
                    fmt::format("network namespace {}", info.netns.netns_ino), info.id};
        case LinkType::Xdp: return {type, interface_name(info.xdp.ifindex), info.id};
        case LinkType::PerfEvent: return describe_perf_event(fd, info);
        case LinkType::KprobeMulti:
            return {info.kprobe_multi.flags & 1 ? "kretprobe_multi" : type,
                    fmt::format("{} functions", info.kprobe_multi.count), info.id};
        case LinkType::UprobeMulti:
            return {info.uprobe_multi.flags & 1 ? "uretprobe_multi" : type,
                    fmt::format("{} ({} places)",
                                link_string(fd,
                                            [](LinkInfo& ask, uint64_t at, uint32_t length) {
                                                ask.uprobe_multi.path = at;
                                                ask.uprobe_multi.path_size = length;
                                            }),
                                info.uprobe_multi.count),
                    info.id};
        case LinkType::StructOps: return {type, map_name(info.struct_ops.map_id), info.id};
        case LinkType::Netfilter: return {type, netfilter_target(info), info.id};
        case LinkType::Tcx:
        case LinkType::Netkit:
            return {attach_name(info.tcx.attach_type), interface_name(info.tcx.ifindex), info.id};
        case LinkType::Sockmap:
            return {attach_name(info.sockmap.attach_type), map_name(info.sockmap.map_id), info.id};
        case LinkType::Unspec: break;
    }
    return {type, "", info.id};
}

}  // namespace skep::kernel
