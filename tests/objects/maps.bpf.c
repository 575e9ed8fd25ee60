// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Every way to define a map in section .maps.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#ifndef __ulong
#define __ulong(name, val) enum { __unique_value_##name = val } name
#endif

struct key {
    __u32 address;
    __u16 port;
    __u16 pad;
};

struct value {
    __u64 packets;
    __u64 bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1000);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
    __type(key, struct key);
    __type(value, struct value);
} flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, 24);
    __uint(max_entries, 3);
    __uint(numa_node, 1);
} sized SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
    __uint(max_entries, 100);
    __type(value, __u32);
    __ulong(map_extra, 5);
} bloom SEC(".maps");

// Not a power of two of pages: rounded up to 16384.
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 10000);
} events SEC(".maps");

struct inner_map {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 8);
    __uint(key_size, 4);
    __array(values, struct inner_map);
} outer SEC(".maps") = {.values = {[1] = &inner_a, [5] = &inner_b}};

int first(void* ctx);
int second(void* ctx);

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 4);
    __uint(key_size, 4);
    __array(values, int(void*));
} jumps SEC(".maps") = {.values = {[0] = &second, [3] = &first}};

SEC("socket")
int first(void* ctx) {
    __u32 zero = 0;
    bpf_tail_call(ctx, &jumps, 0);
    return bpf_map_lookup_elem(&sized, &zero) != 0;
}

SEC("socket")
int second(void* ctx) {
    struct key key = {.port = 80};
    struct value* value = bpf_map_lookup_elem(&flows, &key);
    if (value) value->packets++;
    return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
