/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks that not every kernel allows, and programs that none does. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const volatile __u32 wanted;
__u64 entries, exits, opens, denied;

static __always_inline int mine(void) {
    return bpf_get_current_pid_tgid() >> 32 == wanted;
}

SEC("?fentry/__x64_sys_getpgid")
int fentry(void* ctx) {
    (void)ctx;
    if (mine()) __sync_fetch_and_add(&entries, 1);
    return 0;
}

SEC("?fexit/__x64_sys_getpgid")
int fexit(void* ctx) {
    (void)ctx;
    if (mine()) __sync_fetch_and_add(&exits, 1);
    return 0;
}

/* In place of what security_socket_create(family, type, protocol, kern) would return. */
SEC("?fmod_ret/security_socket_create")
int fmod_ret(__u64* ctx) {
    return mine() && ctx[1] == 3 ? -1 : 0;
}

/* Refuses raw sockets to the test: socket_create(family, type, protocol, kern). */
SEC("?lsm/socket_create")
int lsm(__u64* ctx) {
    if (!mine() || ctx[1] != 3) return (int)ctx[4];
    __sync_fetch_and_add(&denied, 1);
    return -1;
}

SEC("?tp/no_such_group/no_such_event")
int no_tracepoint(void* ctx) {
    (void)ctx;
    return 0;
}

SEC("?raw_tp/no_such_event")
int no_raw_tracepoint(void* ctx) {
    (void)ctx;
    return 0;
}

SEC("?fentry/no_such_function")
int no_function(void* ctx) {
    (void)ctx;
    return 0;
}

/* Reads a packet without looking how long it is. */
SEC("?xdp")
int unsafe(struct xdp_md* ctx) {
    return *(char*)(long)ctx->data;
}

char LICENSE[] SEC("license") = "GPL";
