// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "verifier/analysis.hpp"

// Walking BTF as the verifier does: what lies at an offset of a struct, and when one struct serves
// as another.

namespace skep::verifier {

/// What a walk of a struct found at an offset.
struct Walk {
    enum class Found : uint8_t { Scalar, Pointer, Struct, Error };
    Found found = Found::Error;
    uint32_t type_id = 0;  ///< Pointer: the struct it points to. Struct: the nested struct
    RegType flags = 0;     ///< kUser, kPercpu, kRcu of the pointer's tag; kUntrusted behind unions
    std::string_view field{};
    std::string error{};  ///< in the kernel's words
};

/// `size` bytes at `off` of struct `id`. `flags` is kept over a walk of several steps.
Walk walk_struct(const btf::Btf& btf, uint32_t id, int64_t off, int64_t size, RegType flags,
                 bool flexible_arrays);

/// "STRUCT task_struct" is said as "struct task_struct".
std::string_view kind_words(btf::Kind kind);

/// What a BTF parameter's name ends in: "__nullable".
bool has_suffix(const btf::Param& param, std::string_view suffix);

/// Is that pointer type to the context of programs of `type`?
bool is_ctx_pointer(const btf::Btf& btf, const btf::Type& pointer, ProgType type);
/// The struct that the kernel has underneath the UAPI context ("sk_buff"); empty: none.
std::string_view kernel_ctx_name(ProgType type);
/// ... and the UAPI's; empty where it has no name.
std::string_view uapi_ctx_name(ProgType type);
/// "__sk_buff" stands for "sk_buff", "xdp_md" for "xdp_buff".
bool is_projection_of(std::string_view projection, std::string_view type);

}  // namespace skep::verifier
