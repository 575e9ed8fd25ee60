/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Kernel functions that are in a module (nf_conntrack) where the kernel was built so. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct nf_conn {
    unsigned long status;
} __attribute__((preserve_access_index));

struct bpf_ct_opts___local {
    __s32 netns_id;
    __s32 error;
    __u8 l4proto;
    __u8 dir;
    __u8 reserved[2];
};

struct nf_conn* bpf_xdp_ct_lookup(struct xdp_md* xdp_ctx, struct bpf_sock_tuple* bpf_tuple,
                                  __u32 tuple__sz, struct bpf_ct_opts___local* opts,
                                  __u32 opts__sz) __ksym;
void bpf_ct_release(struct nf_conn* nf_conn) __ksym;

static __always_inline struct nf_conn* look_up(struct xdp_md* ctx) {
    struct bpf_sock_tuple tuple = {};
    struct bpf_ct_opts___local options = {.netns_id = -1, .l4proto = 6 /* TCP */};

    return bpf_xdp_ct_lookup(ctx, &tuple, sizeof(tuple.ipv4), &options, sizeof(options));
}

SEC("?xdp")
int known(struct xdp_md* ctx) {
    struct nf_conn* connection = look_up(ctx);

    if (!connection) return XDP_DROP;
    bpf_ct_release(connection);
    return XDP_PASS;
}

SEC("?xdp")
int keeps_it(struct xdp_md* ctx) {
    return look_up(ctx) ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
