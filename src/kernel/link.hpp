// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/file.hpp"
#include "base/result.hpp"
#include "kernel/prog.hpp"
#include "kernel/uapi.hpp"

struct bpf_link;

// A program at its hook. As long as the Link lives, the program runs; its end detaches it, unless
// it has been pinned.
//
//     std::unique_ptr<kernel::Link> link = SKEP_TRY(kernel::attach(prog, {.interface = "eth0"}));
//     SKEP_TRY(link->update(better));       // no event without one of the two programs
//     SKEP_TRY(link->pin("/sys/fs/bpf/filter"));
//
// Nearly all are links of the kernel, held by a descriptor: a process that is killed takes them
// along. Two kinds are not (docs/kernel.md): clsact filters, which kernels before 6.6 need for tc,
// and routes with an LWT program. They stay behind a SIGKILL, marked so that they are found again.

namespace skep::kernel {

struct LinkState {
    std::string kind = {};  ///< "tcx", "xdp", "cgroup", "perf_event", "clsact", "socket", ...
    uint32_t id = 0;        ///< of the kernel's link; 0 where it is none
    uint32_t prog_id = 0;   ///< what runs there now; 0 where that is not known
    uint32_t ifindex = 0;   ///< of XDP, tcx, clsact: 0 once the interface is gone
    /// What it was attached to has vanished (the interface, the cgroup): nothing runs any more.
    bool gone = false;
};

class Link {
  public:
    virtual ~Link() = default;
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    /// Puts another program of the same type in place, atomically: each event meets the old or the
    /// new one. With `expected`, only while that is the one there (else EPERM). Hooks that cannot:
    /// EOPNOTSUPP, and nothing has changed.
    virtual Result<void> update(const Prog& next, const Prog* expected = nullptr);

    /// Gives it a name in a bpf file system. It then outlives this object and this process.
    virtual Result<void> pin(const std::string& path);

    /// Detaches now, pinned or not.
    virtual Result<void> detach() = 0;

    virtual Result<LinkState> state() const = 0;

    /// The kernel's link, or -1.
    virtual int fd() const { return -1; }

    /// Link::pin()'s counterpart in another process.
    static Result<std::unique_ptr<Link>> open_pinned(const std::string& path);
    static Result<std::unique_ptr<Link>> open_id(uint32_t id);

  protected:
    Link() = default;
};

using LinkPtr = std::unique_ptr<Link>;

/// A link that the kernel keeps by a descriptor.
LinkPtr make_link(UniqueFd fd);
/// The same by libbpf, which may hold more than one descriptor for it.
LinkPtr make_link(bpf_link* link, std::shared_ptr<const void> owner);

}  // namespace skep::kernel
