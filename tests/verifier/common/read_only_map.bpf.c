/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 limit = 10;

SEC("xdp")
int bad(struct xdp_md *ctx)
{
	*(volatile __u32 *)&limit = ctx->rx_queue_index;
	return XDP_PASS;
}

SEC("xdp")
int good(struct xdp_md *ctx)
{
	return ctx->rx_queue_index < limit ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
