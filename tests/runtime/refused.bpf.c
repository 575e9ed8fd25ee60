/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A program that no verifier takes: it reads a packet without asking where that ends. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int careless(struct xdp_md* ctx) {
    __u8* data = (__u8*)(long)ctx->data;

    return data[3] ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
