/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel's types that our programs use, with the fields that they use and nothing else. CO-RE
 * (preserve_access_index) finds the fields where they are in the kernel that the program is loaded
 * into, or in skep's embedded runtime; order and size here mean nothing. Include it before
 * bpf_core_read.h.
 */
#pragma once

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct {
    int pid;  /* of the thread: what user space calls tid */
    int tgid; /* of the process: what user space calls pid */
    struct task_struct* real_parent;
    char comm[16];
};

/* What a program of tracepoint/syscalls/sys_enter_* gets. */
struct trace_event_raw_sys_enter {
    long id;
    unsigned long args[6];
};

/* And of sys_exit_*. */
struct trace_event_raw_sys_exit {
    long id;
    long ret;
};

#pragma clang attribute pop
