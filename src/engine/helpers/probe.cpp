// SPDX-License-Identifier: Apache-2.0
// Helpers that read (and one that writes) memory of the process and of the kernel, at any address.
// A failed read leaves zeros. Sources: kernel/trace/bpf_trace.c, mm/maccess.c, kernel/bpf/helpers.c
// of Linux 6.18.

#include "engine/probe.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/helpers.hpp"
#include "engine/printf.hpp"
#include "platform/embedded_types.h"

namespace skep::engine {
namespace {

/// The context as a whole: what lies behind its fields (strings of a tracepoint record) is read
/// this way only.
Region context(Execution& x) {
    const Event& event = x.event();
    return {.begin = reinterpret_cast<uint64_t>(event.ctx),
            .size = event.ctx_size,
            .kind = Region::Kind::Context};
}

bool readable(Execution& x, uint64_t address, size_t size) {
    return context(x).contains(address, size) ||
           x.memory().find(address, size).kind != Region::Kind::None;
}

}  // namespace

size_t kernel_run(Execution& x, uint64_t address, size_t limit) {
    Region region = context(x);
    if (!region.contains(address, 1)) region = x.memory().find(address, 1);
    if (region.kind == Region::Kind::None) return 0;
    // A task's structs are found out as they are read, so no more of them than a comm at a time.
    constexpr size_t kComm = 16;
    if (region.kind == Region::Kind::Kernel)
        return limit >= kComm && x.task().kernel_readable(address, kComm) ? kComm : 1;
    return std::min<uint64_t>(limit, region.begin + region.size - address);
}

int read_kernel(Execution& x, void* to, size_t size, uint64_t address) {
    if (size == 0) return 0;
    if (!readable(x, address, size)) return -EFAULT;
    std::memmove(to, reinterpret_cast<const void*>(address), size);
    return 0;
}

int64_t read_kernel_string(Execution& x, char* to, size_t size, uint64_t address) {
    size_t done = 0;
    while (done < size) {
        const size_t run = kernel_run(x, address + done, size - done);
        if (run == 0) return -EFAULT;
        const auto* from = reinterpret_cast<const char*>(address + done);
        const size_t length = strnlen(from, run);
        std::memmove(to + done, from, length);
        done += length;
        if (length == run) continue;
        to[done] = 0;
        return static_cast<int64_t>(done) + 1;
    }
    if (size > 0) to[size - 1] = 0;
    return static_cast<int64_t>(size);
}

int read_either(Execution& x, void* to, size_t size, uint64_t address) {
    return read_kernel(x, to, size, address) == 0 ? 0 : x.task().read_user(to, size, address);
}

int64_t read_either_string(Execution& x, char* to, size_t size, uint64_t address) {
    const int64_t length = read_kernel_string(x, to, size, address);
    return length >= 0 ? length : x.task().read_user_string(to, size, address);
}

std::optional<std::string_view> constant_string(Execution& x, uint64_t address, int reg,
                                                std::string_view what) {
    const auto* text = reinterpret_cast<const char*>(address);
    if (!x.checked()) return text;
    const size_t run = kernel_run(x, address, SIZE_MAX);
    if (const size_t length = strnlen(text, run); length < run)
        return std::string_view(text, length);
    x.fault(Fault::Kind::BadArgument, std::string(what) + " has no end in its memory", reg,
            address);
    return std::nullopt;
}

namespace {

/// The result of a read of `size` bytes: 0 or a length; an error leaves zeros.
uint64_t done_or_zeroed(int64_t result, uint64_t to, uint64_t size) {
    if (result < 0) std::memset(reinterpret_cast<void*>(to), 0, size);
    return static_cast<uint64_t>(result);
}

int read_user(Execution& x, void* to, size_t size, uint64_t address) {
    return x.task().read_user(to, size, address);
}
int64_t read_user_string(Execution& x, char* to, size_t size, uint64_t address) {
    return x.task().read_user_string(to, size, address);
}

/// A helper (to, size, from) over one of the functions that read.
template <auto kRead>
uint64_t probe(Execution& x, uint64_t to, uint64_t size, uint64_t from, uint64_t, uint64_t) {
    return done_or_zeroed(kRead(x, reinterpret_cast<char*>(to), size, from), to, size);
}

uint64_t probe_write_user(Execution& x, uint64_t to, uint64_t from, uint64_t size, uint64_t,
                          uint64_t) {
    return static_cast<uint64_t>(
        int64_t{x.task().write_user(to, reinterpret_cast<const void*>(from), size)});
}

// Other tasks' memory is out of reach: only the current one is stopped.
uint64_t copy_from_user_task(Execution& x, uint64_t to, uint64_t size, uint64_t from, uint64_t task,
                             uint64_t flags) {
    if (flags) return errno_result(EINVAL);
    if (size == 0) return 0;
    platform::embedded::task_struct other{};
    if (read_kernel(x, &other.tgid, sizeof other.tgid,
                    task + offsetof(platform::embedded::task_struct, tgid)) != 0)
        other.tgid = 0;
    const bool same = static_cast<uint32_t>(other.tgid) == x.task().pid_tgid() >> 32;
    return same ? probe<read_user>(x, to, size, from, 0, 0) : done_or_zeroed(-EFAULT, to, size);
}

constexpr HelperRow kRows[] = {
    {platform::HelperId::probe_read, probe<read_either>},
    {platform::HelperId::probe_read_str, probe<read_either_string>},
    {platform::HelperId::probe_read_kernel, probe<read_kernel>},
    {platform::HelperId::probe_read_kernel_str, probe<read_kernel_string>},
    {platform::HelperId::probe_read_user, probe<read_user>},
    {platform::HelperId::probe_read_user_str, probe<read_user_string>},
    {platform::HelperId::probe_write_user, probe_write_user},
    {platform::HelperId::copy_from_user, probe<read_user>},
    {platform::HelperId::copy_from_user_task, copy_from_user_task},
};

}  // namespace

std::span<const HelperRow> probe_helpers() {
    return kRows;
}

}  // namespace skep::engine
