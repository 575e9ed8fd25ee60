/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
__attribute__((naked)) int bad(struct xdp_md *ctx)
{
	asm volatile("r6 = *(u32 *)(r1 + 12);"
		     "call 7;" /* bpf_get_prandom_u32 */
		     "r0 = *(u32 *)(r1 + 16);"
		     "exit;");
}

SEC("xdp")
__attribute__((naked)) int good(struct xdp_md *ctx)
{
	asm volatile("r6 = r1;"
		     "call 7;"
		     "r0 = *(u32 *)(r6 + 16);"
		     "exit;");
}

char LICENSE[] SEC("license") = "GPL";
