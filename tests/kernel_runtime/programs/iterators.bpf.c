/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Iterators: a line for the test's own task, and for each element of a map. */
#include <linux/bpf.h>
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct seq_file;
struct bpf_iter_meta {
    struct seq_file* seq;
};
struct bpf_iter__task {
    struct bpf_iter_meta* meta;
    struct task_struct* task;
};
struct bpf_map;
struct bpf_iter__bpf_map_elem {
    struct bpf_iter_meta* meta;
    struct bpf_map* map;
    void* key;
    void* value;
};
#pragma clang attribute pop

#define PRINT(seq, text, ...)                                            \
    ({                                                                   \
        static const char format[] = text;                               \
        unsigned long long args[] = {__VA_ARGS__};                       \
        bpf_seq_printf(seq, format, sizeof(format), args, sizeof(args)); \
    })

const volatile __u32 wanted;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} numbers SEC(".maps");

SEC("iter/task")
int tasks(struct bpf_iter__task* ctx) {
    struct task_struct* task = ctx->task;

    if (task && (__u32)task->pid == wanted)
        PRINT(ctx->meta->seq, "pid %d tgid %d\n", task->pid, task->tgid);
    return 0;
}

SEC("iter/bpf_map_elem")
int elements(struct bpf_iter__bpf_map_elem* ctx) {
    __u32* key = ctx->key;
    __u64* value = ctx->value;

    if (key && value) PRINT(ctx->meta->seq, "%d=%llu\n", *key, *value);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
