// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Every kind of CO-RE relocation, against types that core_target.bpf.c has differently.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct inner {
    int deep;
};
struct thing {
    unsigned int moved;
    unsigned int narrower;
    int gone;
    unsigned int bits : 5;
    int list[4];
    struct inner inner;
};
struct absent {
    int x;
};
#pragma clang attribute pop

enum state { STATE_ON = 1, STATE_OFF = 2, STATE_LOST = 3 };
typedef struct thing thing_t;

struct {
    unsigned int moved, narrower, gone, bits, list, deep;
    unsigned int size, exists, signed_, lost_exists;
    unsigned int type_exists, type_absent, type_size, type_matches;
    unsigned long long local_id, target_id, on, has_on, has_lost;
} out;

SEC("raw_tp/sys_enter")
int relocate(struct thing* thing) {
    out.moved = __builtin_preserve_field_info(thing->moved, BPF_FIELD_BYTE_OFFSET);
    out.narrower = thing->narrower;
    out.exists = bpf_core_field_exists(thing->moved);
    out.lost_exists = bpf_core_field_exists(thing->gone);
    if (out.lost_exists) out.gone = thing->gone;
    out.bits = BPF_CORE_READ_BITFIELD(thing, bits);
    out.list = __builtin_preserve_field_info(thing->list[2], BPF_FIELD_BYTE_OFFSET);
    out.deep = __builtin_preserve_field_info(thing->inner.deep, BPF_FIELD_BYTE_OFFSET);
    out.size = bpf_core_field_size(thing->list);
    out.signed_ = __builtin_preserve_field_info(thing->bits, BPF_FIELD_SIGNED);
    out.type_exists = bpf_core_type_exists(thing_t);
    out.type_absent = bpf_core_type_exists(struct absent);
    out.type_size = bpf_core_type_size(struct thing);
    out.type_matches = __builtin_preserve_type_info(*(struct thing*)0, 2);
    out.local_id = bpf_core_type_id_local(struct thing);
    out.target_id = bpf_core_type_id_kernel(struct thing);
    out.on = bpf_core_enum_value(enum state, STATE_ON);
    out.has_on = bpf_core_enum_value_exists(enum state, STATE_ON);
    out.has_lost = bpf_core_enum_value_exists(enum state, STATE_LOST);
    return 0;
}

char _license[] SEC("license") = "GPL";
