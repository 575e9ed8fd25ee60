// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.hpp"

namespace skep::maps {

inline constexpr size_t kPageSize = 4096;

// Address space that costs memory only where it has been written: zero pages, never moved, so that
// max_entries of a million is free until the million are there.
class Reserved {
  public:
    static Result<Reserved> create(uint64_t size);
    Reserved() = default;
    Reserved(Reserved&& other) noexcept
        : base_(std::exchange(other.base_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          start_(std::exchange(other.start_, 0)) {}
    Reserved& operator=(Reserved&& other) noexcept {
        std::swap(base_, other.base_);
        std::swap(size_, other.size_);
        std::swap(start_, other.start_);
        return *this;
    }
    ~Reserved();

    uint8_t* data() const { return base_ + start_; }

    /// For memory that is used from its beginning on, or all of it: a touched byte then costs up to
    /// 2 MiB.
    void prefer_huge_pages() const;

  private:
    Reserved(uint8_t* base, size_t size) : base_(base), size_(size) {}
    uint8_t* base_ = nullptr;
    size_t size_ = 0;
    size_t start_ = 0;  ///< where data begins, for its alignment
};

}  // namespace skep::maps
