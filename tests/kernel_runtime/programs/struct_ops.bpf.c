/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A TCP congestion control whose window is always four segments. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sock;
struct tcp_sock {
    __u32 snd_cwnd;
};
struct tcp_congestion_ops {
    __u32 (*ssthresh)(struct sock* sk);
    void (*cong_avoid)(struct sock* sk, __u32 ack, __u32 acked);
    __u32 (*undo_cwnd)(struct sock* sk);
    void (*init)(struct sock* sk);
    char name[16];
};
#pragma clang attribute pop

__u64 sockets;

SEC("struct_ops/four_init")
void BPF_PROG(four_init, struct sock* sk) {
    ((struct tcp_sock*)sk)->snd_cwnd = 4;
    __sync_fetch_and_add(&sockets, 1);
}

SEC("struct_ops/four_ssthresh")
__u32 BPF_PROG(four_ssthresh, struct sock* sk) {
    return 4;
}

SEC("struct_ops/four_avoid")
void BPF_PROG(four_avoid, struct sock* sk, __u32 ack, __u32 acked) {
    ((struct tcp_sock*)sk)->snd_cwnd = 4;
}

SEC("struct_ops/four_undo")
__u32 BPF_PROG(four_undo, struct sock* sk) {
    return 4;
}

SEC(".struct_ops")
struct tcp_congestion_ops four = {
    .init = (void*)four_init,
    .ssthresh = (void*)four_ssthresh,
    .cong_avoid = (void*)four_avoid,
    .undo_cwnd = (void*)four_undo,
    .name = "skep_four",
};

char LICENSE[] SEC("license") = "GPL";
