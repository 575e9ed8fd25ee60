/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Dispatch: one program a protocol, chosen by a tail call.
 *
 *     skep run dispatch.bpf.o --prog dispatch --pcap ping.pcap --show-map dispatch.bss
 *
 * A tail call replaces the running program by the one in a slot of a prog array, and does not come
 * back; where the slot is empty, the program just goes on. The slots are filled by whoever loads
 * the object, as the initialiser says.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

int on_tcp(struct xdp_md* ctx);
int on_udp(struct xdp_md* ctx);

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 256);
    __uint(key_size, sizeof(__u32));
    __array(values, int(struct xdp_md*));
} by_protocol SEC(".maps") = {
    .values =
        {
            [IPPROTO_TCP] = &on_tcp,
            [IPPROTO_UDP] = &on_udp,
        },
};

__u64 tcp_packets, udp_packets, other_packets;

SEC("xdp")
int on_tcp(struct xdp_md* ctx) {
    (void)ctx;
    __sync_fetch_and_add(&tcp_packets, 1);
    return XDP_PASS;
}

SEC("xdp")
int on_udp(struct xdp_md* ctx) {
    (void)ctx;
    __sync_fetch_and_add(&udp_packets, 1);
    return XDP_PASS;
}

SEC("xdp")
int dispatch(struct xdp_md* ctx) {
    void *data = (void*)(long)ctx->data, *data_end = (void*)(long)ctx->data_end;
    struct ethhdr* eth = data;
    struct iphdr* ip = (void*)(eth + 1);

    if ((void*)(ip + 1) <= data_end && eth->h_proto == bpf_htons(ETH_P_IP))
        bpf_tail_call(ctx, &by_protocol, ip->protocol);
    /* Still here: another protocol. */
    __sync_fetch_and_add(&other_packets, 1);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
