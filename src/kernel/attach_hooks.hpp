// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/attach.hpp"
#include "kernel/bpf.hpp"

// Inside of attach(): one function a family of hooks.

namespace skep::kernel {

// attach_net.cpp
Result<LinkPtr> attach_xdp(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_netkit(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_cgroup(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_netns(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_netfilter(const Prog& prog, const AttachTo& to);

// attach_tc.cpp
Result<LinkPtr> attach_tc(const Prog& prog, const AttachTo& to);

// attach_sock.cpp
Result<LinkPtr> attach_socket_filter(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_reuseport(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_sockmap(const Prog& prog, const AttachTo& to);

// lwt.cpp
Result<LinkPtr> attach_lwt(const Prog& prog, const AttachTo& to);

// attach_trace.cpp
Result<LinkPtr> attach_tracepoint(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_raw_tracepoint(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_tracing(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_iterator(const Prog& prog, const AttachTo& to);
Result<LinkPtr> attach_perf_event(const Prog& prog, const AttachTo& to);

// attach_probes.cpp
Result<LinkPtr> attach_probe(const Prog& prog, const AttachTo& to);

/// "attach 'hello' to WHERE", for errors.
std::string attaching(const Prog& prog, std::string_view where);

/// A usage error: "attach 'hello': WHAT is not given", with how to give it.
std::unexpected<Error> not_given(const Prog& prog, std::string_view what, std::string_view hint);

/// What BPF_LINK_CREATE wants of every hook. `target` is a descriptor or an interface's number.
LinkCreateAttr link_attr(int prog_fd, uint32_t target, AttachType type, uint32_t flags = 0);

/// BPF_LINK_CREATE, its refusal said in the hook's words.
Result<LinkPtr> link_to(const Prog& prog, const LinkCreateAttr& attr, std::string_view where,
                        std::string_view hook);

struct Interface {
    uint32_t index = 0;
    std::string name;  ///< or "interface 7"
};
/// In the calling thread's namespace.
Result<Interface> find_interface(const Prog& prog, const AttachTo& to);

}  // namespace skep::kernel
