/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * DNS only: a socket filter that keeps UDP packets of port 53, whole, and drops all others.
 *
 *     skep run dns_only.bpf.o --pcap ping.pcap --write dns.pcap
 *
 * What a socket filter returns is how many bytes of the packet to keep; 0 drops it. Raw sockets get
 * the packet with its Ethernet header, of which the filter reads copies.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define KEEP_ALL 0xffffffff
#define DROP 0

SEC("socket")
int dns_only(struct __sk_buff* ctx) {
    struct iphdr ip;
    struct udphdr udp;

    if (ctx->protocol != bpf_htons(ETH_P_IP)) return DROP;
    if (bpf_skb_load_bytes(ctx, ETH_HLEN, &ip, sizeof(ip))) return DROP; /* cut short */
    if (ip.protocol != IPPROTO_UDP || ip.frag_off & bpf_htons(0x1fff)) return DROP;
    if (bpf_skb_load_bytes(ctx, ETH_HLEN + ip.ihl * 4, &udp, sizeof(udp))) return DROP;
    return udp.source == bpf_htons(53) || udp.dest == bpf_htons(53) ? KEEP_ALL : DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
