// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "btf/btf.hpp"
#include "maps/map.hpp"

namespace skep::engine {

/// Writes into `def` where the value type has a bpf_spin_lock, a bpf_timer and kptrs: what BTF says
/// of struct members and of variables in a section of global data (btf_parse_fields() of
/// kernel/bpf/btf.c, Linux 6.12, for the fields that the engine knows).
void find_special_fields(const btf::Btf& btf, uint32_t value_type, maps::MapDef& def);

}  // namespace skep::engine
