/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hello: a line for each program that is started.
 *
 *     skep run hello.bpf.o -- sh -c 'ls / | head -2'
 *
 * Shows the three ways to know something about who makes a system call: helpers that ask about the
 * current process, its memory (the path is in user space), and the kernel's own structs, whose
 * layout differs between kernels and is found by CO-RE.
 */
#include <linux/bpf.h>
/* Types of the kernel come first: bpf_core_read.h uses them. */
#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

SEC("tracepoint/syscalls/sys_enter_execve")
int hello(struct trace_event_raw_sys_enter* ctx) {
    struct task_struct* task = (void*)bpf_get_current_task();
    __u32 pid = bpf_get_current_pid_tgid() >> 32;
    char comm[16], parent[16], path[64];

    bpf_get_current_comm(comm, sizeof(comm));
    BPF_CORE_READ_STR_INTO(&parent, task, real_parent, comm);
    bpf_probe_read_user_str(path, sizeof(path), (void*)ctx->args[0]);

    bpf_printk("hello, pid %d: %s, child of %s, becomes %s", pid, comm, parent, path);
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
