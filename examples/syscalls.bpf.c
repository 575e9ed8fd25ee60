/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Syscalls: how often each program makes each system call.
 *
 *     skep run syscalls.bpf.o --show-map calls -- make
 *
 * A raw tracepoint gets its arguments as an array of words: here the registers and the number of
 * the call.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct key {
    char comm[16];
    __u64 call; /* its number */
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct key);
    __type(value, __u64);
} calls SEC(".maps");

SEC("raw_tp/sys_enter")
int count_calls(struct bpf_raw_tracepoint_args* ctx) {
    struct key key = {.call = ctx->args[1]};
    __u64 one = 1, *count;

    bpf_get_current_comm(key.comm, sizeof(key.comm));
    count = bpf_map_lookup_elem(&calls, &key);
    if (count)
        __sync_fetch_and_add(count, 1);
    else
        bpf_map_update_elem(&calls, &key, &one, BPF_NOEXIST);
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
