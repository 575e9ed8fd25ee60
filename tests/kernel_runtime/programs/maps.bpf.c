/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Maps of the kinds that user space treats differently, and a program that uses some of them. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define MAP(name, kind, entries, key_type, value_type) \
    struct {                                           \
        __uint(type, kind);                            \
        __uint(max_entries, entries);                  \
        __type(key, key_type);                         \
        __type(value, value_type);                     \
    } name SEC(".maps")

MAP(counts, BPF_MAP_TYPE_HASH, 1000, __u32, __u64);
MAP(per_cpu, BPF_MAP_TYPE_PERCPU_HASH, 100, __u32, __u32);
MAP(slots, BPF_MAP_TYPE_ARRAY, 8, __u32, __u64);

struct {
    __uint(type, BPF_MAP_TYPE_QUEUE);
    __uint(max_entries, 8);
    __type(value, __u32);
} queue SEC(".maps");

struct inner {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 4);
    __type(key, __u32);
    __array(values, struct inner);
} nested SEC(".maps");

struct inner one SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 4);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} jumps SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} perf SEC(".maps");

const volatile __u32 configured = 1;
__u32 ring_full;

SEC("tc")
int target(struct __sk_buff* skb) {
    (void)skb;
    return 7;
}

/* Verdict: the nested map's value under key 5, or what the tail call gives, or 100 + configured. */
SEC("tc")
int reads(struct __sk_buff* skb) {
    __u32 key = 5, zero = 0;
    void* found = bpf_map_lookup_elem(&nested, &key);

    if (found) {
        __u64* value = bpf_map_lookup_elem(found, &zero);

        if (value) return *value;
    }
    bpf_tail_call(skb, &jumps, 2);
    return 100 + configured;
}

/* One record in each buffer; the ring buffer holds 4096 bytes, with 8 of header each. */
SEC("tc")
int emits(struct __sk_buff* skb) {
    __u64 record[12] = {0x1234, skb->len};

    if (bpf_ringbuf_output(&ring, record, sizeof(record), 0)) __sync_fetch_and_add(&ring_full, 1);
    bpf_perf_event_output(skb, &perf, BPF_F_CURRENT_CPU, record, sizeof(record));
    return 0;
}

SEC("tc")
int prints(struct __sk_buff* skb) {
    bpf_printk("a packet of %d bytes", skb->len);
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
