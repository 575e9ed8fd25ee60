/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One program for each way to attach to system calls and to the life of processes. Tests load one
 * or two of them at a time, by name. */
#include <linux/bpf.h>
#include <linux/types.h>

#define __CORE __attribute__((preserve_access_index))

struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip;
    unsigned long cs, flags, sp, ss;
} __CORE;

struct task_struct {
    int pid;
    int tgid;
    struct task_struct* real_parent;
    char comm[16];
} __CORE;

struct trace_event_raw_sys_enter {
    __u64 ent;
    long id;
    unsigned long args[6];
} __CORE;

struct trace_event_raw_sys_exit {
    __u64 ent;
    long id;
    long ret;
} __CORE;

struct trace_event_raw_sched_process_fork {
    __u32 __data_loc_child_comm;
    int parent_pid;
    int child_pid;
} __CORE;

struct trace_event_raw_sched_process_exec {
    __u32 __data_loc_filename;
    int pid;
    int old_pid;
} __CORE;

struct trace_event_raw_sched_process_exit {
    char comm[16];
    int pid;
    _Bool group_dead;
} __CORE;

#define __TARGET_ARCH_x86
#define __VMLINUX_H__ /* bpf_tracing.h: pt_regs has the kernel's field names */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

static __always_inline void count(__u32 index, __u64 by) {
    __u64* value = bpf_map_lookup_elem(&counts, &index);

    if (value) __sync_fetch_and_add(value, by);
}

/* --- printk --- */

SEC("tracepoint/syscalls/sys_enter_execve")
int hello(struct trace_event_raw_sys_enter* ctx) {
    struct task_struct* task = (void*)bpf_get_current_task();
    char comm[16], path[64], parent[16];
    int tgid = BPF_CORE_READ(task, real_parent, tgid);

    bpf_get_current_comm(comm, sizeof(comm));
    bpf_probe_read_user_str(path, sizeof(path), (void*)ctx->args[0]);
    BPF_CORE_READ_STR_INTO(&parent, task, real_parent, comm);
    bpf_printk("%s of %s starts %s", comm, parent, path);
    bpf_printk("parent %d\n", tgid);
    return 0;
}

/* --- records --- */

struct opened {
    __u32 tgid;
    char path[60];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} paths SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} perf SEC(".maps");

SEC("tp/syscalls/sys_enter_openat")
int opens(struct trace_event_raw_sys_enter* ctx) {
    struct opened* record = bpf_ringbuf_reserve(&paths, sizeof(*record), 0);

    if (!record) return 1;
    record->tgid = bpf_get_current_pid_tgid() >> 32;
    if (bpf_probe_read_user_str(record->path, sizeof(record->path), (void*)ctx->args[1]) < 0)
        record->path[0] = 0;
    bpf_ringbuf_submit(record, 0);
    return 0;
}

SEC("tp/syscalls/sys_enter_openat")
int opens_perf(struct trace_event_raw_sys_enter* ctx) {
    struct opened record = {.tgid = bpf_get_current_pid_tgid() >> 32};

    bpf_probe_read_user_str(record.path, sizeof(record.path), (void*)ctx->args[1]);
    return bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &record, sizeof(record));
}

SEC("tp/syscalls/sys_enter_getppid")
int floods(void* ctx) {
    static char bytes[1000];
    int i, failed = 0;

    for (i = 0; i < 5; i++) /* four of them fit */
        failed += bpf_ringbuf_output(&paths, bytes, sizeof(bytes), 0) != 0;
    return failed;
}

/* --- getppid (110) in every form --- */

SEC("tracepoint/raw_syscalls/sys_enter")
int raw_enter(struct trace_event_raw_sys_enter* ctx) {
    if (ctx->id == 110) count(0, 1);
    return 0;
}

SEC("tracepoint/raw_syscalls/sys_exit")
int raw_exit(struct trace_event_raw_sys_exit* ctx) {
    if (ctx->id == 110 && ctx->ret > 0) count(1, 1);
    return 0;
}

SEC("raw_tp/sys_enter")
int regs_enter(struct bpf_raw_tracepoint_args* ctx) {
    struct pt_regs* regs = (void*)ctx->args[0];

    if (ctx->args[1] == 110 && BPF_CORE_READ(regs, orig_ax) == 110) count(2, 1);
    return 0;
}

SEC("raw_tracepoint/sys_exit")
int regs_exit(struct bpf_raw_tracepoint_args* ctx) {
    struct pt_regs* regs = (void*)ctx->args[0];

    if (BPF_CORE_READ(regs, orig_ax) == 110 && BPF_CORE_READ(regs, ax) == ctx->args[1]) count(3, 1);
    return 0;
}

SEC("kprobe/__x64_sys_openat")
int kprobe_openat(struct pt_regs* ctx) {
    struct pt_regs* regs = (void*)PT_REGS_PARM1(ctx);
    char path[8];

    bpf_probe_read_user_str(path, sizeof(path), (void*)BPF_CORE_READ(regs, si));
    if (!bpf_strncmp(path, 4, "/no-")) count(4, 1);
    return 0;
}

SEC("ksyscall/openat")
int BPF_KSYSCALL(ksyscall_openat, int dfd, const char* name, int flags) {
    char path[8];

    bpf_probe_read_user_str(path, sizeof(path), name);
    if (!bpf_strncmp(path, 4, "/no-") && flags & 02000000) count(5, 1);
    return 0;
}

SEC("kretprobe/__x64_sys_openat")
int BPF_KRETPROBE(kretprobe_openat, int result) {
    if (result == -2) count(6, 1);
    return 0;
}

SEC("kretsyscall/openat")
int BPF_KRETPROBE(kretsyscall_openat, int result) {
    if (result == -2) count(7, 1);
    return 0;
}

SEC("tp/syscalls/sys_enter_getppid")
int direct(void* ctx) {
    struct task_struct* task = bpf_get_current_task_btf();

    if (task->tgid == (int)(bpf_get_current_pid_tgid() >> 32) && task->real_parent->tgid > 0)
        count(0, 1);
    return 0;
}

SEC("tp/syscalls/sys_enter_getppid")
int user_regs(void* ctx) {
    struct pt_regs* regs = (void*)bpf_task_pt_regs(bpf_get_current_task_btf());

    if (BPF_CORE_READ(regs, orig_ax) == 110) count(1, 1);
    return 0;
}

/* --- processes --- */

SEC("tp/sched/sched_process_fork")
int forks(struct trace_event_raw_sched_process_fork* ctx) {
    char comm[16];

    bpf_probe_read_kernel_str(comm, sizeof(comm),
                              (void*)ctx + (ctx->__data_loc_child_comm & 0xffff));
    bpf_printk("fork %s %d", comm, ctx->child_pid != ctx->parent_pid);
    return 0;
}

SEC("tracepoint/sched/sched_process_exec")
int execs(struct trace_event_raw_sched_process_exec* ctx) {
    char path[64];

    bpf_probe_read_kernel_str(path, sizeof(path), (void*)ctx + (ctx->__data_loc_filename & 0xffff));
    bpf_printk("exec %s %d", path, ctx->pid == ctx->old_pid);
    return 0;
}

SEC("tracepoint/sched/sched_process_exit")
int exits(struct trace_event_raw_sched_process_exit* ctx) {
    bpf_printk("exit %s %d", ctx->comm, ctx->group_dead);
    return 0;
}

SEC("raw_tp/sched_process_fork")
int raw_forks(struct bpf_raw_tracepoint_args* ctx) {
    struct task_struct *parent = (void*)ctx->args[0], *child = (void*)ctx->args[1];

    if (BPF_CORE_READ(child, real_parent, tgid) == BPF_CORE_READ(parent, tgid)) count(0, 1);
    return 0;
}

/* --- a value for each task --- */

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u64);
} calls SEC(".maps");

SEC("tp/syscalls/sys_enter_getppid")
int counts_calls(void* ctx) {
    __u64* value =
        bpf_task_storage_get(&calls, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

    if (!value) return 1;
    *value += 1;
    bpf_printk("%d %llu", (int)bpf_get_current_pid_tgid(), *value);
    return 0;
}

SEC("tp/sched/sched_process_exit")
int tells_calls(void* ctx) {
    __u64* value = bpf_task_storage_get(&calls, bpf_get_current_task_btf(), 0, 0);

    if (value) count(0, *value);
    return 0;
}

/* --- time --- */

struct element {
    struct bpf_timer timer;
    __u64 fired;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, struct element);
} timed SEC(".maps");

static int fires(void* map, __u32* key, struct element* element) {
    element->fired++;
    count(0, *key);
    if (element->fired < 3) bpf_timer_start(&element->timer, 0, 0);
    return 0;
}

SEC("tp/syscalls/sys_enter_getppid")
int starts_timer(void* ctx) {
    __u32 key = 7;
    struct element zero = {}, *element;

    bpf_map_update_elem(&timed, &key, &zero, BPF_NOEXIST);
    element = bpf_map_lookup_elem(&timed, &key);
    if (!element || bpf_timer_init(&element->timer, &timed, 1)) return 0;
    bpf_timer_set_callback(&element->timer, fires);
    bpf_timer_start(&element->timer, 0, 0);
    return 0;
}

static int rings(void* map, __u32* key, struct element* element) {
    bpf_printk("rings");
    return 0;
}

SEC("tp/syscalls/sys_enter_getppid")
int starts_late_timer(void* ctx) {
    __u32 key = 8;
    struct element zero = {}, *element;

    bpf_map_update_elem(&timed, &key, &zero, BPF_NOEXIST);
    element = bpf_map_lookup_elem(&timed, &key);
    if (!element || bpf_timer_init(&element->timer, &timed, 1)) return 0;
    bpf_timer_set_callback(&element->timer, rings);
    bpf_timer_start(&element->timer, 100000000, 0);
    return 0;
}

/* --- what goes wrong --- */

SEC("tp/syscalls/sys_enter_getppid")
int faulty(void* ctx) {
    __u32 missing = 99;
    __u64* value = bpf_map_lookup_elem(&counts, &missing);

    return *value;
}

SEC("tp/syscalls/sys_enter_getppid")
int kills(void* ctx) {
    bpf_send_signal(9);
    return 0;
}

SEC("?tp/syscalls/sys_enter_opennat")
int misspelt(void* ctx) {
    return 0;
}

SEC("?tp/irq/irq_handler_entry")
int elsewhere(void* ctx) {
    return 0;
}

SEC("?tp")
int nowhere(void* ctx) {
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
