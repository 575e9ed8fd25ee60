// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/seccomp_filter.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <span>

namespace skep::hooks {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;

/// Numbers from `first` up to the next interval's first.
struct Interval {
    uint32_t first;
    bool stop;
};

std::vector<Interval> intervals(const SyscallSet& stops) {
    std::vector<Interval> result{{0, stops.contains(Abi::Native, 0)}};
    for (uint32_t nr = 1; nr <= SyscallSet::kLimit; nr++) {
        const bool stop = stops.contains(Abi::Native, nr);
        if (stop != result.back().stop) result.push_back({nr, stop});
    }
    return result;
}

using Code = std::vector<sock_filter>;

void add(Code& code, const Code& more) {
    code.insert(code.end(), more.begin(), more.end());
}

// Binary search. A conditional jump reaches 255 instructions, `ja` any number.
Code search(std::span<const Interval> intervals, uint32_t stop) {
    if (intervals.size() == 1)
        return {BPF_STMT(BPF_RET | BPF_K, intervals[0].stop ? stop : SECCOMP_RET_ALLOW)};
    const size_t middle = intervals.size() / 2;
    const uint32_t pivot = intervals[middle].first;
    const Code below = search(intervals.first(middle), stop);
    const auto skip = static_cast<uint32_t>(below.size());

    Code code;
    if (skip <= UINT8_MAX) {
        code = {BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, pivot, static_cast<uint8_t>(skip), 0)};
    } else {
        code = {BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, pivot, 0, 1),
                BPF_STMT(BPF_JMP | BPF_JA | BPF_K, skip)};
    }
    add(code, below);
    add(code, search(intervals.subspan(middle), stop));
    return code;
}

uint32_t tagged(uint32_t stop, Abi abi) {
    return stop | static_cast<uint32_t>(abi);
}

}  // namespace

std::vector<sock_filter> seccomp_filter(const SyscallSet& stops, uint32_t stop) {
    const bool all = stops.all();
    const uint32_t i386 = all ? tagged(stop, Abi::I386) : SECCOMP_RET_ALLOW;
    const uint32_t x32 = all ? tagged(stop, Abi::X32) : SECCOMP_RET_ALLOW;
    Code code = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, i386),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    };
    // A number with bit 30 set is x32's; one with bit 31 too (-1 from a tracer, say) is no call.
    add(code, {BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1), BPF_STMT(BPF_RET | BPF_K, x32)});
    add(code, search(intervals(stops), tagged(stop, Abi::Native)));
    return code;
}

}  // namespace skep::hooks
