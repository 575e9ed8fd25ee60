// SPDX-License-Identifier: Apache-2.0
#include "kernel/attach.hpp"

#include <bpf/libbpf.h>
#include <net/if.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "kernel/attach_hooks.hpp"
#include "kernel/log.hpp"
#include "kernel/refused.hpp"

namespace skep::kernel {

std::string attaching(const Prog& prog, std::string_view where) {
    return fmt::format("attach '{}' to {}", printable(prog.name()), printable(where));
}

std::unexpected<Error> not_given(const Prog& prog, std::string_view what, std::string_view hint) {
    return std::unexpected(Error{
        ErrorCode::Usage, fmt::format("attach '{}': {} is not given", printable(prog.name()), what),
        std::string(hint), 0});
}

LinkCreateAttr link_attr(int prog_fd, uint32_t target, AttachType type, uint32_t flags) {
    LinkCreateAttr attr;
    attr.prog_fd = static_cast<uint32_t>(prog_fd);
    attr.target_fd = target;
    attr.attach_type = static_cast<uint32_t>(type);
    attr.flags = flags;
    return attr;
}

Result<LinkPtr> link_to(const Prog& prog, const LinkCreateAttr& attr, std::string_view where,
                        std::string_view hook) {
    auto fd = link_create(attr);
    if (fd) return make_link(std::move(*fd));
    return std::unexpected(attach_error(attaching(prog, where), hook, fd.error().sys_errno));
}

Result<Interface> find_interface(const Prog& prog, const AttachTo& to) {
    if (to.ifindex) {
        char name[IF_NAMESIZE] = {};
        const bool known = if_indextoname(to.ifindex, name) != nullptr;
        return Interface{to.ifindex, known ? name : fmt::format("interface {}", to.ifindex)};
    }
    if (to.interface.empty()) return not_given(prog, "the interface", "name one, e.g. eth0 or lo");
    const uint32_t index = if_nametoindex(to.interface.c_str());
    if (index) return Interface{index, to.interface};
    Error error = sys_error(attaching(prog, to.interface), ENODEV);
    error.hint = "ip link shows the interfaces";
    error.hint += to.netns.empty() ? " of this network namespace" : " (ip -n NAMESPACE link)";
    return std::unexpected(std::move(error));
}

Result<LinkPtr> attach(const Prog& prog, const AttachTo& to) {
    switch (prog.type()) {
        case ProgType::Xdp: return attach_xdp(prog, to);
        case ProgType::SchedCls:
        case ProgType::SchedAct:
            if (prog.attach_type() == AttachType::NetkitPrimary ||
                prog.attach_type() == AttachType::NetkitPeer)
                return attach_netkit(prog, to);
            return attach_tc(prog, to);
        case ProgType::CgroupSkb:
        case ProgType::CgroupSock:
        case ProgType::CgroupDevice:
        case ProgType::CgroupSockAddr:
        case ProgType::CgroupSysctl:
        case ProgType::CgroupSockopt:
        case ProgType::SockOps: return attach_cgroup(prog, to);
        case ProgType::SocketFilter: return attach_socket_filter(prog, to);
        case ProgType::SkReuseport: return attach_reuseport(prog, to);
        case ProgType::SkMsg:
        case ProgType::SkSkb: return attach_sockmap(prog, to);
        case ProgType::SkLookup:
        case ProgType::FlowDissector: return attach_netns(prog, to);
        case ProgType::Netfilter: return attach_netfilter(prog, to);
        case ProgType::LwtIn:
        case ProgType::LwtOut:
        case ProgType::LwtXmit: return attach_lwt(prog, to);
        case ProgType::Tracepoint: return attach_tracepoint(prog, to);
        case ProgType::RawTracepoint:
        case ProgType::RawTracepointWritable: return attach_raw_tracepoint(prog, to);
        case ProgType::Tracing:
            if (prog.attach_type() == AttachType::TraceIter) return attach_iterator(prog, to);
            return attach_tracing(prog, to);
        case ProgType::Ext: return attach_tracing(prog, to);
        case ProgType::Lsm:
            if (prog.attach_type() == AttachType::LsmCgroup) return attach_cgroup(prog, to);
            return attach_tracing(prog, to);
        case ProgType::Kprobe: return attach_probe(prog, to);
        case ProgType::PerfEvent: return attach_perf_event(prog, to);
        case ProgType::Syscall:
            return std::unexpected(Error{
                ErrorCode::Usage,
                fmt::format("attach '{}': syscall programs have no hook", printable(prog.name())),
                "they run when they are called: by a test run", 0});
        case ProgType::StructOps:
            return std::unexpected(
                Error{ErrorCode::Usage,
                      fmt::format("attach '{}': it is part of a struct", printable(prog.name())),
                      "attach the struct_ops map that it is in (attach_struct_ops())", 0});
        default:
            return std::unexpected(
                Error{ErrorCode::Unsupported,
                      fmt::format("attach '{}': skep does not attach {} programs",
                                  printable(prog.name()), to_string(prog.type())),
                      {},
                      0});
    }
}

Result<LinkPtr> attach_struct_ops(const Object& object, const std::string& name) {
    bpf_map* map = bpf_object__find_map_by_name(object.libbpf(), name.c_str());
    if (!map || bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS || bpf_map__fd(map) < 0)
        return fail(ErrorCode::Usage,
                    "attach '{}': the object has no loaded struct_ops map of "
                    "that name",
                    printable(name));
    const std::string what = fmt::format("register struct '{}'", printable(name));
    LogCapture log;
    bpf_link* registered = bpf_map__attach_struct_ops(map);
    if (!registered) return std::unexpected(attach_error(what, "struct_ops", errno, &log));
    if (!(bpf_map__map_flags(map) & kLink)) return make_link(registered, object.share());
    // With BPF_F_LINK the above has only filled the map; the kernel's link registers it.
    bpf_link__disconnect(registered);
    bpf_link__destroy(registered);
    LinkCreateAttr attr = link_attr(bpf_map__fd(map), 0, AttachType::StructOps);
    auto fd = link_create(attr);
    if (!fd) return std::unexpected(attach_error(what, "struct_ops", fd.error().sys_errno));
    return make_link(std::move(*fd));
}

Result<std::string> read_iterator(const Link& iterator) {
    const UniqueFd fd = SKEP_TRY(iter_create(iterator.fd()));
    const Bytes bytes = SKEP_TRY(read_fd(fd.get(), "iterator"));
    return std::string(bytes.begin(), bytes.end());
}

}  // namespace skep::kernel
