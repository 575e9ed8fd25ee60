/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs of sockets: filters, sockmaps, listeners. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_SOCKMAP);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SOCKMAP);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} listeners SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} group SEC(".maps");

__u64 messages, filtered, chosen;

/* Keeps datagrams whose payload begins with 'K'; a UDP socket's filter sees the UDP header. */
SEC("socket")
int filter(struct __sk_buff* skb) {
    char first = 0;

    bpf_skb_load_bytes(skb, 8, &first, 1);
    if (first == 'K') return skb->len;
    __sync_fetch_and_add(&filtered, 1);
    return 0;
}

/* Redirects every message to the socket in slot 1. */
SEC("sk_msg")
int message(struct sk_msg_md* msg) {
    __sync_fetch_and_add(&messages, 1);
    return bpf_msg_redirect_map(msg, &sockets, 1, BPF_F_INGRESS);
}

/* Looks at the first byte of what is sent. */
__u64 first_byte;

SEC("sk_msg")
int look(struct sk_msg_md* msg) {
    char *data = msg->data, *end = msg->data_end;

    if (data + 1 <= end) first_byte = (unsigned char)*data;
    return SK_PASS;
}

/* Drops what begins with 'D'. */
SEC("sk_skb/verdict")
int verdict(struct __sk_buff* skb) {
    char first = 0;

    bpf_skb_load_bytes(skb, 0, &first, 1);
    return first == 'D' ? SK_DROP : SK_PASS;
}

/* Ports 7000 to 7999 have one listener. */
SEC("sk_lookup")
int lookup(struct bpf_sk_lookup* ctx) {
    __u32 slot = 0;
    struct bpf_sock* sk;
    long error;

    if (ctx->local_port < 7000 || ctx->local_port > 7999) return SK_PASS;
    sk = bpf_map_lookup_elem(&listeners, &slot);
    if (!sk) return SK_DROP;
    error = bpf_sk_assign(ctx, sk, 0);
    bpf_sk_release(sk);
    return error ? SK_DROP : SK_PASS;
}

/* Always the second of the group. */
SEC("sk_reuseport")
int choose(struct sk_reuseport_md* ctx) {
    __u32 slot = 1;

    __sync_fetch_and_add(&chosen, 1);
    return bpf_sk_select_reuseport(ctx, &group, &slot, 0) ? SK_DROP : SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
