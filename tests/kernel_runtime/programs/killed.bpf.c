/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What `skep run --in kernel` has attached when it is killed: four kinds of hooks, a line of
 * bpf_printk(), a ring buffer, and one map that is pinned and has to be found again.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} skep_kill_kept SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, __u64);
} skep_kill_hash SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} skep_kill_ring SEC(".maps");

static __always_inline void count(__u32 hook) {
    __u64 one = 1, *seen = bpf_map_lookup_elem(&skep_kill_hash, &hook);

    if (seen)
        __sync_fetch_and_add(seen, 1);
    else
        bpf_map_update_elem(&skep_kill_hash, &hook, &one, BPF_ANY);
}

SEC("tp/syscalls/sys_enter_getppid")
int skep_kill_tp(void* ctx) {
    __u32 zero = 0, event = 1;
    __u64* kept = bpf_map_lookup_elem(&skep_kill_kept, &zero);

    (void)ctx;
    if (kept) __sync_fetch_and_add(kept, 1);
    bpf_ringbuf_output(&skep_kill_ring, &event, sizeof(event), 0);
    bpf_printk("skep_kill");
    count(0);
    return 0;
}

/* Each hook on the way of a datagram stops what the test sends: a program left behind is noticed.
 */
SEC("xdp")
int skep_kill_xdp(struct xdp_md* ctx) {
    struct ethhdr* eth = (void*)(long)ctx->data;

    count(1);
    if ((void*)(eth + 1) > (void*)(long)ctx->data_end) return XDP_PASS;
    return eth->h_proto == __builtin_bswap16(ETH_P_IP) ? XDP_DROP : XDP_PASS;
}

SEC("tcx/ingress")
int skep_kill_tcx(struct __sk_buff* skb) {
    (void)skb;
    count(2);
    return 2; /* TCX_DROP */
}

SEC("cgroup/connect4")
int skep_kill_cg(struct bpf_sock_addr* ctx) {
    (void)ctx;
    count(3);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
