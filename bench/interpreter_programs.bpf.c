/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "interpreter_programs.h"

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
    return (int)collatz(ctx->ingress_ifindex);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
