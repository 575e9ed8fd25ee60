// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Global data: the usual three sections, custom ones, static and hidden variables.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const volatile __u32 limit = 10;
const volatile char greeting[8] = "hello";
__u64 counter = 7;
__u64 numbers[4] = {1, 2, 3, 4};
__u32 zeroed;
static __u64 private_total;
__hidden __u32 hidden_flag = 1;
__u32 mine SEC(".data.mine") = 0x01020304;
const volatile __u32 setting SEC(".rodata.settings") = 99;
static __u32 secret SEC(".bss.secret");

SEC("xdp")
int count(struct xdp_md* ctx) {
    counter += numbers[2] + limit;
    private_total += mine + setting + hidden_flag;
    zeroed = secret++ + greeting[1];
    return numbers[3] > private_total ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
