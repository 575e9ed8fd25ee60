// SPDX-License-Identifier: Apache-2.0
#include "kernel/tc_filter.hpp"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "kernel/log.hpp"
#include "kernel/netlink.hpp"

namespace skep::kernel {

namespace {

constexpr uint32_t kPidBits = 22;  // PID_MAX_LIMIT is 2^22
constexpr uint32_t kMark = 0x2be;

uint32_t parent_of(bool egress) {
    return TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

std::optional<TcFilter> read_filter(ByteView payload, uint32_t ifindex, bool egress) {
    const auto header = load<tcmsg>(payload, 0);
    if (!header || header->tcm_handle == 0) return std::nullopt;
    const size_t attributes = align_up(sizeof(tcmsg), NLMSG_ALIGNTO);
    const auto kind = netlink_attribute(payload, attributes, TCA_KIND);
    const auto options = netlink_attribute(payload, attributes, TCA_OPTIONS);
    if (!kind || load_string(*kind, 0) != "bpf" || !options) return std::nullopt;
    TcFilter filter{.ifindex = ifindex,
                    .egress = egress,
                    .handle = header->tcm_handle,
                    .priority = TC_H_MAJ(header->tcm_info) >> 16,
                    .name = {}};
    if (const auto id = netlink_attribute(*options, 0, TCA_BPF_ID))
        filter.prog_id = load<uint32_t>(*id, 0).value_or(0);
    if (const auto name = netlink_attribute(*options, 0, TCA_BPF_NAME))
        filter.name = load_string(*name, 0).value_or("");
    return filter;
}

}  // namespace

uint32_t own_tc_handle() {
    return kMark << kPidBits | static_cast<uint32_t>(getpid());
}

uint32_t TcFilter::owner() const {
    return handle >> kPidBits == kMark ? handle & ((1u << kPidBits) - 1) : 0;
}

bool TcFilter::left_behind() const {
    return owner() != 0 && kill(static_cast<pid_t>(owner()), 0) != 0 && errno == ESRCH;
}

Result<std::vector<TcFilter>> tc_filters(uint32_t ifindex) {
    std::vector<TcFilter> all;
    for (const bool egress : {false, true}) {
        NetlinkMessage message(RTM_GETTFILTER, NLM_F_DUMP);
        message.header(tcmsg{.tcm_family = AF_UNSPEC,
                             .tcm__pad1 = 0,
                             .tcm__pad2 = 0,
                             .tcm_ifindex = static_cast<int>(ifindex),
                             .tcm_handle = 0,
                             .tcm_parent = parent_of(egress),
                             .tcm_info = 0});
        const auto answers = netlink_dump(message);
        // No clsact there: nothing to list.
        if (!answers &&
            (answers.error().sys_errno == EINVAL || answers.error().sys_errno == ENOENT))
            continue;
        if (!answers) return std::unexpected(answers.error());
        for (const Bytes& answer : *answers)
            if (auto filter = read_filter(answer, ifindex, egress))
                all.push_back(std::move(*filter));
    }
    return all;
}

Result<void> remove_tc_filter(const TcFilter& filter) {
    LogCapture log;
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(filter.ifindex),
                .attach_point = filter.egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = filter.handle, .priority = filter.priority);
    const int result = bpf_tc_detach(&hook, &options);
    // The interface may be gone, and the filter with it.
    if (result == 0 || result == -ENODEV || result == -ENOENT) return {};
    return std::unexpected(sys_error("remove a tc filter", -result));
}

Result<size_t> remove_left_tc_filters(uint32_t ifindex) {
    const std::vector<TcFilter> all = SKEP_TRY(tc_filters(ifindex));
    size_t removed = 0;
    for (const TcFilter& filter : all)
        if (filter.left_behind()) {
            SKEP_TRY(remove_tc_filter(filter));
            removed++;
        }
    if (removed > 0 && removed == all.size()) {
        LogCapture log;
        LIBBPF_OPTS(
            bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex),
            .attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
        bpf_tc_hook_destroy(&hook);
    }
    return removed;
}

}  // namespace skep::kernel
