/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What skep adds to bpf_helpers.h. Programs load and run the same without skep. */
#pragma once

/*
 * Says which struct the records of a ring buffer or perf event array are, so that tools show them
 * by name. It declares a pointer that nobody uses, which brings the struct into BTF, with a tag
 * that names the map.
 *
 *     struct {
 *         __uint(type, BPF_MAP_TYPE_RINGBUF);
 *         __uint(max_entries, 1 << 20);
 *     } events SEC(".maps");
 *     SKEP_EVENT(events, struct open_event);
 */
#define SKEP_EVENT(map, type) \
    const type* map##_event __attribute__((unused, btf_decl_tag("event:" #map)))

/*
 * Marks the variable in which the program counts the records that the ring buffer had no room for.
 * The kernel does not count them; tools add it to what they say was lost.
 *
 *     SKEP_LOST(events) __u64 lost;
 *     ...
 *     if (bpf_ringbuf_output(&events, &event, sizeof(event), 0)) __sync_fetch_and_add(&lost, 1);
 */
#define SKEP_LOST(map) __attribute__((btf_decl_tag("lost:" #map)))
