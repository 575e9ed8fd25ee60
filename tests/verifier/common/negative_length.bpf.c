/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int bad(struct __sk_buff *skb)
{
	char buffer[64] = {};
	int size = skb->mark;

	if (size > (int)sizeof(buffer))
		size = sizeof(buffer);
	return bpf_skb_load_bytes(skb, 0, buffer, size) ? 2 : buffer[0];
}

SEC("tc")
int good(struct __sk_buff *skb)
{
	char buffer[64] = {};
	__u32 size = skb->mark;

	if (size > sizeof(buffer))
		size = sizeof(buffer);
	if (size == 0)
		return 2;
	return bpf_skb_load_bytes(skb, 0, buffer, size) ? 2 : buffer[0];
}

char LICENSE[] SEC("license") = "GPL";
