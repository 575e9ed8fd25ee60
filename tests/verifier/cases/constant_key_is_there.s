// SPDX-License-Identifier: Apache-2.0
// expect: accepted
// type: socket_filter
// map: array key 4 value 64 entries 4
// map: hash key 8 value 64 entries 16
    *(u32 *)(r10 - 0x30) = 0x3
    ld_pseudo r1, 0x1, 0x0
    r2 = r10
    r2 += -0x30
    call 0x1
    if r0 == 0x0 goto +0x1
    r8 = 0x8
    if r8 s< -0x50499303 goto +0x0
    exit
