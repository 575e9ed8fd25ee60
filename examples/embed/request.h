/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the server of gate.cpp shows to the programs of gate.bpf.c: the same struct in both. */
#pragma once

#include <linux/types.h>

struct request {
    __u32 client; /* number of the worker thread */
    __u32 size;   /* bytes that it asks for */
    __u64 judge;  /* set by the program: who has judged */
};

enum { DENY = 0, ALLOW = 1 };
