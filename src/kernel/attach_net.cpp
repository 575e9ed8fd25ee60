// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>

#include "base/text.hpp"
#include "kernel/attach_hooks.hpp"
#include "kernel/netns.hpp"
#include "kernel/refused.hpp"

namespace skep::kernel {

namespace {

AttachType chosen_type(const Prog& prog, const AttachTo& to) {
    return to.attach_type != AttachType::None ? to.attach_type : prog.attach_type();
}

/// XDP link creation says why by few error numbers.
std::string xdp_hint(int error_number) {
    switch (error_number) {
        case EBUSY:
            return "an XDP program is there already; detach it (skep detach, ip link set dev ... "
                   "xdp off)";
        case ERANGE:
        case EINVAL:
            return "packets may be larger than one buffer: lower the MTU, turn off receive "
                   "offloads, or use the section xdp.frags";
        case EOPNOTSUPP: return "this driver has no XDP: generic mode works on every interface";
        default: return {};
    }
}

}  // namespace

Result<LinkPtr> attach_xdp(const Prog& prog, const AttachTo& to) {
    const NetnsScope inside = SKEP_TRY(NetnsScope::enter(to.netns));
    const Interface device = SKEP_TRY(find_interface(prog, to));
    const uint32_t flags = to.xdp == XdpMode::Native    ? XDP_FLAGS_DRV_MODE
                           : to.xdp == XdpMode::Generic ? XDP_FLAGS_SKB_MODE
                                                        : 0;
    auto fd = link_create(link_attr(prog.fd(), device.index, AttachType::Xdp, flags));
    if (fd) return make_link(std::move(*fd));
    const int error_number = fd.error().sys_errno;
    Error error = attach_error(attaching(prog, device.name), "", error_number);
    if (const std::string hint = xdp_hint(error_number); error.hint.empty() && !hint.empty())
        error.hint = hint;
    if (error_number == EOPNOTSUPP) error.code = ErrorCode::Unsupported;
    return std::unexpected(std::move(error));
}

Result<LinkPtr> attach_netkit(const Prog& prog, const AttachTo& to) {
    const NetnsScope inside = SKEP_TRY(NetnsScope::enter(to.netns));
    const Interface device = SKEP_TRY(find_interface(prog, to));
    return link_to(prog, link_attr(prog.fd(), device.index, chosen_type(prog, to)), device.name,
                   "netkit");
}

Result<LinkPtr> attach_cgroup(const Prog& prog, const AttachTo& to) {
    if (to.cgroup.empty())
        return not_given(prog, "the cgroup", "its directory, below where cgroup2 is mounted");
    const AttachType type = chosen_type(prog, to);
    if (type == AttachType::None)
        return not_given(prog, "the direction", "cgroup_inet_ingress or cgroup_inet_egress");
    const UniqueFd fd(open(to.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return std::unexpected(sys_error(attaching(prog, to.cgroup)));
    struct statfs fs = {};
    if (fstatfs(fd.get(), &fs) != 0 || static_cast<uint32_t>(fs.f_type) != CGROUP2_SUPER_MAGIC)
        return std::unexpected(
            Error{ErrorCode::Usage,
                  fmt::format("{}: not a cgroup of version 2", attaching(prog, to.cgroup)),
                  "mount -t cgroup2 shows where those are", 0});
    return link_to(prog, link_attr(prog.fd(), static_cast<uint32_t>(fd.get()), type), to.cgroup,
                   "cgroup");
}

Result<LinkPtr> attach_netns(const Prog& prog, const AttachTo& to) {
    const NetnsScope inside = SKEP_TRY(NetnsScope::enter(to.netns));
    const UniqueFd netns = SKEP_TRY(current_netns());
    auto fd = link_create(
        link_attr(prog.fd(), static_cast<uint32_t>(netns.get()), chosen_type(prog, to)));
    if (fd) return make_link(std::move(*fd));
    const int error_number = fd.error().sys_errno;
    const bool taken = error_number == EEXIST || error_number == E2BIG;
    Error error = attach_error(attaching(prog, "the network namespace"),
                               taken ? "" : to_string(prog.type()), error_number);
    if (taken) error.hint = "another program is there already; skep ps shows whose";
    return std::unexpected(std::move(error));
}

Result<LinkPtr> attach_netfilter(const Prog& prog, const AttachTo& to) {
    const NetnsScope inside = SKEP_TRY(NetnsScope::enter(to.netns));
    LinkCreateAttr attr = link_attr(prog.fd(), 0, AttachType::Netfilter);
    attr.netfilter = {.pf = to.netfilter.family,
                      .hooknum = to.netfilter.hook,
                      .priority = to.netfilter.priority,
                      .flags = to.netfilter.defragment ? 1u : 0u};
    return link_to(prog, attr, "netfilter", "netfilter");
}

}  // namespace skep::kernel
