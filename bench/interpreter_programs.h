/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the interpreter is measured on: one C text, compiled to eBPF and to native code. A packet
 * parser as in every XDP program, and loops that do nothing but compute.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct flat_ctx {
    const u8 *data, *data_end;
    u64 seed;
};

#define SKEP_INLINE static inline __attribute__((always_inline))

/* The five-tuple of a TCP or UDP packet over IPv4 or IPv6 with up to two VLAN tags, hashed. */
SKEP_INLINE u32 parse_packet(const u8* data, const u8* end) {
    const u8* at = data + 14;
    u32 hash = 2166136261u;
    u8 protocol = 0;
    if (at > end) return 0;
    u16 type = (u16)(data[12] << 8 | data[13]);
    for (int tag = 0; tag < 2; tag++) {
        if (type != 0x8100 && type != 0x88a8) break;
        if (at + 4 > end) return 0;
        type = (u16)(at[2] << 8 | at[3]);
        at += 4;
    }
    if (type == 0x0800) {
        if (at + 20 > end) return 0;
        protocol = at[9];
        for (int i = 12; i < 20; i++) hash = (hash ^ at[i]) * 16777619u;
        at += 20;
    } else if (type == 0x86dd) {
        if (at + 40 > end) return 0;
        protocol = at[6];
        for (int i = 8; i < 40; i++) hash = (hash ^ at[i]) * 16777619u;
        at += 40;
    } else {
        return 1;
    }
    if (protocol != 6 && protocol != 17) return 2;
    if (at + 4 > end) return 0;
    for (int i = 0; i < 4; i++) hash = (hash ^ at[i]) * 16777619u;
    return (hash ^ protocol) | 4;
}

/* 1,000 steps of a 64-bit mixer that no compiler can shorten. */
SKEP_INLINE u32 mix(u64 state) {
    for (u32 i = 0; i < 1000; i++) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state *= 0x2545f4914f6cdd1dull;
    }
    return (u32)state;
}

/* 200 branches that cannot be predicted. */
SKEP_INLINE u32 choose(u64 state) {
    u64 sum = 0;
    for (u32 i = 0; i < 200; i++) {
        state = state * 0x2545f4914f6cdd1dull + 1;
        if (state >> 63)
            sum += state;
        else
            sum ^= state >> 7;
    }
    return (u32)sum;
}
