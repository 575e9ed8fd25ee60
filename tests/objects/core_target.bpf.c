// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// The types of an imaginary other kernel, for core.bpf.c.
struct inner {
    long before;
    int deep;
};
struct thing {
    char pad[12];
    union {
        unsigned int moved;
        unsigned char byte;
    };
    unsigned short narrower;
    unsigned int other : 3;
    unsigned int bits : 5;
    int list[6];
    struct inner inner;
};
typedef struct thing thing_t;
enum state { STATE_NEW = 1, STATE_ON = 70, STATE_OFF };

void use(struct thing* thing, thing_t* again, enum state* state) {}
