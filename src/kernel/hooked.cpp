// SPDX-License-Identifier: Apache-2.0
// Programs at hooks: asked of the hooks, since many of them stand there without a link.
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "kernel/bpf.hpp"
#include "kernel/facts.hpp"
#include "kernel/listing.hpp"
#include "kernel/netlink.hpp"
#include "kernel/tc_filter.hpp"

namespace skep::kernel {

namespace {

struct Interface {
    uint32_t index = 0;
    std::string name = {};
};

/// The XDP programs of one interface, by mode. `xdp` is its IFLA_XDP.
void put_xdp(const Interface& device, ByteView xdp, std::vector<Hooked>& out) {
    const auto number = [&](uint16_t type) {
        const auto value = netlink_attribute(xdp, 0, type);
        return value ? load<uint32_t>(*value, 0).value_or(0) : 0;
    };
    const auto attached = netlink_attribute(xdp, 0, IFLA_XDP_ATTACHED);
    const uint8_t mode = attached && !attached->empty() ? attached->front() : 0;
    const auto put = [&](std::string_view hook, uint32_t id) {
        if (id != 0) out.push_back({id, {std::string(hook), device.name, 0}});
    };
    if (mode == XDP_ATTACHED_MULTI) {
        put("xdp", number(IFLA_XDP_DRV_PROG_ID));
        put("xdp (generic)", number(IFLA_XDP_SKB_PROG_ID));
        put("xdp (offloaded)", number(IFLA_XDP_HW_PROG_ID));
    } else {
        put(mode == XDP_ATTACHED_SKB  ? "xdp (generic)"
            : mode == XDP_ATTACHED_HW ? "xdp (offloaded)"
                                      : "xdp",
            number(IFLA_XDP_PROG_ID));
    }
}

void put_queried(uint32_t target, AttachType type, const std::string& name,
                 std::vector<Hooked>& out) {
    const auto attached = prog_query(target, type);
    if (!attached) return;
    for (size_t i = 0; i < attached->prog_ids.size(); i++) {
        const uint32_t link = i < attached->link_ids.size() ? attached->link_ids[i] : 0;
        out.push_back({attached->prog_ids[i], {std::string(to_string(type)), name, link}});
    }
}

void put_filters(const Interface& device, std::vector<Hooked>& out) {
    const auto filters = tc_filters(device.index);
    if (!filters) return;
    for (const TcFilter& filter : *filters)
        out.push_back(
            {filter.prog_id,
             {filter.egress ? "tc/egress (clsact)" : "tc/ingress (clsact)", device.name, 0}});
}

constexpr struct {
    AttachType type;
    std::string_view name;
} kAttachTypes[] = {
#define ATTACH_TYPE(name, value, text) {AttachType::name, text},
#include "platform/attach_types.def"
#undef ATTACH_TYPE
};

}  // namespace

std::string interface_name(uint32_t ifindex) {
    char name[IF_NAMESIZE] = {};
    return if_indextoname(ifindex, name) ? std::string(name) : fmt::format("interface {}", ifindex);
}

std::vector<Hooked> find_interface_hooks() {
    std::vector<Hooked> out;
    NetlinkMessage ask(RTM_GETLINK, NLM_F_DUMP);
    ask.header(ifinfomsg{});
    const auto links = netlink_dump(ask);
    if (!links) return out;
    for (const Bytes& link : *links) {
        const auto header = load<ifinfomsg>(link, 0);
        const auto name = netlink_attribute(link, sizeof(ifinfomsg), IFLA_IFNAME);
        if (!header || !name) continue;
        const Interface device{static_cast<uint32_t>(header->ifi_index),
                               std::string(load_string(*name, 0).value_or(""))};
        if (const auto xdp = netlink_attribute(link, sizeof(ifinfomsg), IFLA_XDP))
            put_xdp(device, *xdp, out);
        for (const AttachType type : {AttachType::TcxIngress, AttachType::TcxEgress,
                                      AttachType::NetkitPrimary, AttachType::NetkitPeer})
            put_queried(device.index, type, device.name, out);
        put_filters(device, out);
    }
    return out;
}

std::vector<Hooked> find_namespace_hooks() {
    std::vector<Hooked> out;
    const UniqueFd netns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!netns) return out;
    for (const AttachType type : {AttachType::FlowDissector, AttachType::SkLookup})
        put_queried(static_cast<uint32_t>(netns.get()), type, "this network namespace", out);
    return out;
}

std::map<uint64_t, std::string> find_cgroups() {
    namespace fs = std::filesystem;
    std::map<uint64_t, std::string> groups;
    const std::string root = cgroup2_mount();
    if (root.empty()) return groups;
    const auto put = [&](const std::string& path) {
        struct stat status{};
        if (stat(path.c_str(), &status) == 0) groups.emplace(status.st_ino, path);
    };
    put(root);
    std::error_code error;
    fs::recursive_directory_iterator files(root, fs::directory_options::skip_permission_denied,
                                           error);
    for (; !error && files != fs::recursive_directory_iterator(); files.increment(error)) {
        std::error_code gone;
        if (files->is_directory(gone)) put(files->path().string());
    }
    return groups;
}

std::vector<Hooked> find_cgroup_hooks(const std::map<uint64_t, std::string>& groups) {
    std::vector<Hooked> out;
    for (const auto& [id, path] : groups) {
        const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!fd) continue;
        for (const auto& row : kAttachTypes)
            if (row.name.starts_with("cgroup_") || row.type == AttachType::LsmCgroup)
                put_queried(static_cast<uint32_t>(fd.get()), row.type, path, out);
    }
    return out;
}

}  // namespace skep::kernel
