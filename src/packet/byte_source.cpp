// SPDX-License-Identifier: Apache-2.0
#include "packet/byte_source.hpp"

#include <unistd.h>

#include <cerrno>

namespace skep::packet {
namespace {

constexpr size_t kFirstBuffer = 256 << 10;

}  // namespace

ByteSource ByteSource::of(ByteView bytes) {
    ByteSource source;
    source.window_ = bytes;
    return source;
}

ByteSource ByteSource::mapped(MappedFile file) {
    ByteSource source = of(file.bytes());
    source.file_ = std::move(file);
    return source;
}

ByteSource ByteSource::stream(UniqueFd fd) {
    ByteSource source;
    source.fd_ = std::move(fd);
    source.buffer_.resize(kFirstBuffer);
    return source;
}

bool ByteSource::refill(size_t n) {
    if (!fd_) return false;
    size_t filled = available();
    if (filled > 0) std::memmove(buffer_.data(), window_.data() + cursor_, filled);
    window_offset_ += cursor_;
    cursor_ = 0;
    while (filled < n) {
        if (filled == buffer_.size()) buffer_.resize(buffer_.size() * 2);
        const ssize_t got = ::read(fd_.get(), buffer_.data() + filled, buffer_.size() - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) read_errno_ = errno;
        if (got <= 0) {
            fd_.reset();
            break;
        }
        filled += static_cast<size_t>(got);
    }
    window_ = ByteView(buffer_).first(filled);
    return filled >= n;
}

bool ByteSource::skip(uint64_t n) {
    while (n > 0) {
        if (!ensure(1)) return false;
        const size_t step = std::min<uint64_t>(n, available());
        consume(step);
        n -= step;
    }
    return true;
}

}  // namespace skep::packet
