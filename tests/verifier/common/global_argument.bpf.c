/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct pair {
	__u32 a, b;
};

__attribute__((noinline)) int sum_unchecked(struct pair *pair)
{
	return pair->a + pair->b;
}

__attribute__((noinline)) int sum(struct pair *pair)
{
	return pair ? pair->a + pair->b : 0;
}

SEC("tc")
int bad(struct __sk_buff *skb)
{
	struct pair pair = {skb->len, skb->mark};

	return sum_unchecked(&pair);
}

SEC("tc")
int good(struct __sk_buff *skb)
{
	struct pair pair = {skb->len, skb->mark};

	return sum(&pair);
}

char LICENSE[] SEC("license") = "GPL";
