/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Two policies for the server of gate.cpp, which runs one of them at a time. They share a map. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "request.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u32);   /* client */
    __type(value, __u64); /* requests that were judged */
} judged SEC(".maps");

static __always_inline int judge(struct request* request, __u32 limit, __u64 name) {
    __u32 client = request->client;
    __u64 one = 1, *count = bpf_map_lookup_elem(&judged, &client);

    if (count)
        __sync_fetch_and_add(count, 1);
    else
        bpf_map_update_elem(&judged, &client, &one, BPF_ANY);
    request->judge = name;
    return request->size <= limit ? ALLOW : DENY;
}

SEC("syscall")
int strict(struct request* request) {
    return judge(request, 1000, 1);
}

SEC("syscall")
int lenient(struct request* request) {
    return judge(request, 1000000, 2);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
