// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "isa/classic.hpp"

// Classic BPF to eBPF: a program of type socket_filter (sched_cls works too) that gives for every
// packet what the kernel gives for the filter. The kernel does this on the inside, with struct
// sk_buff at hand (bpf_convert_filter() in net/core/filter.c, Linux 6.12); here only what the UAPI
// offers is used, so that the kernel and skep's engine both load the result.
//
//     std::vector<Insn> insns = SKEP_TRY(classic_to_ebpf(filter));
//
// A is r0, X is r7, the context (__sk_buff) r6, M[] the top 64 bytes of the stack, r8 scratch.
// Packet loads become the legacy packet instructions, which end the program with 0 outside the
// packet as classic loads do. Ancillary loads become loads of __sk_buff's fields or helper calls;
// nla and nlan a function of at most 512 attributes. Unreachable instructions, which the kernel
// takes in filters but not in eBPF, are left out.

namespace skep::isa {

struct ClassicContext {
    /// ARPHRD_* of the interface (what [hatype] loads): eBPF cannot ask for it.
    std::optional<uint16_t> hatype;
};

/// Validates, then translates. Unsupported: a filter that loads [poff], which only the kernel's
/// flow dissector knows, or [hatype] where `context` does not say it.
Result<std::vector<Insn>> classic_to_ebpf(ClassicView program, const ClassicContext& context = {});

}  // namespace skep::isa
