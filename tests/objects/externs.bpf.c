// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Names that come from where the program runs.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct task_struct;
struct rq {
    int cpu;
};

extern int LINUX_KERNEL_VERSION __kconfig;
extern unsigned long CONFIG_HZ __kconfig;
extern _Bool CONFIG_BPF __kconfig __weak;
extern enum libbpf_tristate CONFIG_TUN __kconfig __weak;
extern char CONFIG_DEFAULT_HOSTNAME[16] __kconfig;
extern const struct rq runqueues __ksym;
extern const void bpf_prog_active __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym;
extern struct task_struct* bpf_task_acquire(struct task_struct* p) __ksym __weak;

__u64 out;

SEC("raw_tp/sys_enter")
int use(void* ctx) {
    bpf_rcu_read_lock();
    if (bpf_task_acquire) bpf_task_acquire(ctx);
    out = (__u64)&runqueues + (__u64)&bpf_prog_active + LINUX_KERNEL_VERSION + CONFIG_HZ;
    out += CONFIG_BPF + CONFIG_TUN + CONFIG_DEFAULT_HOSTNAME[1];
    return 0;
}

char _license[] SEC("license") = "GPL";
