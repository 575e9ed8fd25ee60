/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Goodbye ping: drops ICMP echo, requests and replies, of IPv4 and IPv6; passes all other packets;
 * counts packets by protocol.
 *
 *     skep run goodbye_ping.bpf.o --pcap ping.pcap --show-map packets
 *
 * XDP programs see a packet as [data, data_end). Each access needs a check against data_end before
 * it, or the verifier refuses the program. Each CPU has counters of its own, so that they need no
 * lock; user space adds them up.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum protocol { OTHER, ARP, ICMP, ICMPV6, TCP, UDP };

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 16);
    __type(key, enum protocol);
    __type(value, __u64);
} packets SEC(".maps");

/* The first bytes of every ICMP message, of either version. */
struct icmp_message {
    __u8 type;
    __u8 code;
};

enum {
    ICMP_ECHO_REPLY = 0,
    ICMP_ECHO_REQUEST = 8,
    ICMPV6_ECHO_REQUEST = 128,
    ICMPV6_ECHO_REPLY = 129,
};

static __always_inline void count(enum protocol protocol) {
    __u64 one = 1, *packets_seen = bpf_map_lookup_elem(&packets, &protocol);

    if (packets_seen)
        *packets_seen += 1;
    else
        bpf_map_update_elem(&packets, &protocol, &one, BPF_ANY);
}

/* By number of the IP header, with where its header begins. */
static __always_inline int judge(__u8 number, void* header, void* data_end) {
    struct icmp_message* icmp = header;

    switch (number) {
        case IPPROTO_TCP: count(TCP); return XDP_PASS;
        case IPPROTO_UDP: count(UDP); return XDP_PASS;
        case IPPROTO_ICMP: count(ICMP); break;
        case IPPROTO_ICMPV6: count(ICMPV6); break;
        default: count(OTHER); return XDP_PASS;
    }
    if ((void*)(icmp + 1) > data_end) return XDP_PASS; /* cut short: not ours to judge */
    if (number == IPPROTO_ICMP)
        return icmp->type == ICMP_ECHO_REQUEST || icmp->type == ICMP_ECHO_REPLY ? XDP_DROP
                                                                                : XDP_PASS;
    return icmp->type == ICMPV6_ECHO_REQUEST || icmp->type == ICMPV6_ECHO_REPLY ? XDP_DROP
                                                                                : XDP_PASS;
}

SEC("xdp")
int goodbye_ping(struct xdp_md* ctx) {
    void *data = (void*)(long)ctx->data, *data_end = (void*)(long)ctx->data_end;
    struct ethhdr* eth = data;

    if ((void*)(eth + 1) > data_end) return XDP_PASS; /* no whole Ethernet header */

    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr* ip = (void*)(eth + 1);

        if ((void*)(ip + 1) > data_end || ip->ihl < 5) return XDP_PASS; /* no whole IP header */
        if (ip->frag_off & bpf_htons(0x1fff)) {                         /* a later fragment */
            count(OTHER);
            return XDP_PASS;
        }
        return judge(ip->protocol, (void*)ip + ip->ihl * 4, data_end);
    }
    if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr* ip = (void*)(eth + 1);

        if ((void*)(ip + 1) > data_end) return XDP_PASS; /* no whole IPv6 header */
        return judge(ip->nexthdr, ip + 1, data_end);
    }
    count(eth->h_proto == bpf_htons(ETH_P_ARP) ? ARP : OTHER);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
