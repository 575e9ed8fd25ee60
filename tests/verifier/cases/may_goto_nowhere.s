// SPDX-License-Identifier: Apache-2.0
// expect: accepted
// type: socket_filter
// map: array key 4 value 64 entries 4
// map: hash key 8 value 64 entries 16
    r0 = 0x0
    may_goto +0x0
    exit
