// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "skep/result.hpp"

// The attachment of a program to a hook, owned:
//
//     skep::Link link = SKEP_TRY(first.attach({.interface = "eth0"}));
//     SKEP_TRY(link.update(second));        // no packet sees neither, none sees both
//     SKEP_TRY(link.pin("/sys/fs/bpf/my_filter"));   // now it outlives this process
//
// When a Link goes, the program is detached, unless the link is pinned. Movable, not copyable.
// Thread-safety: update() may be called while events run on other threads; else one thread at a
// time.

namespace skep {

class HookPoint;
class Map;
class Program;
class Source;
namespace runtime {
class LinkBackend;
}

/// How an XDP program runs: in the driver, or after it in the network stack.
enum class XdpMode : uint8_t { Any, Native, Generic };

/// perf_event_open(2): what to count, and every how many of it the program runs.
struct PerfEvent {
    uint32_t type = 1;        ///< PERF_TYPE_SOFTWARE
    uint64_t config = 0;      ///< PERF_COUNT_SW_CPU_CLOCK
    uint64_t period = 0;      ///< every so many events, or
    uint64_t frequency = 99;  ///< so often a second where `period` is 0
    int cpu = -1;             ///< one CPU; -1: all of them
};

/// inet hooks of netfilter (enum nf_inet_hooks).
struct NetfilterHook {
    uint32_t family = 2;  ///< NFPROTO_IPV4; 10: IPv6
    uint32_t hook = 1;    ///< 0 prerouting, 1 local in, 2 forward, 3 local out, 4 postrouting
    int32_t priority = -50;
    bool defragment = false;
};

/// A route whose packets meet an LWT program.
struct LwtRoute {
    std::string destination = {};  ///< "10.2.0.0/24"
    std::string via = {};          ///< the gateway; empty: none
};

/// Where to attach, as far as the program's section does not say it. Which of these a program needs
/// depends on its type; one that is missing is an Error of code Usage, one that does not apply is
/// not looked at.
struct AttachOptions {
    std::string interface = {};       ///< xdp, tc, tcx; of this network namespace
    XdpMode xdp_mode = XdpMode::Any;  ///< Any: native where the driver has it
    std::string cgroup = {};          ///< path of a cgroup v2 directory: programs of cgroups
    /// Replaces what the section names: "sched/sched_switch", a function, "PATH:SYMBOL".
    std::string target = {};
    int32_t pid = -1;              ///< uprobe, USDT, perf events, iterators: of this process only
    uint64_t cookie = 0;           ///< what bpf_get_attach_cookie() gives; 0: none
    int socket = -1;               ///< socket filters, sk_reuseport: its descriptor
    const Map* map = nullptr;      ///< sk_msg, sk_skb: the sockmap; iterators: what they walk
    NetfilterHook netfilter = {};  ///< netfilter; of this network namespace
    LwtRoute route = {};           ///< lwt_in, lwt_out, lwt_xmit; `interface` is its device
    PerfEvent perf = {};           ///< perf_event
    /// Of the embedded runtime: what raises the events (source.hpp, hook.hpp).
    HookPoint* hook = nullptr;
    Source* source = nullptr;
};

class Link {
  public:
    Link(Link&&) noexcept;
    Link& operator=(Link&&) noexcept;
    ~Link();

    /// Replaces the program atomically: each event is seen by the old or by the new one. The new
    /// one must be of the same type. Unsupported where the hook cannot do that.
    Result<void> update(const Program& prog);
    /// Detaches now, so that an error can be seen. Does nothing the second time.
    Result<void> detach();
    /// Under a path on bpffs. In the embedded runtime, where an attachment is a part of this
    /// process, Unsupported.
    Result<void> pin(const std::string& path);
    Result<void> unpin();

    /// Of an iterator: what it writes, all of it, as things are now. Unsupported for other
    /// programs.
    Result<std::string> read() const;

    /// False once it is detached, or what it was attached to has vanished (the interface, the
    /// control group, the hook or source): no event comes any more.
    bool attached() const;

    /// "xdp on eth0 (native)": for people.
    std::string describe() const;
    uint32_t id() const;  ///< the kernel's; 0 where the attachment is not a link of its own

    explicit Link(std::unique_ptr<runtime::LinkBackend> backend);

  private:
    std::unique_ptr<runtime::LinkBackend> backend_;
};

}  // namespace skep
