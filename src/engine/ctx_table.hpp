// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "platform/ctx.hpp"
#include "platform/helper_access.hpp"

// Which accesses to its context a program of some kind may make, ready for the interpreter: one
// byte of permissions an offset, made once from platform/ctx.def. Widths are bits: 1, 2, 4 and 8
// bytes are bit 0 to 3.
//
//     const CtxTable& table = ctx_table({ProgType::Xdp});
//     if (table.may_load(offset, 4)) ...
//     if (const auto pointer = table.pointer(offset)) value = event.data;     // not ctx's bytes
//
// A program type whose context has no struct (raw tracepoints: an array of 8-byte arguments) has an
// area instead. Immutable, shared by all threads.

namespace skep::engine {

/// A field of the context that is a pointer, which the event knows.
enum class CtxPointer : uint8_t {
    None,
    Data,
    DataEnd,
    DataMeta,
    Null,  ///< a socket, flow keys: no event of this runtime has one
};

class CtxTable {
  public:
    explicit CtxTable(const platform::ProgKind& kind);

    bool may_load(uint64_t offset, uint32_t width) const { return may(loads_, offset, width); }
    bool may_store(uint64_t offset, uint32_t width) const { return may(stores_, offset, width); }
    CtxPointer pointer(uint64_t offset) const {
        return offset < pointers_.size() ? pointers_[offset] : CtxPointer::None;
    }
    /// A field of which the kernel keeps less than the struct shows (PacketBuffer::narrow_ctx()).
    bool is_narrow(uint64_t offset) const { return offset < narrow_.size() && narrow_[offset]; }

  private:
    static bool may(const std::vector<uint8_t>& table, uint64_t offset, uint32_t width) {
        return offset < table.size() && (table[offset] & width);  // the widths are their own bits
    }

    std::vector<uint8_t> loads_;
    std::vector<uint8_t> stores_;
    std::vector<CtxPointer> pointers_;
    std::vector<bool> narrow_;
};

/// Made on first use and kept.
const CtxTable& ctx_table(const platform::ProgKind& kind);

}  // namespace skep::engine
