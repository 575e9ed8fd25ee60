// SPDX-License-Identifier: Apache-2.0
// Without CAP_PERFMON the way back is followed once more after the last round, as speculation might,
// and then nothing bounds r8.
// expect: refused: infinite loop detected
// capabilities: bpf
// type: sched_cls
    r6 = r1
    r8 = 0x0
    r8 += 0x1
    if r8 <= 0x4 goto -0x2
    r0 = 0x1
    exit
