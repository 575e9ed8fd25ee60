// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// The embedded runtime's own BTF: compiled for the BPF target, its .BTF section becomes what a
// kernel's /sys/kernel/btf/vmlinux is. Never run. Besides the process structs of embedded_types.h
// it has the types that programs written against a vmlinux.h relocate: contexts, protocol headers,
// the special types of map values, and the enums with which they ask what there is.

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>

#include "embedded_types.h"

typedef _Bool bool;

// Contexts (include/uapi/linux/bpf.h). Not from the system's header, which is as old as the system.
#define CTX_POINTER(type, name) \
    union {                     \
        type name;              \
        u64 : 64;               \
    } __attribute__((aligned(8)))

struct xdp_md {
    u32 data;
    u32 data_end;
    u32 data_meta;
    u32 ingress_ifindex;
    u32 rx_queue_index;
    u32 egress_ifindex;
};
SKEP_LAYOUT(struct xdp_md, 24);

struct bpf_sock {
    u32 bound_dev_if;
    u32 family;
    u32 type;
    u32 protocol;
    u32 mark;
    u32 priority;
    u32 src_ip4;
    u32 src_ip6[4];
    u32 src_port;
    u16 dst_port;
    u16 : 16;
    u32 dst_ip4;
    u32 dst_ip6[4];
    u32 state;
    int rx_queue_mapping;
};
SKEP_LAYOUT(struct bpf_sock, 80);

struct bpf_flow_keys;

struct __sk_buff {
    u32 len;
    u32 pkt_type;
    u32 mark;
    u32 queue_mapping;
    u32 protocol;
    u32 vlan_present;
    u32 vlan_tci;
    u32 vlan_proto;
    u32 priority;
    u32 ingress_ifindex;
    u32 ifindex;
    u32 tc_index;
    u32 cb[5];
    u32 hash;
    u32 tc_classid;
    u32 data;
    u32 data_end;
    u32 napi_id;
    u32 family;
    u32 remote_ip4;
    u32 local_ip4;
    u32 remote_ip6[4];
    u32 local_ip6[4];
    u32 remote_port;
    u32 local_port;
    u32 data_meta;
    CTX_POINTER(struct bpf_flow_keys*, flow_keys);
    u64 tstamp;
    u32 wire_len;
    u32 gso_segs;
    CTX_POINTER(struct bpf_sock*, sk);
    u32 gso_size;
    u8 tstamp_type;
    u32 : 24;
    u64 hwtstamp;
};
SKEP_LAYOUT(struct __sk_buff, 192);

struct bpf_raw_tracepoint_args {
    u64 args[0];
};

// Not UAPI (include/linux/if_vlan.h), but what every program that parses VLAN tags calls it.
struct vlan_hdr {
    __be16 h_vlan_TCI;
    __be16 h_vlan_encapsulated_proto;
};

// Not from the system's headers, which draw in the C library.
struct arphdr {
    __be16 ar_hrd;
    __be16 ar_pro;
    u8 ar_hln;
    u8 ar_pln;
    __be16 ar_op;
};

struct icmphdr {
    u8 type;
    u8 code;
    __sum16 checksum;
    union {
        struct {
            __be16 id;
            __be16 sequence;
        } echo;
        __be32 gateway;
        struct {
            __be16 __unused;
            __be16 mtu;
        } frag;
        u8 reserved[4];
    } un;
};
SKEP_LAYOUT(struct icmphdr, 8);

struct icmp6hdr {
    u8 icmp6_type;
    u8 icmp6_code;
    __sum16 icmp6_cksum;
    union {
        __be32 un_data32[1];
        __be16 un_data16[2];
        u8 un_data8[4];
        struct {
            __be16 identifier;
            __be16 sequence;
        } u_echo;
    } icmp6_dataun;
};
SKEP_LAYOUT(struct icmp6hdr, 8);

// What may lie in map values and on the stack; opaque (include/uapi/linux/bpf.h).
struct bpf_spin_lock {
    u32 val;
};

struct bpf_timer {
    u64 __opaque[2];
} __attribute__((aligned(8)));

struct bpf_dynptr {
    u64 __opaque[2];
} __attribute__((aligned(8)));

struct bpf_iter_num {
    u64 __opaque[1];
} __attribute__((aligned(8)));

// Programs ask whether ring buffers exist by the existence of this type.
struct bpf_ringbuf {
    u64 mask;
};

// With bpf_core_enum_value_exists() programs ask which helpers and map types there are: the ones
// that the engine provides.
enum helper_number {
#define HELPER(number, name, since, ret, params) NUMBER_##name = number,
#include "helpers.def"
#undef HELPER
};

enum bpf_func_id {
    BPF_FUNC_unspec = 0,
#define EMBEDDED_HELPER(hooks, name) BPF_FUNC_##name = NUMBER_##name,
#include "embedded_helpers.def"
#undef EMBEDDED_HELPER
};

enum map_number {
#define MAP_TYPE(name, value, text, since) MAP_##name = value,
#include "map_types.def"
#undef MAP_TYPE
};

enum bpf_map_type {
    BPF_MAP_TYPE_UNSPEC = 0,
#define EMBEDDED_MAP(name, kernel_name) BPF_MAP_TYPE_##kernel_name = MAP_##name,
#include "embedded_maps.def"
#undef EMBEDDED_MAP
};

enum xdp_action { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT };

// Kernel functions are resolved by name and prototype against these; their bodies are never run.
#define KFUNC(since, ret, name, params) \
    ret name params {                   \
        return (ret)0;                  \
    }
#include "embedded_kfuncs.def"
#undef KFUNC

// Clang leaves a struct that only pointers mention as a forward declaration. Here each is by value.
union skep_embedded_types {
    struct task_struct task_struct;
    struct cred cred;
    struct nsproxy nsproxy;
    struct uts_namespace uts_namespace;
    struct ipc_namespace ipc_namespace;
    struct mnt_namespace mnt_namespace;
    struct pid_namespace pid_namespace;
    struct net net;
    struct time_namespace time_namespace;
    struct cgroup_namespace cgroup_namespace;
    struct pid pid;
    struct mm_struct mm_struct;
    struct signal_struct signal_struct;
    struct pt_regs pt_regs;
    struct trace_event_raw_sys_enter sys_enter;
    struct trace_event_raw_sys_exit sys_exit;
    struct syscall_trace_enter syscall_enter;
    struct syscall_trace_exit syscall_exit;
    struct trace_event_raw_sched_process_fork process_fork;
    struct trace_event_raw_sched_process_exec process_exec;
    struct trace_event_raw_sched_process_exit process_exit;
    struct xdp_md xdp_md;
    struct bpf_sock bpf_sock;
    struct __sk_buff skb;
    struct bpf_raw_tracepoint_args raw_tracepoint_args;
    struct ethhdr ethhdr;
    struct vlan_hdr vlan_hdr;
    struct arphdr arphdr;
    struct iphdr iphdr;
    struct ipv6hdr ipv6hdr;
    struct tcphdr tcphdr;
    struct udphdr udphdr;
    struct icmphdr icmphdr;
    struct icmp6hdr icmp6hdr;
    struct in_addr in_addr;
    struct in6_addr in6_addr;
    struct bpf_spin_lock spin_lock;
    struct bpf_timer timer;
    struct bpf_dynptr dynptr;
    struct bpf_iter_num iter_num;
    struct bpf_ringbuf ringbuf;
    enum bpf_func_id func_id;
    enum bpf_map_type map_type;
    enum xdp_action xdp_action;
};

int skep_embedded_types(union skep_embedded_types* types) {
    return 0;
}
