// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Types whose C form is easily got wrong: the dump of this object's BTF is compiled again.
struct later;
typedef int (*callback_t)(struct later* self, const char* const* argv, ...);
typedef struct {
    int x, y;
} point_t;

struct bits {
    unsigned char a : 3;
    unsigned long long wide : 40;
    int : 0;
    int b : 7;
    _Bool c : 1;
    enum { BITS_A, BITS_B = -5 } e : 4;
    short d;
    unsigned int tail : 31;
};

struct __attribute__((packed)) packed {
    char c;
    int i;
    struct {
        char x;
        long y;
    } inner;
    unsigned short f : 9;
    unsigned short g : 11;
};

struct holes {
    char c;
    long l __attribute__((aligned(64)));
    short s;
    __int128 big;
    char end;
} __attribute__((aligned(128)));

union mixed {
    point_t point;
    struct bits bits[2];
    float f;
    double d;
    const volatile void* p;
};

enum __attribute__((packed)) tiny { TINY_A, TINY_B = 200 };
enum huge { HUGE_A = 1ULL << 40, HUGE_B };

struct node {
    struct node *next, **list;
    struct later* later;
    callback_t callback;
    int (*table[3][2])(point_t, union mixed*);
    char (*matrix)[4];
    struct {
        union {
            struct {
                int deep;
            };
            long alias;
        };
        enum tiny tiny;
    };
    enum huge huge;
    struct holes holes;
    struct packed packed;
    union mixed mixed;
    int flexible[];
};

struct later {
    struct node node;
};

struct later* root;
