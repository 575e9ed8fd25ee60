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
