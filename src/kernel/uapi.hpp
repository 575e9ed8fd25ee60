// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <string_view>

// What bpf(2) of a newer kernel than the build machine's headers knows: <linux/bpf.h> may be that
// of Linux 6.1, these are the layouts and numbers of 6.18. The one place for them. The kernel takes
// a structure of another size than its own as long as what it does not know is zero, so the newest
// layout works on every kernel; a field that it lacks gives E2BIG when set.

#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnested-anon-types"  // the kernel has them, too
#endif

namespace skep::kernel {

enum class LinkType : uint32_t {
    Unspec = 0,
#define LINK_TYPE(name, value, text) name = value,
#include "kernel/link_types.def"
#undef LINK_TYPE
};
/// bpftool's name; "unknown" outside the table.
std::string_view to_string(LinkType type);

/// What a perf_event link is attached to (enum bpf_perf_event_type, 6.6).
enum class PerfEventType : uint32_t {
    Unspec = 0,
    Uprobe = 1,
    Uretprobe = 2,
    Kprobe = 3,
    Kretprobe = 4,
    Tracepoint = 5,
    Event = 6,
};

// Flags of link_create, prog_attach and prog_query.
inline constexpr uint32_t kAllowOverride = 1u << 0, kAllowMulti = 1u << 1, kReplace = 1u << 2,
                          kBefore = 1u << 3, kAfter = 1u << 4, kById = 1u << 5, kLink = 1u << 13,
                          kPreorder = 1u << 6;
inline constexpr uint32_t kQueryEffective = 1u << 0;

/// struct bpf_link_info. Strings and lists are in/out: set pointer and room, and ask again.
struct alignas(8) LinkInfo {
    uint32_t type;  ///< LinkType
    uint32_t id;
    uint32_t prog_id;
    uint32_t pad_;
    union {
        struct {
            uint64_t name;
            uint32_t name_len;
            uint32_t pad;
            uint64_t cookie;
        } raw_tracepoint;
        struct {
            uint32_t attach_type;
            uint32_t target_obj_id;  ///< a program's id, or that of BTF
            uint32_t target_btf_id;
            uint32_t pad;
            uint64_t cookie;
        } tracing;
        struct {
            uint64_t cgroup_id;
            uint32_t attach_type;
        } cgroup;
        struct {
            uint64_t target_name;
            uint32_t target_name_len;
            uint32_t map_id;
            union {
                struct {
                    uint64_t cgroup_id;
                    uint32_t order;
                } cgroup;
                struct {
                    uint32_t tid;
                    uint32_t pid;
                } task;
            };
        } iter;
        struct {
            uint32_t netns_ino;
            uint32_t attach_type;
        } netns;
        struct {
            uint32_t ifindex;
        } xdp;
        struct {
            uint32_t map_id;
        } struct_ops;
        struct {
            uint32_t pf;
            uint32_t hooknum;
            int32_t priority;
            uint32_t flags;
        } netfilter;
        struct {
            uint64_t addrs;
            uint32_t count;
            uint32_t flags;  ///< 1: return probes
            uint64_t missed;
            uint64_t cookies;
        } kprobe_multi;
        struct {
            uint64_t path;
            uint64_t offsets;
            uint64_t ref_ctr_offsets;
            uint64_t cookies;
            uint32_t path_size;
            uint32_t count;
            uint32_t flags;  ///< 1: return probes
            uint32_t pid;
        } uprobe_multi;
        struct {
            uint32_t type;  ///< PerfEventType
            uint32_t pad;
            union {
                struct {
                    uint64_t file_name;
                    uint32_t name_len;
                    uint32_t offset;
                    uint64_t cookie;
                } uprobe;
                struct {
                    uint64_t func_name;
                    uint32_t name_len;
                    uint32_t offset;
                    uint64_t addr;
                    uint64_t missed;
                    uint64_t cookie;
                } kprobe;
                struct {
                    uint64_t tp_name;
                    uint32_t name_len;
                    uint32_t pad;
                    uint64_t cookie;
                } tracepoint;
                struct {
                    uint64_t config;
                    uint32_t type;
                    uint32_t pad;
                    uint64_t cookie;
                } event;
            };
        } perf_event;
        struct {
            uint32_t ifindex;
            uint32_t attach_type;
        } tcx;  ///< of netkit, too
        struct {
            uint32_t map_id;
            uint32_t attach_type;
        } sockmap;
    };
};

/// The part of union bpf_attr that BPF_LINK_CREATE reads.
struct LinkCreateAttr {
    uint32_t prog_fd = 0;    ///< of struct_ops: the map's
    uint32_t target_fd = 0;  ///< of XDP, tcx, netkit: the ifindex
    uint32_t attach_type = 0;
    uint32_t flags = 0;
    union {
        uint32_t target_btf_id;
        struct {
            uint64_t info;
            uint32_t info_len;
        } iter;
        struct {
            uint64_t cookie;
        } perf_event;
        struct {
            uint32_t flags;
            uint32_t cnt;
            uint64_t syms;
            uint64_t addrs;
            uint64_t cookies;
        } kprobe_multi;
        struct {
            uint32_t target_btf_id;
            uint64_t cookie;
        } tracing;
        struct {
            uint32_t pf;
            uint32_t hooknum;
            int32_t priority;
            uint32_t flags;
        } netfilter;
        struct {
            uint32_t relative_fd;  ///< or an id, with kById
            uint64_t expected_revision;
        } relative;  ///< of tcx, netkit and (6.16) cgroups
        struct {
            uint64_t path;
            uint64_t offsets;
            uint64_t ref_ctr_offsets;
            uint64_t cookies;
            uint32_t cnt;
            uint32_t flags;
            uint32_t pid;
        } uprobe_multi = {};
    };
};

/// The part that BPF_MAP_CREATE reads.
struct MapCreateAttr {
    uint32_t type = 0;
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    uint32_t max_entries = 0;
    uint32_t flags = 0;
    uint32_t inner_map_fd = 0;
    uint32_t numa_node = 0;
    char name[16] = {};
    uint32_t ifindex = 0;
    uint32_t btf_fd = 0;
    uint32_t btf_key_type_id = 0;
    uint32_t btf_value_type_id = 0;
    uint32_t btf_vmlinux_value_type_id = 0;
    uint64_t extra = 0;
    int32_t value_type_btf_obj_fd = 0;
    int32_t token_fd = 0;
};

/// The part that BPF_PROG_LOAD reads.
struct ProgLoadAttr {
    uint32_t type = 0;
    uint32_t insn_cnt = 0;
    uint64_t insns = 0;
    uint64_t license = 0;
    uint32_t log_level = 0;
    uint32_t log_size = 0;
    uint64_t log_buf = 0;
    uint32_t kern_version = 0;
    uint32_t flags = 0;
    char name[16] = {};
    uint32_t ifindex = 0;
    uint32_t expected_attach_type = 0;
    uint32_t btf_fd = 0;
    uint32_t func_info_rec_size = 0;
    uint64_t func_info = 0;
    uint32_t func_info_cnt = 0;
    uint32_t line_info_rec_size = 0;
    uint64_t line_info = 0;
    uint32_t line_info_cnt = 0;
    uint32_t attach_btf_id = 0;
    uint32_t attach_fd = 0;  ///< of a program or a module's BTF
    uint32_t core_relo_cnt = 0;
    uint64_t fd_array = 0;
    uint64_t core_relos = 0;
    uint32_t core_relo_rec_size = 0;
    uint32_t log_true_size = 0;
    int32_t token_fd = 0;
    uint32_t fd_array_cnt = 0;
};

/// The part that BPF_PROG_TEST_RUN reads and writes.
struct TestRunAttr {
    uint32_t prog_fd = 0;
    uint32_t retval = 0;
    uint32_t data_size_in = 0;
    uint32_t data_size_out = 0;
    uint64_t data_in = 0;
    uint64_t data_out = 0;
    uint32_t repeat = 0;
    uint32_t duration = 0;  ///< ns a run, on average
    uint32_t ctx_size_in = 0;
    uint32_t ctx_size_out = 0;
    uint64_t ctx_in = 0;
    uint64_t ctx_out = 0;
    uint32_t flags = 0;
    uint32_t cpu = 0;
    uint32_t batch_size = 0;
    uint32_t pad_ = 0;
};

/// The part that BPF_PROG_QUERY reads and writes.
struct ProgQueryAttr {
    uint32_t target = 0;  ///< a file descriptor, or an ifindex
    uint32_t attach_type = 0;
    uint32_t query_flags = 0;
    uint32_t attach_flags = 0;
    uint64_t prog_ids = 0;
    uint32_t count = 0;
    uint32_t pad_ = 0;
    uint64_t prog_attach_flags = 0;
    uint64_t link_ids = 0;
    uint64_t link_attach_flags = 0;
    uint64_t revision = 0;
};

}  // namespace skep::kernel
#ifdef __clang__
#pragma clang diagnostic pop
#endif
