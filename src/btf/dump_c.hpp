// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "btf/btf.hpp"

namespace skep::btf {

/// A C header with every struct, union, enum and typedef of `btf`, which clang and gcc compile to
/// the same sizes and offsets: what vmlinux.h is made from, in the form that bpf_tracing.h expects.
///
/// Definitions come in an order that C accepts, with forward declarations where types refer to each
/// other. Holes are filled with unnamed bitfields; what C would lay out otherwise is packed. A name
/// that occurs twice gets "___2" and so on, which CO-RE reads as a flavor. Functions and variables
/// are left out.
///
/// An error (Malformed) where the types cannot be written down in reasonable space: hostile BTF
/// only.
Result<std::string> dump_c(const Btf& btf);

}  // namespace skep::btf
