/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int bad(struct xdp_md *ctx)
{
	__u32 fourth = ctx->data + 3;
	unsigned char *byte = (void *)(long)fourth;

	if (byte + 1 > (unsigned char *)(long)ctx->data_end)
		return XDP_DROP;
	return *byte ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int good(struct xdp_md *ctx)
{
	unsigned char *byte = (void *)(long)ctx->data + 3;

	if (byte + 1 > (unsigned char *)(long)ctx->data_end)
		return XDP_DROP;
	return *byte ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
