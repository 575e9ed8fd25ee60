// SPDX-License-Identifier: Apache-2.0
// expect: refused: R4 invalid zero-sized read
// type: sched_cls
// map: array key 4 value 64 entries 4
// map: hash key 8 value 64 entries 16
    r6 = r1
    r9 = 0x529d670e
    r9 &= 0xf
    ld_pseudo r1, 0x1, 0x1
    r2 = r10
    r2 += -0x8
    r3 = r10
    r3 += -0x48
    r4 = 0x0
    call 0x2
    r9 &= r0
    r3 = r10
    r3 += -0x10
    r4 = r9
    r1 = r6
    r2 = 0xf
    call 0x1a
    exit
