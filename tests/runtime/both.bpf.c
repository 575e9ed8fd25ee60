/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the runtime's interface is tested with, in this process and in the kernel. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "skep.h"

/* What hooks pass: programs may read and change it. */
struct request {
    __u32 size;
    __u32 method;
    __u64 judge;
};

const volatile __u32 limit = 100;
__u64 judged;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u64);
} by_method SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} packets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_QUEUE);
    __uint(max_entries, 4);
    __type(value, __u32);
} queue SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 4);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(key_size, 8);
    __type(value, __u32);
} routes SEC(".maps");

struct inner {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
};
struct inner inner_one SEC(".maps"), inner_two SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 4);
    __type(key, __u32);
    __array(values, struct inner);
} outer SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u32);
} progs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} events SEC(".maps");

static __always_inline int judge(struct request* request, __u32 most, __u64 name) {
    __u32 method = request->method;
    __u64 one = 1, *count = bpf_map_lookup_elem(&by_method, &method);

    if (count)
        __sync_fetch_and_add(count, 1);
    else
        bpf_map_update_elem(&by_method, &method, &one, BPF_ANY);
    __sync_fetch_and_add(&judged, 1);
    request->judge = name;
    return request->size <= most;
}

SEC("syscall")
int first(struct request* request) {
    return judge(request, limit, 1);
}

SEC("syscall")
int second(struct request* request) {
    return judge(request, 2 * limit, 2);
}

/* Says what it has seen, and by what way. */
SEC("syscall")
int report(struct request* request) {
    struct request* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event) return -1;
    *event = *request;
    bpf_ringbuf_submit(event, 0);
    bpf_printk("runtime test: size %d", request->size);
    return 0;
}

/* More records than the ring buffer has room for. */
SKEP_LOST(events) __u64 lost;

SEC("syscall")
int flood(struct request* request) {
    struct request copy = *request;

    for (int i = 0; i < 1000; i++)
        if (bpf_ringbuf_output(&events, &copy, sizeof(copy), 0)) __sync_fetch_and_add(&lost, 1);
    return 0;
}

/* Through a map of maps: adds to the first value of the map that `method` names. */
SEC("syscall")
int add_inner(struct request* request) {
    __u32 method = request->method, zero = 0;
    void* map = bpf_map_lookup_elem(&outer, &method);
    __u64* value;

    if (!map) return -1;
    value = bpf_map_lookup_elem(map, &zero);
    if (!value) return -2;
    __sync_fetch_and_add(value, request->size);
    return 0;
}

/* Reaches behind the context that the test's hook has. */
SEC("syscall")
int reaches_far(struct request* request) {
    return ((__u32*)request)[100];
}

SEC("xdp")
int pass(struct xdp_md* ctx) {
    __u32 key = 0;
    __u64* count = bpf_map_lookup_elem(&packets, &key);

    (void)ctx;
    if (count) *count += 1;
    return XDP_PASS;
}

SEC("xdp")
int drop(struct xdp_md* ctx) {
    __u32 key = 1;
    __u64* count = bpf_map_lookup_elem(&packets, &key);

    (void)ctx;
    if (count) *count += 1;
    return XDP_DROP;
}

/* What a slot of `progs` says, or else 77. */
SEC("xdp")
int jump(struct xdp_md* ctx) {
    bpf_tail_call(ctx, &progs, 1);
    return 77;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
