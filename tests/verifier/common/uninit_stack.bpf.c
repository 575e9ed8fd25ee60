/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct key {
	__u8 protocol; /* three bytes of padding follow */
	__u32 mark;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct key);
	__type(value, __u64);
} flows SEC(".maps");

SEC("socket")
int bad(struct __sk_buff *skb)
{
	struct key key;

	key.protocol = skb->protocol;
	key.mark = skb->mark;
	return bpf_map_lookup_elem(&flows, &key) ? 1 : 0;
}

SEC("socket")
int good(struct __sk_buff *skb)
{
	struct key key;

	__builtin_memset(&key, 0, sizeof(key));
	key.protocol = skb->protocol;
	key.mark = skb->mark;
	return bpf_map_lookup_elem(&flows, &key) ? 1 : 0;
}

char LICENSE[] SEC("license") = "GPL";
