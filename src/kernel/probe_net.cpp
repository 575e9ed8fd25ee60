// SPDX-License-Identifier: Apache-2.0
// Where programs meet packets and sockets: in a network namespace of a thread's own, which has no
// traffic and is gone with the thread.
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "kernel/features.hpp"
#include "kernel/netlink.hpp"

namespace skep::kernel {

namespace {

constexpr uint32_t kLoopback = 1;

Result<UniqueFd> link_to(const TrivialProg& trivial, uint32_t target, uint32_t flags = 0) {
    const UniqueFd prog = SKEP_TRY(load_trivial(trivial));
    return link_create(link_attr(prog, target, trivial.attach, flags));
}

/// A new pair of "veth" or "netkit" devices: the number of the first.
Result<uint32_t> make_pair(std::string_view kind) {
    static constexpr char kName[] = "skep0";
    NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
    message.header(ifinfomsg{});
    message.attribute(IFLA_IFNAME, std::string_view(kName));
    const size_t info = message.begin(IFLA_LINKINFO);
    message.attribute(IFLA_INFO_KIND, kind);
    message.end(info);
    SKEP_TRY(netlink_request(message));
    return if_nametoindex(kName);
}

void remove(uint32_t ifindex) {
    ifinfomsg which{};
    which.ifi_index = static_cast<int>(ifindex);
    NetlinkMessage message(RTM_DELLINK, NLM_F_ACK);
    message.header(which);
    (void)netlink_request(message);  // it goes with the namespace in any case
}

Result<UniqueFd> attach_to_pair(std::string_view kind, const TrivialProg& prog, uint32_t flags) {
    const uint32_t device = SKEP_TRY(make_pair(kind));
    auto link = link_to(prog, device, flags);
    remove(device);
    return link;
}

Result<void> attach_clsact() {
    const UniqueFd prog = SKEP_TRY(load_trivial({.type = ProgType::SchedCls}));
    tcmsg where{};
    where.tcm_ifindex = kLoopback;
    where.tcm_parent = TC_H_CLSACT;
    where.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    NetlinkMessage qdisc(RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
    qdisc.header(where);
    qdisc.attribute(TCA_KIND, std::string_view("clsact"));
    SKEP_TRY(netlink_request(qdisc));
    where.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    where.tcm_handle = 1;
    where.tcm_info = TC_H_MAKE(1u << 16, 0x0300);  // priority 1, all protocols (ETH_P_ALL swapped)
    NetlinkMessage filter(RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
    filter.header(where);
    filter.attribute(TCA_KIND, std::string_view("bpf"));
    const size_t options = filter.begin(TCA_OPTIONS);
    filter.attribute(TCA_BPF_FD, bytes_of(prog.get()));
    filter.attribute(TCA_BPF_FLAGS, bytes_of(uint32_t{TCA_BPF_FLAG_ACT_DIRECT}));
    filter.end(options);
    return netlink_request(filter);
}

Result<UniqueFd> attach_netfilter() {
    const UniqueFd prog = SKEP_TRY(load_trivial(
        {.type = ProgType::Netfilter, .attach = AttachType::Netfilter, .result = NF_ACCEPT}));
    LinkCreateAttr attr = link_attr(prog, 0, AttachType::Netfilter);
    attr.netfilter = {
        .pf = NFPROTO_IPV4, .hooknum = NF_INET_LOCAL_IN, .priority = -128, .flags = 0};
    return link_create(attr);
}

Result<UniqueFd> attach_to_namespace(ProgType type, AttachType attach) {
    const UniqueFd netns(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!netns) return std::unexpected(sys_error("/proc/thread-self/ns/net"));
    return link_to({.type = type, .attach = attach}, static_cast<uint32_t>(netns.get()));
}

Result<void> attach_to_socket(ProgType type, int option) {
    const UniqueFd prog = SKEP_TRY(load_trivial({.type = type}));
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int on = 1, fd = prog.get();
    setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (setsockopt(socket.get(), SOL_SOCKET, option, &fd, sizeof fd) == 0) return {};
    return std::unexpected(bpf_error("attaching a program to a socket", errno));
}

Result<void> attach_to_sockmap(ProgType type, AttachType attach) {
    const UniqueFd map = SKEP_TRY(map_create({.type = static_cast<uint32_t>(MapType::Sockmap),
                                              .key_size = 4,
                                              .value_size = 4,
                                              .max_entries = 1}));
    const UniqueFd prog = SKEP_TRY(load_trivial({.type = type, .result = 1}));
    return prog_attach({.target = static_cast<uint32_t>(map.get()),
                        .prog_fd = static_cast<uint32_t>(prog.get()),
                        .type = attach});
}

Result<void> load(ProgType type) {
    SKEP_TRY(load_trivial({.type = type}));
    return {};
}

void probe_inside(std::vector<Finding>& found) {
    const auto add = [&](const char* name, const auto& result) {
        found.push_back(judge(name, "attached", result));
    };
    const TrivialProg xdp{.type = ProgType::Xdp, .attach = AttachType::Xdp, .result = 2};
    add("xdp.generic", link_to(xdp, kLoopback, XDP_FLAGS_SKB_MODE));
    add("xdp.native (veth)", attach_to_pair("veth", xdp, XDP_FLAGS_DRV_MODE));
    add("tcx", link_to({.type = ProgType::SchedCls, .attach = AttachType::TcxIngress}, kLoopback));
    add("tc (clsact)", attach_clsact());
    add("netkit",
        attach_to_pair("netkit", {.type = ProgType::SchedCls, .attach = AttachType::NetkitPrimary},
                       0));
    add("netfilter", attach_netfilter());
    add("flow_dissector", attach_to_namespace(ProgType::FlowDissector, AttachType::FlowDissector));
    add("sk_lookup", attach_to_namespace(ProgType::SkLookup, AttachType::SkLookup));
}

}  // namespace

std::vector<Finding> probe_net_hooks() {
    std::vector<Finding> found;
    std::thread([&found] {
        if (unshare(CLONE_NEWNET) == 0) return probe_inside(found);
        const Error error = bpf_error("making a network namespace to try in", errno);
        for (const char* name : {"xdp.generic", "xdp.native (veth)", "tcx", "tc (clsact)", "netkit",
                                 "netfilter", "flow_dissector", "sk_lookup"}) {
            found.push_back(judge(name, "attached", &error));
            found.back().answer = Answer::Unknown;
        }
    }).join();
    const auto add = [&](const char* name, const char* basis, const Result<void>& result) {
        found.push_back(judge(name, basis, result));
    };
    add("socket", "attached", attach_to_socket(ProgType::SocketFilter, SO_ATTACH_BPF));
    add("sk_reuseport", "attached",
        attach_to_socket(ProgType::SkReuseport, SO_ATTACH_REUSEPORT_EBPF));
    add("sk_msg", "attached", attach_to_sockmap(ProgType::SkMsg, AttachType::SkMsgVerdict));
    add("sk_skb/stream_parser", "attached",
        attach_to_sockmap(ProgType::SkSkb, AttachType::SkSkbStreamParser));
    add("sk_skb/stream_verdict", "attached",
        attach_to_sockmap(ProgType::SkSkb, AttachType::SkSkbStreamVerdict));
    add("sk_skb/verdict", "attached", attach_to_sockmap(ProgType::SkSkb, AttachType::SkSkbVerdict));
    add("lwt", "loaded", load(ProgType::LwtXmit));
    return found;
}

}  // namespace skep::kernel
