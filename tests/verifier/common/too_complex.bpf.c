/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int bad(struct xdp_md *ctx)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < 10000000; i++)
		sum = sum * 31 + (bpf_get_prandom_u32() & i);
	return sum & 1 ? XDP_PASS : XDP_DROP;
}

static long mix(__u64 i, __u32 *sum)
{
	*sum = *sum * 31 + (bpf_get_prandom_u32() & i);
	return 0;
}

SEC("xdp")
int good(struct xdp_md *ctx)
{
	__u32 sum = 0;

	bpf_loop(8000000, mix, &sum, 0);
	return sum & 1 ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
