// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Subprograms: static and global, shared, called from each other, as callbacks; several programs in
// one section; one that is not loaded by default.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} totals SEC(".maps");

static __noinline int add(int a, int b) {
    __u32 zero = 0;
    __u64* total = bpf_map_lookup_elem(&totals, &zero);
    if (total) *total += a;
    return a + b;
}

__noinline int twice(int a) {
    return add(a, a) + 1;
}

__weak __hidden int hidden_helper(int a) {
    return twice(a) * 3;
}

static long step(__u32 index, int* sum) {
    *sum = add(*sum, index);
    return 0;
}

SEC("xdp")
int first(struct xdp_md* ctx) {
    return twice(ctx->ingress_ifindex);
}

SEC("xdp")
int second(struct xdp_md* ctx) {
    int sum = 0;
    bpf_loop(10, step, &sum, 0);
    return hidden_helper(sum);
}

SEC("?tc")
int manual(struct __sk_buff* skb) {
    return 0;
}

char _license[] SEC("license") = "GPL";
__u32 _version SEC("version") = 0x060102;
