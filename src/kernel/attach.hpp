// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "kernel/link.hpp"
#include "kernel/map.hpp"
#include "kernel/object.hpp"
#include "kernel/prog.hpp"
#include "skep/link.hpp"

// Attaching: what the program's section says, and what only the user knows.
//
//     attach(hello)                                        // SEC("tp/syscalls/sys_enter_execve")
//     attach(goodbye_ping, {.interface = "eth0"})          // SEC("xdp")
//     attach(deny, {.cgroup = "/sys/fs/cgroup/unified/x"}) // SEC("cgroup/connect4")
//     attach(probe, {.binary = "/bin/bash", .symbol = "readline"})   // SEC("uprobe")
//
// docs/kernel.md has a table of hooks with what each needs. What the running kernel refuses is
// Unsupported, with its reason and another hook that does the job.

namespace skep::kernel {

enum class XdpMode : uint8_t {
    Auto,     ///< in the driver where it can, else generic
    Native,   ///< in the driver, or an error
    Generic,  ///< behind the driver, any interface
};

enum class TcMode : uint8_t {
    Auto,    ///< a tcx link where the kernel has them, else a clsact filter
    Tcx,     ///< Linux 6.6
    Clsact,  ///< a filter; not a link, see link.hpp
};

struct AttachTo {
    /// In place of what the section names: a tracepoint "sched/sched_switch", a kernel function, an
    /// iterator's kind cannot be changed.
    std::string target = {};
    /// Where the section leaves it open ("tc", "cgroup/skb", "sk_skb"): e.g. TcxEgress.
    AttachType attach_type = AttachType::None;
    uint64_t cookie = 0;  ///< bpf_get_attach_cookie(): probes, tracepoints, tracing

    // Network
    std::string interface = {};  ///< by name, or
    uint32_t ifindex = 0;        ///< by number
    std::string netns = {};      ///< of that interface, or of the hook; empty: the caller's
    XdpMode xdp = XdpMode::Auto;
    TcMode tc = TcMode::Auto;
    bool first = false;  ///< tcx: before the programs that are there, not behind them
    NetfilterHook netfilter = {};
    LwtRoute route = {};
    int socket = -1;           ///< socket filters, reuseport
    const Map* map = nullptr;  ///< sk_msg, sk_skb: the sockmap; iterators: the map

    // Control groups
    std::string cgroup = {};  ///< its directory

    // Probes
    std::string binary = {};  ///< program or library, by path or as the dynamic linker knows it
    std::string symbol = {};  ///< function; of kprobe, too
    std::vector<std::string> symbols = {};  ///< multi probes: several; or a pattern in `symbol`
    uint64_t offset = 0;  ///< from the symbol, or from the file's start without one
    int32_t pid = -1;     ///< only in this process; of perf events and iterators, too
    PerfEvent perf = {};
};

/// Attaches by the program's type and section. Fails with Usage where something that it needs is
/// not given; the message says what.
Result<LinkPtr> attach(const Prog& prog, const AttachTo& to = {});

/// Registers a struct_ops map of a loaded object (a TCP congestion control, say).
Result<LinkPtr> attach_struct_ops(const Object& object, const std::string& map);

/// What an iterator prints, all of it.
Result<std::string> read_iterator(const Link& iterator);

}  // namespace skep::kernel
