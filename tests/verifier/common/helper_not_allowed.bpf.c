/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int bad(struct xdp_md *ctx)
{
	char first;

	return bpf_skb_load_bytes(ctx, 0, &first, 1) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int good(struct xdp_md *ctx)
{
	char first;

	return bpf_xdp_load_bytes(ctx, 0, &first, 1) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
