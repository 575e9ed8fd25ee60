// SPDX-License-Identifier: Apache-2.0
#include <bpf/libbpf.h>

#include <cerrno>

#include "base/text.hpp"
#include "kernel/attach_hooks.hpp"
#include "kernel/log.hpp"
#include "kernel/netns.hpp"
#include "kernel/refused.hpp"
#include "kernel/tc_filter.hpp"

// tc: by a tcx link (Linux 6.6), else by a filter at clsact. The difference shows when a process is
// killed (tc_filter.hpp), and in the verdict "next": tcx has TCX_NEXT (-1) for "the program behind
// me", which is TC_ACT_UNSPEC for a filter.

namespace skep::kernel {

namespace {

class ClsactLink final : public Link {
  public:
    ClsactLink(UniqueFd netns, TcFilter filter, bool own_qdisc, Prog prog)
        : netns_(std::move(netns)),
          filter_(std::move(filter)),
          own_qdisc_(own_qdisc),
          prog_(std::move(prog)) {}
    ~ClsactLink() override { (void)detach(); }

    Result<void> update(const Prog& next, const Prog* expected) override {
        // The kernel has no such condition for filters; only this process updates its own.
        if (expected && expected->fd() != prog_.fd())
            return std::unexpected(sys_error("replace a clsact filter", EPERM));
        const NetnsScope inside = SKEP_TRY(NetnsScope::enter(netns_.get()));
        LogCapture log;
        LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(filter_.ifindex),
                    .attach_point = filter_.egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
        LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = next.fd(), .flags = BPF_TC_F_REPLACE,
                    .handle = filter_.handle, .priority = filter_.priority);
        if (const int result = bpf_tc_attach(&hook, &options); result != 0)
            return std::unexpected(sys_error(result == -ENODEV
                                                 ? "what the clsact filter was attached to is gone"
                                                 : "replace a clsact filter",
                                             -result));
        prog_ = next;
        return {};
    }

    Result<void> detach() override {
        if (std::exchange(detached_, true)) return {};
        const NetnsScope inside = SKEP_TRY(NetnsScope::enter(netns_.get()));
        SKEP_TRY(remove_tc_filter(filter_));
        // The qdisc goes with the last filter if it came with this one.
        const auto left = tc_filters(filter_.ifindex);
        if (!own_qdisc_ || !left || !left->empty()) return {};
        LogCapture log;
        LIBBPF_OPTS(
            bpf_tc_hook, hook, .ifindex = static_cast<int>(filter_.ifindex),
            .attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
        bpf_tc_hook_destroy(&hook);
        return {};
    }

    Result<LinkState> state() const override {
        LinkState state{.kind = "clsact", .prog_id = 0, .ifindex = 0, .gone = true};
        const NetnsScope inside = SKEP_TRY(NetnsScope::enter(netns_.get()));
        const auto filters = tc_filters(filter_.ifindex);
        if (!filters) return state;
        for (const TcFilter& filter : *filters)
            if (filter.handle == filter_.handle && filter.priority == filter_.priority &&
                filter.egress == filter_.egress)
                return LinkState{
                    .kind = "clsact", .prog_id = filter.prog_id, .ifindex = filter.ifindex};
        return state;
    }

  private:
    UniqueFd netns_;
    TcFilter filter_;
    bool own_qdisc_;
    Prog prog_;
    bool detached_ = false;
};

Result<LinkPtr> attach_clsact(const Prog& prog, const Interface& device, bool egress) {
    const std::string where = fmt::format("{} {}", device.name, egress ? "egress" : "ingress");
    LogCapture log;
    (void)remove_left_tc_filters(device.index);
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(device.index),
                .attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
    const int created = bpf_tc_hook_create(&hook);
    if (created != 0 && created != -EEXIST)
        return std::unexpected(attach_error(attaching(prog, where), "", -created, &log));
    hook.attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
    // Priority 0: the kernel takes the next one, so each filter of ours is of its own.
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = prog.fd(), .handle = own_tc_handle());
    if (const int result = bpf_tc_attach(&hook, &options); result != 0)
        return std::unexpected(attach_error(attaching(prog, where), "", -result, &log));
    TcFilter filter{.ifindex = device.index,
                    .egress = egress,
                    .handle = options.handle,
                    .priority = options.priority,
                    .prog_id = options.prog_id,
                    .name = {}};
    return std::make_unique<ClsactLink>(SKEP_TRY(current_netns()), std::move(filter), created == 0,
                                        prog);
}

}  // namespace

Result<LinkPtr> attach_tc(const Prog& prog, const AttachTo& to) {
    const NetnsScope inside = SKEP_TRY(NetnsScope::enter(to.netns));
    const Interface device = SKEP_TRY(find_interface(prog, to));
    const AttachType chosen =
        to.attach_type != AttachType::None ? to.attach_type : prog.attach_type();
    const bool egress = chosen == AttachType::TcxEgress;
    if (to.tc == TcMode::Clsact) return attach_clsact(prog, device, egress);
    const auto type = egress ? AttachType::TcxEgress : AttachType::TcxIngress;
    auto fd = link_create(link_attr(prog.fd(), device.index, type, to.first ? kBefore : 0));
    if (fd) return make_link(std::move(*fd));
    const int error_number = fd.error().sys_errno;
    // Before 6.6 the attach type is not known.
    if (to.tc == TcMode::Auto && error_number == EINVAL) return attach_clsact(prog, device, egress);
    return std::unexpected(attach_error(
        attaching(prog, fmt::format("{} {}", device.name, egress ? "egress" : "ingress")), "tcx",
        error_number));
}

}  // namespace skep::kernel
