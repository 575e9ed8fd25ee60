/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Talkers: packets and bytes by IPv4 source address, in a tc program that lets everything pass.
 *
 *     skep run talkers.bpf.o --pcap mixed.pcapng --show-map talkers
 *
 * tc programs see a packet after the network stack has made a socket buffer of it: ctx->protocol
 * and ctx->len are already known. An LRU map forgets who has not talked for longest when it is
 * full.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct address {
    __u8 octets[4];
};

struct traffic {
    __u64 packets;
    __u64 bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct address);
    __type(value, struct traffic);
} talkers SEC(".maps");

SEC("tc")
int count_talkers(struct __sk_buff* ctx) {
    struct traffic first = {.packets = 1, .bytes = ctx->len}, *traffic;
    struct address source;

    if (ctx->protocol != bpf_htons(ETH_P_IP)) return TC_ACT_OK; /* not IPv4 */
    if (bpf_skb_load_bytes_relative(ctx, __builtin_offsetof(struct iphdr, saddr), &source,
                                    sizeof(source), BPF_HDR_START_NET))
        return TC_ACT_OK; /* cut short */

    traffic = bpf_map_lookup_elem(&talkers, &source);
    if (!traffic) {
        bpf_map_update_elem(&talkers, &source, &first, BPF_NOEXIST);
        return TC_ACT_OK;
    }
    __sync_fetch_and_add(&traffic->packets, 1);
    __sync_fetch_and_add(&traffic->bytes, ctx->len);
    return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
