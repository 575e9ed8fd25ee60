/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int bad(struct xdp_md *ctx)
{
	while (bpf_get_prandom_u32() != 4)
		;
	return XDP_PASS;
}

SEC("xdp")
int good(struct xdp_md *ctx)
{
	for (int i = 0; i < 100; i++)
		if (bpf_get_prandom_u32() == 4)
			break;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
