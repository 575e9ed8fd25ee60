/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup/connect4")
int bad(struct bpf_sock_addr *ctx)
{
	return -1; /* meant to be: deny */
}

SEC("cgroup/connect4")
int good(struct bpf_sock_addr *ctx)
{
	return 0; /* deny; 1 allows */
}

char LICENSE[] SEC("license") = "GPL";
