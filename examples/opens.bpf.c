/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Opens: which files a process and its children open, and which of them are not there.
 *
 *     skep run opens.bpf.o -- cat /etc/hostname
 *
 * A call has two ends. The path is read at its beginning and kept in a hash by thread; at its end,
 * path and result leave together through a ring buffer.
 */
#include <linux/bpf.h>
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include "skep.h"

struct open_event {
    __u32 pid;
    __s32 result; /* a file descriptor, or a negative errno */
    char comm[16];
    char path[128];
};
_Static_assert(sizeof(struct open_event) == 152, "layout of open_event");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 256 * 1024);
} events SEC(".maps");
SKEP_EVENT(events, struct open_event);

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 10240);
    __type(key, __u64);   /* process and thread */
    __type(value, __u64); /* address of the path, in the process */
} pending SEC(".maps");

SKEP_LOST(events) __u64 lost; /* events for which the ring buffer had no room */

SEC("tracepoint/syscalls/sys_enter_openat")
int open_begins(struct trace_event_raw_sys_enter* ctx) {
    __u64 thread = bpf_get_current_pid_tgid(), path = ctx->args[1];

    bpf_map_update_elem(&pending, &thread, &path, BPF_ANY);
    return 0;
}

SEC("tracepoint/syscalls/sys_exit_openat")
int open_ends(struct trace_event_raw_sys_exit* ctx) {
    __u64 thread = bpf_get_current_pid_tgid(), *path = bpf_map_lookup_elem(&pending, &thread);
    struct open_event* event;

    if (!path) return 0; /* it began before we did */
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (event) {
        event->pid = thread >> 32;
        event->result = ctx->ret;
        bpf_get_current_comm(event->comm, sizeof(event->comm));
        if (bpf_probe_read_user_str(event->path, sizeof(event->path), (void*)*path) < 0)
            event->path[0] = 0;
        bpf_ringbuf_submit(event, 0);
    } else {
        __sync_fetch_and_add(&lost, 1);
    }
    bpf_map_delete_elem(&pending, &thread);
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
