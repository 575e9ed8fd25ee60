/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sched_switch")
int bad(void *ctx)
{
	bpf_printk("switched");
	return 0;
}

SEC("raw_tp/sched_switch")
int good(void *ctx)
{
	return bpf_get_smp_processor_id();
}

char LICENSE[] SEC("license") = "Proprietary";
