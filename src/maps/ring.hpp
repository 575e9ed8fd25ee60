// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/result.hpp"
#include "maps/function_ref.hpp"
#include "maps/memory.hpp"

namespace skep::maps {

// The kernel's BPF ring buffer in memory of this process: records in the order of their
// reservation, each behind a header of 8 bytes (length with a busy and a discard bit, page offset);
// a reader stops at the first busy one. Data pages are mapped twice in a row, so a record is always
// one range of bytes. Any number of producers, one consumer at a time.
//
//     uint8_t* record = ring.reserve(16);            // null: full
//     ...
//     ring.commit(record, 0, false);
//
// Cost: a reservation takes one short spin lock, a submission none; a producer enters the kernel
// only where a consumer sleeps.
class Ring {
  public:
    /// `size`: a power of two and a multiple of the page size.
    static Result<Ring> create(uint32_t size);
    Ring(Ring&& other) noexcept;
    Ring& operator=(Ring&&) = delete;
    ~Ring();

    /// Null where there is no room or `size` is beyond what a record may have: counted in lost().
    uint8_t* reserve(uint64_t size);
    /// BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP as in the kernel; false where `record` is not one that
    /// is reserved and not yet submitted.
    bool commit(uint8_t* record, uint64_t flags, bool discard);

    /// The record that is reserved, not yet submitted and holds [address, address + size).
    std::span<uint8_t> record_at(const void* address, size_t size) const;

    /// Hands over records in order until there are no more, one is still busy, or `record` returns
    /// true (which stops after that one). Returns how many it handed over, without discarded ones.
    size_t consume(FunctionRef<bool(std::span<const uint8_t>)> record);
    /// Sleeps until a producer wakes (the kernel's rules) or `timeout` has passed; true where there
    /// is data. For the consuming thread.
    bool wait(std::chrono::milliseconds timeout);
    /// Called by producers in place of waking wait(), whenever the kernel would wake: to write to
    /// an eventfd, say. Set before producers run.
    void on_wakeup(std::function<void()> wake) { wake_ = std::move(wake); }

    /// Helper 134: BPF_RB_AVAIL_DATA, RING_SIZE, CONS_POS, PROD_POS; 0 for others.
    uint64_t query(uint64_t what) const;
    uint64_t lost() const;

  private:
    struct State;
    struct Header {
        std::atomic<uint32_t> length;
        uint32_t page_offset;
    };

    explicit Ring(uint32_t size);
    Header& header_at(uint64_t position) const {
        return *reinterpret_cast<Header*>(data_ + (position & (size_ - 1)));
    }
    bool has_room(uint64_t length);
    void mark_start(uint64_t position, uint64_t length);
    /// The place (below size_) of the last header at or before `place`, or nothing.
    std::optional<uint64_t> start_before(uint64_t place) const;
    std::atomic<uint64_t>& start_word(uint64_t index) const {
        return reinterpret_cast<std::atomic<uint64_t>*>(starts_.data())[index];
    }
    bool ready() const;
    void wake();

    std::unique_ptr<State> state_;
    uint8_t* data_ = nullptr;
    uint64_t size_ = 0;
    Reserved starts_;  ///< one bit for 8 bytes of data: a record has begun here
    std::function<void()> wake_;
};

}  // namespace skep::maps
