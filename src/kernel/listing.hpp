// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "btf/btf.hpp"
#include "kernel/uapi.hpp"
#include "platform/types.hpp"

// What is loaded into the kernel, by whomever: programs, links, maps; what they are attached to,
// where they are pinned and which processes hold them.
//
//     Listing listing = SKEP_TRY(list_objects());
//     for (const ProgRow& prog : listing.progs) ...
//
// Objects that go away meanwhile are left out. A listing is what one look saw: nothing is locked.

namespace skep::kernel {

struct Holder {
    uint32_t pid = 0;
    std::string comm = {};
};

/// A program at a hook.
struct Attachment {
    std::string hook = {};    ///< "xdp", "tcx_ingress", "cgroup_inet4_connect", "kprobe", ...
    std::string target = {};  ///< "eth0", "/sys/fs/cgroup/web", "do_nanosleep"; may be empty
    uint32_t link_id = 0;     ///< 0 where no link holds it there
    uint32_t map_id = 0;      ///< of a map of sockets
};

struct ProgRow {
    uint32_t id = 0;
    ProgType type = ProgType::Unspec;
    std::string name = {};    ///< whole, where its BTF has it
    std::string tag = {};     ///< hash of its instructions, in hex
    std::string target = {};  ///< the kernel's function, tracepoint or struct that it is for
    uint32_t uid = 0;
    uint64_t loaded_ns = 0;  ///< since boot
    bool gpl = false;
    uint32_t insns = 0;  ///< as rewritten by the kernel; 0 where this user may not see them
    uint32_t jited_bytes = 0;
    uint32_t btf_id = 0;
    uint64_t runs = 0;  ///< while statistics were on
    uint64_t run_ns = 0;
    uint64_t misses = 0;
    std::vector<uint32_t> maps = {};
    std::vector<Attachment> attached = {};
    std::vector<std::string> pins = {};
    std::vector<Holder> holders = {};
};

struct LinkRow {
    uint32_t id = 0;
    LinkType type = LinkType::Unspec;
    uint32_t prog_id = 0;
    Attachment at = {};
    std::vector<std::string> pins = {};
    std::vector<Holder> holders = {};
};

struct MapRow {
    uint32_t id = 0;
    MapType type = MapType::Unspec;
    std::string name = {};
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    uint32_t max_entries = 0;
    uint32_t flags = 0;
    uint32_t btf_id = 0;
    std::vector<uint32_t> progs = {};  ///< that use it
    std::vector<std::string> pins = {};
    std::vector<Holder> holders = {};
};

struct Listing {
    std::vector<ProgRow> progs;
    std::vector<LinkRow> links;
    std::vector<MapRow> maps;
    std::vector<std::string> unseen;  ///< what this user could not look at
};
/// Unsupported (exit 3) where this process may not see ids.
Result<Listing> list_objects();

// The parts.

/// Processes by object: descriptors, as /proc shows them.
struct Holders {
    std::map<uint32_t, std::vector<Holder>> progs, links, maps;
    struct PerfEvent {
        uint32_t prog_id;
        Attachment at;
    };
    std::vector<PerfEvent> perf_events;  ///< programs set on perf events without a link
    size_t hidden_processes = 0;
};
Holders find_holders();

/// Paths by object: all bpf file systems of this mount namespace.
struct Pins {
    std::map<uint32_t, std::vector<std::string>> progs, links, maps;
};
Pins find_pins();

/// Programs at hooks of this network namespace and of all control groups, with their links where
/// the kernel says so.
struct Hooked {
    uint32_t prog_id;
    Attachment at;
};
std::vector<Hooked> find_interface_hooks();
std::vector<Hooked> find_namespace_hooks();
std::vector<Hooked> find_cgroup_hooks(const std::map<uint64_t, std::string>& groups);
/// Number and path of each control group.
std::map<uint64_t, std::string> find_cgroups();

/// Names of types by BTF object and number; each BTF is read once.
class TypeNames {
  public:
    /// Empty where it cannot be found out.
    std::string name(uint32_t btf_id, uint32_t type_id);
    std::shared_ptr<const btf::Btf> types(uint32_t btf_id);

  private:
    std::map<uint32_t, std::shared_ptr<const btf::Btf>> read_;
};

/// What a link is attached to. `prog_target` is its program's, of tracing links.
Attachment describe_link(int fd, const LinkInfo& info, const std::string& prog_target,
                         const std::map<uint64_t, std::string>& groups);
/// "eth0", or "interface 7" where it is none of this network namespace.
std::string interface_name(uint32_t ifindex);

}  // namespace skep::kernel
