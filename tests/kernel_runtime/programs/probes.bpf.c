/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Probes in functions of the test program itself, and of the kernel. */
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define bool _Bool /* usdt.bpf.h expects vmlinux.h */
#include <bpf/usdt.bpf.h>

const volatile __u32 wanted;
__u64 hits;
__s64 argument, result, second;
__u64 cookie;

static __always_inline int mine(void) {
    return bpf_get_current_pid_tgid() >> 32 == wanted;
}

static __always_inline int entered(struct pt_regs* ctx) {
    if (!mine()) return 0;
    __sync_fetch_and_add(&hits, 1);
    argument = PT_REGS_PARM1(ctx);
    cookie = bpf_get_attach_cookie(ctx);
    return 0;
}

static __always_inline int returned(struct pt_regs* ctx) {
    if (!mine()) return 0;
    __sync_fetch_and_add(&hits, 1);
    result = PT_REGS_RC(ctx);
    return 0;
}

SEC("?uprobe")
int uprobe(struct pt_regs* ctx) {
    return entered(ctx);
}

SEC("?uretprobe")
int uretprobe(struct pt_regs* ctx) {
    return returned(ctx);
}

SEC("?uprobe.multi")
int uprobe_multi(struct pt_regs* ctx) {
    return entered(ctx);
}

SEC("?uretprobe.multi")
int uretprobe_multi(struct pt_regs* ctx) {
    return returned(ctx);
}

SEC("?usdt")
int BPF_USDT(usdt, long first, long other) {
    (void)ctx;
    if (!mine()) return 0;
    __sync_fetch_and_add(&hits, 1);
    argument = first;
    second = other;
    return 0;
}

SEC("?kprobe/__x64_sys_getppid")
int kprobe(struct pt_regs* ctx) {
    (void)ctx;
    if (mine()) __sync_fetch_and_add(&hits, 1);
    return 0;
}

SEC("?kretprobe/__x64_sys_getppid")
int kretprobe(struct pt_regs* ctx) {
    return returned(ctx);
}

SEC("?ksyscall/getppid")
int ksyscall(struct pt_regs* ctx) {
    (void)ctx;
    if (mine()) __sync_fetch_and_add(&hits, 1);
    return 0;
}

SEC("?kprobe.multi/__x64_sys_getpp*")
int kprobe_multi(struct pt_regs* ctx) {
    (void)ctx;
    if (mine()) __sync_fetch_and_add(&hits, 1);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
