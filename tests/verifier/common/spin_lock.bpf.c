/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct account {
	struct bpf_spin_lock lock;
	__u64 balance;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct account);
} accounts SEC(".maps");

SEC("tc")
int bad(struct __sk_buff *skb)
{
	__u32 key = 0;
	struct account *account = bpf_map_lookup_elem(&accounts, &key);

	if (!account)
		return 0;
	bpf_spin_lock(&account->lock);
	if (account->balance < skb->len)
		return 2;
	account->balance -= skb->len;
	bpf_spin_unlock(&account->lock);
	return 0;
}

SEC("tc")
int good(struct __sk_buff *skb)
{
	__u32 key = 0, verdict = 0;
	struct account *account = bpf_map_lookup_elem(&accounts, &key);

	if (!account)
		return 0;
	bpf_spin_lock(&account->lock);
	if (account->balance < skb->len)
		verdict = 2;
	else
		account->balance -= skb->len;
	bpf_spin_unlock(&account->lock);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
