// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "object/spec.hpp"

namespace skep::object {

/// A linked program as annotated assembly: its functions as labels, source lines where the object
/// has line info, and remarks that name what instructions refer to.
///
///     int first(struct xdp_md *ctx):
///     ; link.bpf.c:39: return twice(ctx->ingress_ifindex);
///            0:	r1 = *(u32 *)(r1 + 0xc)
///            1:	call +0x1  # twice
///
/// Instruction numbers are those of verifier logs. Remarks follow '#', which assemblers ignore.
std::string listing(const ObjectSpec& object, const ProgSpec& prog);

}  // namespace skep::object
