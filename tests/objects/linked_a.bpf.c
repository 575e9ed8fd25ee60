// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Half of an object for bpftool's static linker; linked_b.bpf.c has what this one lacks.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

int shared_helper(int a);
extern __u64 shared_total;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} map_a SEC(".maps");

__u32 own_a = 5;

SEC("xdp")
int prog_a(struct xdp_md* ctx) {
    __u32 zero = 0;
    __u64* value = bpf_map_lookup_elem(&map_a, &zero);
    if (value) *value += own_a + shared_total;
    return shared_helper(ctx->rx_queue_index);
}

char _license[] SEC("license") = "GPL";
