// SPDX-License-Identifier: Apache-2.0
// A number is compared with itself: Linux 6.18 follows both ways.
// expect: refused: has pointer with unsupported alu operation
// capabilities: bpf
// type: xdp
// map: array key 4 value 64 entries 4
// map: hash key 8 value 64 entries 16
    r6 = r1
    r9 = 0xffff
    r9 /= -0x8
    call +0x6
    if r9 & -0x2 goto +0x4
    if w9 <= w9 goto +0x3
    r7 = *(u32 *)(r6 + 0x0)
    r9 &= 0x7
    r7 += r9
    exit
    r0 = 0x0
    exit
