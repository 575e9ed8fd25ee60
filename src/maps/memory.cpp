// SPDX-License-Identifier: Apache-2.0
#include "maps/memory.hpp"

#include <sys/mman.h>

#include <cerrno>

namespace skep::maps {

namespace {
constexpr size_t kHugePage = 2 << 20;
}

Result<Reserved> Reserved::create(uint64_t size) {
    if (size == 0) size = 1;
    // Large areas start at a huge page, so that the kernel can use huge pages: a table of a million
    // elements otherwise spends more time in page walks than in cache misses.
    const bool huge = size >= 2 * kHugePage;
    const size_t mapped = huge ? size + kHugePage : size;
    if (mapped < size) return std::unexpected(sys_error("map memory", ENOMEM));
    void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return std::unexpected(sys_error("map memory", ENOMEM));
    Reserved result(static_cast<uint8_t*>(base), mapped);
    const auto address = reinterpret_cast<uintptr_t>(base);
    result.start_ = huge ? (kHugePage - address % kHugePage) % kHugePage : 0;
    return result;
}

void Reserved::prefer_huge_pages() const {
    if (size_ >= 2 * kHugePage) madvise(data(), size_ - start_, MADV_HUGEPAGE);
}

Reserved::~Reserved() {
    if (base_) munmap(base_, size_);
}

}  // namespace skep::maps
