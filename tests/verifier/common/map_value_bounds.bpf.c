/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct histogram {
	__u64 slots[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct histogram);
} sizes SEC(".maps");

SEC("xdp")
int bad(struct xdp_md *ctx)
{
	__u32 key = 0, slot = ctx->rx_queue_index;
	struct histogram *histogram = bpf_map_lookup_elem(&sizes, &key);

	if (histogram && slot <= 16)
		histogram->slots[slot]++;
	return XDP_PASS;
}

SEC("xdp")
int good(struct xdp_md *ctx)
{
	__u32 key = 0, slot = ctx->rx_queue_index;
	struct histogram *histogram = bpf_map_lookup_elem(&sizes, &key);

	if (histogram && slot < 16)
		histogram->slots[slot]++;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
