// SPDX-License-Identifier: Apache-2.0
// A loop that calls bpf_loop(): before 6.19 a path that is back at that call ends there for good.
// expect: accepted
// type: sched_cls
    call 7
    r6 = r0
    r7 = 0
    r8 = 100
again:
    r1 = 100
    ld_pseudo r2, 0x4, 0xb
    r3 = r10
    r4 = 0
    call 181
    call 7
    if w0 == 3 goto one
    r7 += 1
one:
    r8 += -1
    if r8 != 0 goto again
    r0 = 0
    exit
    call 7
    if w0 == 1 goto a
    r0 = 0
    exit
a:
    r0 = 1
    exit
