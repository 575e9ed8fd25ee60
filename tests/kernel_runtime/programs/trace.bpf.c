/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Tracepoints in their forms, and perf events: each counts what the test's own process does. */
#include <linux/bpf.h>
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

const volatile __u32 wanted;
__u64 by_tp, by_raw_tp, by_tp_btf, by_perf, cookie;

static __always_inline void count(__u64* counter) {
    if (bpf_get_current_pid_tgid() >> 32 == wanted) __sync_fetch_and_add(counter, 1);
}

SEC("tp/syscalls/sys_enter_getppid")
int tp(void* ctx) {
    count(&by_tp);
    cookie = bpf_get_attach_cookie(ctx);
    return 0;
}

/* args[1] is the system call's number; getppid is 110 on x86-64. */
SEC("raw_tp/sys_enter")
int raw_tp(struct bpf_raw_tracepoint_args* ctx) {
    if (ctx->args[1] == 110) count(&by_raw_tp);
    return 0;
}

SEC("tp_btf/sys_enter")
int tp_btf(__u64* ctx) {
    if (ctx[1] == 110) count(&by_tp_btf);
    return 0;
}

SEC("perf_event")
int perf(void* ctx) {
    (void)ctx;
    count(&by_perf);
    return 0;
}

/* Twice what the test gives. */
struct input {
    __u32 number;
    __u32 doubled;
};

SEC("syscall")
int doubles(struct input* ctx) {
    ctx->doubled = 2 * ctx->number;
    return 5;
}

char LICENSE[] SEC("license") = "GPL";
