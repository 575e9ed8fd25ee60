// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__u64 shared_total = 11;

__noinline int shared_helper(int a) {
    return a > 3 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int prog_b(struct xdp_md* ctx) {
    shared_total++;
    return shared_helper(7);
}

char _license[] SEC("license") = "GPL";
