// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Structs of functions that the kernel calls.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct my_ops {
    int (*init)(void);
    unsigned int flags;
    int (*release)(void);
    char name[16];
};

SEC("struct_ops/init")
int my_init(void) {
    return 0;
}

SEC("struct_ops/release")
int my_release(void) {
    return 1;
}

SEC(".struct_ops.link")
struct my_ops mine = {
    .init = my_init,
    .flags = 3,
    .release = my_release,
    .name = "mine",
};

char _license[] SEC("license") = "GPL";
