/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct line {
	char text[300];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct line);
} scratch SEC(".maps");

static __attribute__((noinline)) int inner(struct xdp_md *ctx)
{
	struct line line = {};

	bpf_xdp_load_bytes(ctx, 0, &line, 64);
	return line.text[ctx->rx_queue_index & 63];
}

SEC("xdp")
int bad(struct xdp_md *ctx)
{
	struct line line = {};

	bpf_xdp_load_bytes(ctx, 64, &line, 64);
	return line.text[ctx->rx_queue_index & 63] == inner(ctx) ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int good(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct line *line = bpf_map_lookup_elem(&scratch, &key);

	if (!line || bpf_xdp_load_bytes(ctx, 64, line, 64))
		return XDP_DROP;
	return line->text[ctx->rx_queue_index & 63] == inner(ctx) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
