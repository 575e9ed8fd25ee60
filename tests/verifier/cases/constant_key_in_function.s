// SPDX-License-Identifier: Apache-2.0
// expect: accepted
// type: kprobe
// map: array key 4 value 64 entries 4
// map: hash key 8 value 64 entries 16
    call +0x5
    r3 = r10
    r3 += -0x20
    r3 += r0
    r2 = *(u32 *)(r3 + 0x0)
    exit
    *(u32 *)(r10 - 0x8) = 0x0
    ld_pseudo r1, 0x1, 0x0
    r2 = r10
    r2 += -0x8
    call 0x1
    if r0 != 0x0 goto +0x2
    r0 = 0x1
    exit
    r0 = 0x0
    exit
