// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace skep {

void UniqueFd::reset(int fd) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Result<MappedFile> MappedFile::open(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(sys_error(path));
    struct stat st;
    if (fstat(fd.get(), &st) < 0) return std::unexpected(sys_error(path));
    if (S_ISDIR(st.st_mode)) return std::unexpected(sys_error(path, EISDIR));
    const auto size = static_cast<size_t>(st.st_size);
    if (size == 0) return MappedFile(ByteView());
    void* memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (memory == MAP_FAILED) return std::unexpected(sys_error(path));
    return MappedFile({static_cast<const uint8_t*>(memory), size});
}

MappedFile::~MappedFile() {
    if (!view_.empty()) munmap(const_cast<uint8_t*>(view_.data()), view_.size());
}

Result<Bytes> read_file(const std::string& path) {
    if (path == "-") return read_fd(STDIN_FILENO, "standard input");
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(sys_error(path));
    return read_fd(fd.get(), path);
}

Result<Bytes> read_fd(int fd, const std::string& name) {
    Bytes bytes;
    struct stat st;
    const size_t expected = fstat(fd, &st) == 0 && st.st_size > 0 ? size_t(st.st_size) : 0;
    bytes.resize(expected + 4096);
    size_t used = 0;
    for (;;) {
        const ssize_t n = ::read(fd, bytes.data() + used, bytes.size() - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return std::unexpected(sys_error(name));
        if (n == 0) break;
        used += static_cast<size_t>(n);
        if (used == bytes.size()) bytes.resize(bytes.size() * 2);
    }
    bytes.resize(used);
    return bytes;
}

Result<void> write_file(const std::string& path, ByteView bytes) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!fd) return std::unexpected(sys_error(path));
    return write_fd(fd.get(), bytes, path);
}

Result<void> write_fd(int fd, ByteView bytes, const std::string& name) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return std::unexpected(sys_error(name));
        bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
}

}  // namespace skep
