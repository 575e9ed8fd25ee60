/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Programs of network hooks. Each counts what it sees; those that deny, deny UDP to port 7777 only,
 * so that a test sees both effects.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define DENIED_PORT 7777

__u64 xdp_passes, xdp_drops, xdp_frags, tc_passes, tc_drops, lwt_drops, flows;
__u64 largest;

static __always_inline int is_denied(void* data, void* data_end) {
    struct ethhdr* eth = data;
    struct iphdr* ip = (void*)(eth + 1);
    struct udphdr* udp = (void*)(ip + 1);

    if ((void*)(udp + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP)) return 0;
    return ip->protocol == IPPROTO_UDP && ip->ihl == 5 && udp->dest == bpf_htons(DENIED_PORT);
}

SEC("xdp")
int xdp_pass(struct xdp_md* ctx) {
    if (is_denied((void*)(long)ctx->data, (void*)(long)ctx->data_end))
        __sync_fetch_and_add(&xdp_passes, 1);
    return XDP_PASS;
}

SEC("xdp")
int xdp_drop(struct xdp_md* ctx) {
    if (!is_denied((void*)(long)ctx->data, (void*)(long)ctx->data_end)) return XDP_PASS;
    __sync_fetch_and_add(&xdp_drops, 1);
    return XDP_DROP;
}

/* Sees packets of more than one buffer. */
SEC("xdp.frags")
int xdp_large(struct xdp_md* ctx) {
    __u64 length = bpf_xdp_get_buff_len(ctx);

    if (is_denied((void*)(long)ctx->data, (void*)(long)ctx->data_end))
        __sync_fetch_and_add(&xdp_frags, 1);
    if (length > largest) largest = length;
    return XDP_PASS;
}

SEC("tc")
int tc_pass(struct __sk_buff* skb) {
    if (bpf_skb_pull_data(skb, 42) == 0 &&
        is_denied((void*)(long)skb->data, (void*)(long)skb->data_end))
        __sync_fetch_and_add(&tc_passes, 1);
    return TC_ACT_UNSPEC;
}

SEC("tc")
int tc_drop(struct __sk_buff* skb) {
    if (bpf_skb_pull_data(skb, 42) != 0 ||
        !is_denied((void*)(long)skb->data, (void*)(long)skb->data_end))
        return TC_ACT_UNSPEC;
    __sync_fetch_and_add(&tc_drops, 1);
    return TC_ACT_SHOT;
}

/* Earliest departure: each denied-port datagram 10 ms behind the one before. */
__u64 departure;

SEC("tc")
int tc_pace(struct __sk_buff* skb) {
    __u64 now = bpf_ktime_get_ns();

    if (bpf_skb_pull_data(skb, 42) != 0 ||
        !is_denied((void*)(long)skb->data, (void*)(long)skb->data_end))
        return TC_ACT_UNSPEC;
    departure = departure + 10000000 > now ? departure + 10000000 : now;
    skb->tstamp = departure;
    return TC_ACT_OK;
}

SEC("lwt_out")
int lwt_drop(struct __sk_buff* skb) {
    (void)skb;
    __sync_fetch_and_add(&lwt_drops, 1);
    return BPF_DROP;
}

SEC("flow_dissector")
int dissect(struct __sk_buff* skb) {
    (void)skb;
    __sync_fetch_and_add(&flows, 1);
    return BPF_FLOW_DISSECTOR_CONTINUE;
}

/* NF_ACCEPT is 1, NF_DROP is 0: drops everything, to be attached where only the test sends. */
SEC("netfilter")
int nf_drop(void* ctx) {
    (void)ctx;
    return 0;
}

SEC("netfilter")
int nf_accept(void* ctx) {
    (void)ctx;
    return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
