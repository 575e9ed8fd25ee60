// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "btf/btf.hpp"

namespace skep::btf {

/// All types of `btf` itself (without its base), one a line and their members behind a tab, exactly
/// as `bpftool btf dump file FILE format raw` prints them:
///
///     [3] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
///     [4] STRUCT 'pair' size=8 vlen=2
///             'a' type_id=3 bits_offset=0
///             'b' type_id=3 bits_offset=32
std::string dump_raw(const Btf& btf);

/// The entry of one type.
std::string dump_raw(const Btf& btf, const Type& type);

}  // namespace skep::btf
