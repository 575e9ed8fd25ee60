/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One system call makes more records than the ring buffer has room for. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "skep.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} events SEC(".maps");
SKEP_LOST(events) __u64 lost;

SEC("tp/syscalls/sys_enter_getppid")
int flood(void* ctx) {
    __u64 record = 0;

    (void)ctx;
    for (int i = 0; i < 1000; i++)
        if (bpf_ringbuf_output(&events, &record, sizeof(record), 0)) __sync_fetch_and_add(&lost, 1);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
