// SPDX-License-Identifier: Apache-2.0
// A number above 65 has some bit set, but the kernel does not conclude that from its bounds.
// type: kprobe
// expect: refused: R5 !read_ok
    r1 = *(u64 *)(r1 + 0x88)
    r2 = -0x1
    if r1 s> 0x41 goto +0x2
    r0 = 0x0
    exit
    if r1 & r2 goto +0x1
    r0 = r5
    r0 = 0x0
    exit
