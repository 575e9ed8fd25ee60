// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/execution.hpp"

// Dynptrs: a pointer with a length that is known at run time only, in 16 bytes of the program's
// stack (struct bpf_dynptr). As in the kernel these bytes are all there is: no table says which
// dynptrs exist, so making, cloning and dropping one costs nothing.
//
//     const Dynptr dynptr = Dynptr::load(address);
//     uint8_t* bytes = dynptr.memory(x, offset, length, write, reg);
//
// A program whose verifier we are (checked mode) can write anything into these bytes. It gains
// nothing: where a dynptr points to is checked as every pointer of the program is, each time it is
// used; of a packet dynptr only offset and size are believed, within the event's own packet.
//
// Source: struct bpf_dynptr_kern and kernel/bpf/helpers.c of Linux 6.18.

namespace skep::engine {

class Dynptr {
  public:
    enum class Type : uint8_t { Invalid, Local, Ringbuf, Skb, Xdp };  // enum bpf_dynptr_type
    static constexpr uint32_t kMaxSize = (1u << 24) - 1;

    Dynptr() = default;  ///< the null dynptr, as a failed bpf_dynptr_from_mem() leaves it
    Dynptr(Type type, uint64_t data, uint32_t size, bool read_only = false)
        : data_(data), bits_(size | uint32_t(type) << kTypeShift | (read_only ? kReadOnly : 0)) {}

    static Dynptr load(uint64_t address);
    void store(uint64_t address) const;

    bool is_null() const { return data_ == 0; }
    bool read_only() const { return bits_ & kReadOnly; }
    uint32_t size() const { return bits_ & kMaxSize; }
    Type type() const { return Type(bits_ >> kTypeShift & 7); }
    bool is_packet() const { return type() == Type::Skb || type() == Type::Xdp; }
    uint64_t data() const { return data_; }  ///< the start, whatever adjust() has cut off

    /// -E2BIG where that is not inside.
    int check(uint32_t offset, uint32_t length) const;
    /// bpf_dynptr_adjust(): -EINVAL, -ERANGE or 0.
    int adjust(uint32_t start, uint32_t end);

    /// Where the program finds `length` bytes (check() has passed) as one piece; null where there
    /// is no such piece of the packet, and after a fault (`reg` then is to blame).
    uint8_t* memory(Execution& x, uint32_t offset, uint32_t length, bool write, int reg) const;
    /// Copies out of it and into it, packets in pieces included. 0 or a negative errno.
    int64_t read(Execution& x, uint32_t offset, std::span<uint8_t> to, int reg) const;
    int64_t write(Execution& x, uint32_t offset, std::span<const uint8_t> from, uint64_t flags,
                  int reg) const;

  private:
    static constexpr uint32_t kTypeShift = 28;
    static constexpr uint32_t kReadOnly = 1u << 31;

    uint64_t data_ = 0;  ///< of packets: the context
    uint32_t bits_ = 0;  ///< size, type, and whether it may only be read
    uint32_t offset_ = 0;
};
static_assert(sizeof(Dynptr) == 16);

}  // namespace skep::engine
