// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "base/bytes.hpp"
#include "base/result.hpp"

// Files and descriptors, owned. Errors name the path.

namespace skep {

/// Owns a file descriptor; -1 is "none".
class UniqueFd {
  public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~UniqueFd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1);

  private:
    int fd_ = -1;
};

/// A file mapped for reading. The view stays valid as long as this object. A file that another
/// process truncates meanwhile raises SIGBUS, as with every mmap; use read_file() where that
/// matters.
class MappedFile {
  public:
    static Result<MappedFile> open(const std::string& path);
    MappedFile(MappedFile&& other) noexcept : view_(std::exchange(other.view_, {})) {}
    MappedFile& operator=(MappedFile&& other) noexcept {
        std::swap(view_, other.view_);
        return *this;
    }
    ~MappedFile();

    ByteView bytes() const { return view_; }

  private:
    explicit MappedFile(ByteView view) : view_(view) {}
    ByteView view_;
};

/// The whole file; "-" is standard input. Works for /proc and /sys files, whose size says nothing.
Result<Bytes> read_file(const std::string& path);

/// Reads all that is left behind `fd`. `name` is what errors call it.
Result<Bytes> read_fd(int fd, const std::string& name);

Result<void> write_file(const std::string& path, ByteView bytes);

/// Writes all of it, however often write(2) stops short.
Result<void> write_fd(int fd, ByteView bytes, const std::string& name);

}  // namespace skep
