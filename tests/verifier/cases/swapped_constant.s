// SPDX-License-Identifier: Apache-2.0
// expect: accepted
// type: xdp
// map: array key 4 value 64 entries 4
// map: hash key 8 value 64 entries 16
    r3 = -0x54d3ec99
    r3 = bswap16 r3
    if r3 >= 0xffff goto +0x1
    r0 = 0x1
    exit
