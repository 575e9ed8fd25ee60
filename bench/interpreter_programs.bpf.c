/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "interpreter_programs.h"

/* What a run costs at its beginning and end is all that this one does. */
SEC("xdp")
int pass(struct xdp_md* ctx) {
    return XDP_PASS;
}

SEC("xdp")
int parser(struct xdp_md* ctx) {
    return (int)parse_packet((const u8*)(long)ctx->data, (const u8*)(long)ctx->data_end);
}

SEC("xdp")
int mixer(struct xdp_md* ctx) {
    return (int)mix(ctx->ingress_ifindex);
}

SEC("xdp")
int branches(struct xdp_md* ctx) {
    return (int)choose(ctx->ingress_ifindex);
}

/* The same on plain memory that begins with this struct, for ubpf, which knows no xdp_md. */
SEC("?xdp")
int pass_flat(struct flat_ctx* ctx) {
    return XDP_PASS;
}

SEC("?xdp")
int parser_flat(struct flat_ctx* ctx) {
    return (int)parse_packet(ctx->data, ctx->data_end);
}

SEC("?xdp")
int mixer_flat(struct flat_ctx* ctx) {
    return (int)mix(ctx->seed);
}

SEC("?xdp")
int branches_flat(struct flat_ctx* ctx) {
    return (int)choose(ctx->seed);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
