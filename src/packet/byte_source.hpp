// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/result.hpp"

namespace skep::packet {

// A window that moves forward over a file: the mapped pages themselves, or a buffer that follows a
// pipe. A parser asks for the bytes it needs, looks at them in place, and consumes them:
//
//     if (!source.ensure(16)) return source.offset() == source.end() ? done : truncated;
//     const ByteView header = source.peek(16);
//     source.consume(16);
//
// In a stream, ensure() may move the buffer: views into it die there. It reads no more than is
// there, so a packet that has arrived is never held back by one that has not. A buffer only grows
// as bytes really come in, so a length that lies allocates nothing.
class ByteSource {
  public:
    /// `bytes` outlive the source.
    static ByteSource of(ByteView bytes);
    static ByteSource mapped(MappedFile file);
    static ByteSource stream(UniqueFd fd);

    ByteSource(ByteSource&&) = default;
    ByteSource& operator=(ByteSource&&) = default;

    /// Whether `n` bytes are at the cursor; false at the end of the input and after a read error.
    bool ensure(size_t n) { return available() >= n || refill(n); }

    size_t available() const { return window_.size() - cursor_; }

    /// `n` bytes that ensure() has said are there.
    ByteView peek(size_t n) const { return window_.subspan(cursor_, n); }

    void consume(size_t n) { cursor_ += n; }

    /// Moves past `n` bytes without keeping them; false where the input ends before.
    bool skip(uint64_t n);

    /// Of the cursor, from the beginning of the input.
    uint64_t offset() const { return window_offset_ + cursor_; }

    /// errno of the read(2) that failed, or 0.
    int read_errno() const { return read_errno_; }

  private:
    ByteSource() = default;
    bool refill(size_t n);

    ByteView window_;             ///< what is in memory: file_, or the valid part of buffer_
    size_t cursor_ = 0;           ///< in window_
    uint64_t window_offset_ = 0;  ///< of window_'s begin in the input
    std::optional<MappedFile> file_;
    UniqueFd fd_;
    Bytes buffer_;
    int read_errno_ = 0;
};

}  // namespace skep::packet
