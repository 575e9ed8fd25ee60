// SPDX-License-Identifier: Apache-2.0
// Helpers on dynptrs of memory; those of ring buffers are in output.cpp, kernel functions on
// dynptrs in kfuncs.cpp. Source: kernel/bpf/helpers.c of Linux 6.18.

#include "engine/dynptr.hpp"

#include <cerrno>

#include "engine/helpers.hpp"

namespace skep::engine {
namespace {

std::span<uint8_t> bytes(uint64_t address, uint64_t size) {
    return {reinterpret_cast<uint8_t*>(address), static_cast<uint32_t>(size)};
}

uint64_t dynptr_from_mem(Execution&, uint64_t data, uint64_t size, uint64_t flags, uint64_t to,
                         uint64_t) {
    const int error = static_cast<uint32_t>(size) > Dynptr::kMaxSize ? E2BIG : flags ? EINVAL : 0;
    const Dynptr dynptr =
        error ? Dynptr() : Dynptr(Dynptr::Type::Local, data, static_cast<uint32_t>(size));
    dynptr.store(to);
    return errno_result(error);
}

uint64_t dynptr_read(Execution& x, uint64_t to, uint64_t size, uint64_t from, uint64_t offset,
                     uint64_t flags) {
    if (flags) return errno_result(EINVAL);
    return static_cast<uint64_t>(
        Dynptr::load(from).read(x, static_cast<uint32_t>(offset), bytes(to, size), 3));
}

uint64_t dynptr_write(Execution& x, uint64_t to, uint64_t offset, uint64_t from, uint64_t size,
                      uint64_t flags) {
    return static_cast<uint64_t>(
        Dynptr::load(to).write(x, static_cast<uint32_t>(offset), bytes(from, size), flags, 1));
}

uint64_t dynptr_data(Execution& x, uint64_t from, uint64_t offset, uint64_t size, uint64_t,
                     uint64_t) {
    const Dynptr dynptr = Dynptr::load(from);
    const auto at = static_cast<uint32_t>(offset), length = static_cast<uint32_t>(size);
    if (dynptr.is_null() || dynptr.check(at, length) || dynptr.read_only() || dynptr.is_packet())
        return 0;
    return reinterpret_cast<uint64_t>(dynptr.memory(x, at, length, true, 1));
}

constexpr HelperRow kRows[] = {
    {platform::HelperId::dynptr_from_mem, dynptr_from_mem},
    {platform::HelperId::dynptr_read, dynptr_read},
    {platform::HelperId::dynptr_write, dynptr_write},
    {platform::HelperId::dynptr_data, dynptr_data},
};

}  // namespace

std::span<const HelperRow> dynptr_helpers() {
    return kRows;
}

}  // namespace skep::engine
