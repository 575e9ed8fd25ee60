// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "platform/types.hpp"

// Contexts: the struct that a program's r1 points to, and what it may do with each field. Programs
// are compiled against the UAPI struct; engine and kernel give them something else underneath, so
// an access is legal only where this table says so:
//
//     const CtxLayout* layout = ctx_layout(ProgType::Xdp);                      // struct xdp_md
//     CtxAccess read = ctx_access(ProgType::Xdp, AttachType::None, 0, 4, false);
//     if (!read.allowed()) report(read.refused);                                // else read.kind:
//     Packet
//
// Offsets and sizes are bytes. Contexts of tracing, LSM, struct_ops and ext programs are described
// by BTF instead: ctx_layout() has none for them. Constant data, safe from any thread. Rules are
// those of Linux 6.18; ctx.def names the sources.

namespace skep::platform {

/// What a program gets when it reads a field.
enum class CtxKind : uint8_t {
    Scalar,
    Packet,      ///< start of packet data (also optval of a socket option)
    PacketMeta,  ///< start of the metadata before it
    PacketEnd,
    Sock,  ///< struct bpf_sock *
    SockOrNull,
    SockCommonOrNull,  ///< struct bpf_sock *, of which any socket has only the common part
    FlowKeys,          ///< struct bpf_flow_keys *
    TpBuffer,          ///< the buffer of a writable tracepoint
    KernelStruct,      ///< a trusted pointer to a kernel struct (netfilter: nf_hook_state, sk_buff)
};

struct CtxField {
    std::string_view name;
    uint16_t offset;
    uint8_t element;  ///< bytes of one element
    uint8_t count;    ///< elements; more than 1 for arrays
    CtxKind kind;

    constexpr uint32_t end() const { return uint32_t{offset} + uint32_t{element} * count; }
};

struct CtxLayout {
    std::string_view name;  ///< "__sk_buff"
    uint32_t size;
    std::span<const CtxField> fields;  ///< ascending by offset; a pseudo-field may repeat one
};

/// The struct of a type's context, or null where it has none.
const CtxLayout* ctx_layout(ProgType type);

/// The first field that has `offset` in it, or null (padding, beyond the end).
const CtxField* find_field(const CtxLayout& layout, uint32_t offset);

struct CtxAccess {
    CtxKind kind = CtxKind::Scalar;
    const CtxField* field = nullptr;  ///< null where the type's context has no struct
    std::string refused;              ///< why not, as a sentence; empty where allowed

    bool allowed() const { return refused.empty(); }
};

/// May a program of that kind load (or store) `size` bytes at `offset` of its context?
CtxAccess ctx_access(ProgType type, AttachType attach, int64_t offset, uint32_t size, bool write);

}  // namespace skep::platform
