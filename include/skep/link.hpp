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
class Program;
class Source;
namespace runtime {
class LinkBackend;
}

/// How an XDP program runs: in the driver, or after it in the network stack.
enum class XdpMode : uint8_t { Any, Native, Generic };

/// Where to attach, as far as the program's section does not say it. Which of these a program needs
/// depends on its type; one that does not apply is an Error of code Usage.
struct AttachOptions {
    std::string interface = {};       ///< xdp, tc, tcx; of this network namespace
    XdpMode xdp_mode = XdpMode::Any;  ///< Any: native where the driver has it
    std::string cgroup = {};          ///< path of a cgroup v2 directory: programs of cgroups
    /// Replaces what the section names: "sched/sched_switch", a function, "PATH:SYMBOL".
    std::string target = {};
    int32_t pid = -1;     ///< uprobe, USDT: of this process only
    uint64_t cookie = 0;  ///< what bpf_get_attach_cookie() gives; 0: none
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
