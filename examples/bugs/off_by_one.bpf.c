/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Off by one: a bug that the kernel's verifier refuses and that skep run stops at the packet that
 * meets it. The check lets a packet through that ends right before the byte that is read.
 *
 *     skep run off_by_one.bpf.o --pcap ping.pcap
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int off_by_one(struct xdp_md* ctx) {
    unsigned char *data = (void*)(long)ctx->data, *data_end = (void*)(long)ctx->data_end;

    if (data + 42 > data_end) return XDP_PASS;
    return data[42] == 0 ? XDP_DROP : XDP_PASS; /* data[41] is the last byte that is there */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
