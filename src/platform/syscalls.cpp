// SPDX-License-Identifier: Apache-2.0
#include "platform/syscalls.hpp"

#include <algorithm>

namespace skep::platform {
namespace {

constexpr SyscallInfo kSyscalls[] = {
#define SYSCALL(number, name, entry, params) {number, name, entry, params},
#include "platform/syscalls.def"
#undef SYSCALL
};

static_assert(std::ranges::is_sorted(kSyscalls, {}, &SyscallInfo::number) &&
                  std::ranges::adjacent_find(kSyscalls, {}, &SyscallInfo::number) ==
                      std::end(kSyscalls),
              "syscalls.def is in the order of numbers, each once");

}  // namespace

size_t SyscallInfo::arity() const {
    return params.empty() ? 0 : static_cast<size_t>(std::ranges::count(params, ',')) + 1;
}

std::string_view SyscallInfo::param(size_t index) const {
    std::string_view rest = params;
    for (; index > 0; --index) {
        const size_t comma = rest.find(", ");
        if (comma == rest.npos) return {};
        rest.remove_prefix(comma + 2);
    }
    return rest.substr(0, rest.find(", "));
}

std::span<const SyscallInfo> syscalls() {
    return kSyscalls;
}

const SyscallInfo* find_syscall(uint64_t number) {
    const auto* found = std::ranges::lower_bound(kSyscalls, number, {}, &SyscallInfo::number);
    return found != std::end(kSyscalls) && found->number == number ? found : nullptr;
}

const SyscallInfo* find_syscall(std::string_view name) {
    if (name.empty()) return nullptr;
    for (const SyscallInfo& call : kSyscalls)
        if (call.name == name || call.entry == name) return &call;
    return nullptr;
}

}  // namespace skep::platform
