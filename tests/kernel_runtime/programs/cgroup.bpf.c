/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One denial a cgroup hook, narrow enough that all else in the cgroup goes on. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define SOCK_RAW 3
#define DENIED_PORT 7777

__u64 releases, established, reads;

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr* ctx) {
    return ctx->user_port != bpf_htons(DENIED_PORT);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr* ctx) {
    return ctx->user_port != bpf_htons(DENIED_PORT);
}

/* Linux 6.7 */
SEC("cgroup/connect_unix")
int connect_unix(struct bpf_sock_addr* ctx) {
    (void)ctx;
    return 0;
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr* ctx) {
    return ctx->user_port != bpf_htons(DENIED_PORT);
}

/* Shows another sender. */
SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr* ctx) {
    ctx->user_port = bpf_htons(4242);
    return 1;
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr* ctx) {
    ctx->user_port = bpf_htons(4242);
    return 1;
}

SEC("cgroup/getsockname4")
int getsockname4(struct bpf_sock_addr* ctx) {
    ctx->user_port = bpf_htons(4343);
    return 1;
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr* ctx) {
    return ctx->user_port != bpf_htons(DENIED_PORT);
}

SEC("cgroup/post_bind4")
int post_bind4(struct bpf_sock* ctx) {
    return ctx->src_port != DENIED_PORT;
}

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock* ctx) {
    return !(ctx->family == AF_INET && ctx->type == SOCK_RAW);
}

SEC("cgroup/sock_release")
int sock_release(struct bpf_sock* ctx) {
    (void)ctx;
    __sync_fetch_and_add(&releases, 1);
    return 1;
}

static __always_inline int allowed_skb(struct __sk_buff* skb) {
    unsigned char ip[24];

    if (bpf_skb_load_bytes(skb, 0, ip, sizeof(ip))) return 1;
    if (ip[0] != 0x45 || ip[9] != 17) return 1; /* UDP over IPv4 */
    return !(ip[22] == (DENIED_PORT >> 8) && ip[23] == (DENIED_PORT & 255));
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff* skb) {
    return allowed_skb(skb);
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff* skb) {
    return allowed_skb(skb);
}

/* /dev/zero is 1:5. */
SEC("cgroup/dev")
int device(struct bpf_cgroup_dev_ctx* ctx) {
    return !(ctx->major == 1 && ctx->minor == 5);
}

/* Reading is allowed and counted, writing is not. */
SEC("cgroup/sysctl")
int sysctl(struct bpf_sysctl* ctx) {
    if (ctx->write) return 0;
    __sync_fetch_and_add(&reads, 1);
    return 1;
}

/* SO_KEEPALIVE is 9. */
SEC("cgroup/setsockopt")
int setsockopt(struct bpf_sockopt* ctx) {
    return !(ctx->level == 1 && ctx->optname == 9);
}

/* SO_RCVLOWAT is 18; says 42. */
SEC("cgroup/getsockopt")
int getsockopt(struct bpf_sockopt* ctx) {
    int* value = ctx->optval;

    if (ctx->level != 1 || ctx->optname != 18) return 1;
    if ((void*)(value + 1) > ctx->optval_end) return 0;
    *value = 42;
    ctx->retval = 0;
    return 1;
}

SEC("sockops")
int sock_ops(struct bpf_sock_ops* ctx) {
    if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) __sync_fetch_and_add(&established, 1);
    return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
