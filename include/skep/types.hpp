// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// Types of programs and maps. The numbers are the kernel's, so that <linux/bpf.h> names them:
//
//     if (map.info().type == skep::MapType{BPF_MAP_TYPE_HASH}) ...
//     std::cout << skep::to_string(prog.type());            // "xdp", "sched_cls": bpftool's names

namespace skep {

enum class ProgType : uint32_t;    ///< enum bpf_prog_type
enum class MapType : uint32_t;     ///< enum bpf_map_type
enum class AttachType : uint32_t;  ///< enum bpf_attach_type

/// bpftool's name ("sched_cls", "lru_hash", "cgroup_inet4_connect"); "unspec" for a type that is
/// not set, "unknown" for a value outside the table.
std::string_view to_string(ProgType type);
std::string_view to_string(MapType type);
std::string_view to_string(AttachType type);

/// The inverse of to_string, or nothing.
std::optional<ProgType> prog_type_from(std::string_view name);
std::optional<MapType> map_type_from(std::string_view name);

}  // namespace skep
