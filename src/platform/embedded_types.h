/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel structs that the embedded runtime passes to programs, with the fields that it can fill
 * from what an ordinary user may know of a process (/proc, wait status, namespaces). One header for
 * both sides: compiled as BPF C it becomes the runtime's BTF, against which CO-RE programs are
 * relocated; in C++, in namespace skep::platform::embedded, event sources fill the same bytes:
 *
 *     embedded::task_struct task{};
 *     task.pid = tid;
 *     task.real_parent = &parent;        // the program follows it with bpf_probe_read_kernel()
 *
 * Names and meaning are the kernel's (Linux 6.18); order and offsets are ours. A field that is not
 * here is what it is on a kernel without it: bpf_core_field_exists() is 0. What cannot be read of a
 * process (another user's environment addresses) is 0. Strings are NUL-padded; times are
 * nanoseconds. Pointers are addresses in this process; a null pointer is "unknown".
 */
#pragma once

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
#define SKEP_LAYOUT(type, size) static_assert(sizeof(type) == size)
namespace skep::platform::embedded {
using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
#else
#define SKEP_LAYOUT(type, size) _Static_assert(sizeof(type) == size, "layout of " #type)
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
#endif

/* Registers at a probe: programs name them as arch/x86/include/asm/ptrace.h does. */
struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx;
    unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
    unsigned long orig_ax, ip, cs, flags, sp, ss;
};
SKEP_LAYOUT(struct pt_regs, 168);

typedef struct {
    u32 val;
} kuid_t;

typedef struct {
    u32 val;
} kgid_t;

typedef struct {
    u64 val;
} kernel_cap_t;

struct cred {
    kuid_t uid;
    kgid_t gid;
    kuid_t suid;
    kgid_t sgid;
    kuid_t euid;
    kgid_t egid;
    kuid_t fsuid;
    kgid_t fsgid;
    kernel_cap_t cap_inheritable;
    kernel_cap_t cap_permitted;
    kernel_cap_t cap_effective;
    kernel_cap_t cap_bset;
    kernel_cap_t cap_ambient;
};
SKEP_LAYOUT(struct cred, 72);

/* inum is the inode number that `readlink /proc/PID/ns/X` shows. */
struct ns_common {
    u32 inum;
};

struct new_utsname {
    char sysname[65];
    char nodename[65];
    char release[65];
    char version[65];
    char machine[65];
    char domainname[65];
};

struct uts_namespace {
    struct new_utsname name;
    struct ns_common ns;
};
SKEP_LAYOUT(struct uts_namespace, 396);

struct ipc_namespace {
    struct ns_common ns;
};

struct mnt_namespace {
    struct ns_common ns;
};

struct pid_namespace {
    u32 level; /* 0: the initial one, as far as NSpid of /proc/PID/status tells */
    struct ns_common ns;
};

struct net {
    struct ns_common ns;
};

struct time_namespace {
    struct ns_common ns;
};

struct cgroup_namespace {
    struct ns_common ns;
};

struct user_namespace {
    struct ns_common ns;
};

struct nsproxy {
    struct uts_namespace* uts_ns;
    struct ipc_namespace* ipc_ns;
    struct mnt_namespace* mnt_ns;
    struct pid_namespace* pid_ns_for_children;
    struct net* net_ns;
    struct time_namespace* time_ns;
    struct time_namespace* time_ns_for_children;
    struct cgroup_namespace* cgroup_ns;
};
SKEP_LAYOUT(struct nsproxy, 64);

/* A task's number in each pid namespace that it is in, from the outermost. */
struct upid {
    int nr;
    struct pid_namespace* ns;
};

struct pid {
    u32 level;
    struct upid numbers[32]; /* MAX_PID_NS_LEVEL */
};
SKEP_LAYOUT(struct pid, 520);

/* Addresses in the process, for bpf_probe_read_user(). */
struct mm_struct {
    unsigned long start_code, end_code, start_data, end_data;
    unsigned long start_brk, brk, start_stack;
    unsigned long arg_start, arg_end, env_start, env_end;
};
SKEP_LAYOUT(struct mm_struct, 88);

struct signal_struct {
    int nr_threads;
    short oom_score_adj;
};

struct task_struct {
    u32 __state;
    u32 flags; /* PF_* */
    int prio;
    int static_prio;
    int exit_state;
    int exit_code;
    int exit_signal;
    int pid;
    int tgid;
    u32 sessionid;
    kuid_t loginuid;
    struct task_struct* real_parent;
    struct task_struct* parent;
    struct task_struct* group_leader;
    struct pid* thread_pid;
    u64 utime;
    u64 stime;
    unsigned long nvcsw;
    unsigned long nivcsw;
    u64 start_time;     /* CLOCK_MONOTONIC */
    u64 start_boottime; /* CLOCK_BOOTTIME; both to a clock tick, 10 ms */
    unsigned long min_flt;
    unsigned long maj_flt;
    const struct cred* real_cred;
    const struct cred* cred;
    char comm[16];
    struct nsproxy* nsproxy;
    struct signal_struct* signal;
    struct mm_struct* mm;
};
SKEP_LAYOUT(struct task_struct, 200);

/*
 * Tracepoint records, laid out as tracepoints.def says: the context of a tp/ program. Strings lie
 * behind the struct where a __data_loc field says (offset | length << 16).
 */
struct trace_entry {
    u16 type;
    u8 flags;
    u8 preempt_count;
    int pid;
};
SKEP_LAYOUT(struct trace_entry, 8);

struct trace_event_raw_sys_enter {
    struct trace_entry ent;
    long id;
    unsigned long args[6];
};
SKEP_LAYOUT(struct trace_event_raw_sys_enter, 64);

struct trace_event_raw_sys_exit {
    struct trace_entry ent;
    long id;
    long ret;
};
SKEP_LAYOUT(struct trace_event_raw_sys_exit, 24);

struct syscall_trace_enter {
    struct trace_entry ent;
    int nr;
    unsigned long args[6];
};
SKEP_LAYOUT(struct syscall_trace_enter, 64);

struct syscall_trace_exit {
    struct trace_entry ent;
    int nr;
    long ret;
};
SKEP_LAYOUT(struct syscall_trace_exit, 24);

struct trace_event_raw_sched_process_fork {
    struct trace_entry ent;
    u32 __data_loc_parent_comm;
    int parent_pid;
    u32 __data_loc_child_comm;
    int child_pid;
};
SKEP_LAYOUT(struct trace_event_raw_sched_process_fork, 24);

struct trace_event_raw_sched_process_exec {
    struct trace_entry ent;
    u32 __data_loc_filename;
    int pid;
    int old_pid;
};
SKEP_LAYOUT(struct trace_event_raw_sched_process_exec, 20);

struct trace_event_raw_sched_process_exit {
    struct trace_entry ent;
    char comm[16];
    int pid;
    int prio;
    u8 group_dead;
};
SKEP_LAYOUT(struct trace_event_raw_sched_process_exit, 36);

#ifdef __cplusplus
}  // namespace skep::platform::embedded
#endif
