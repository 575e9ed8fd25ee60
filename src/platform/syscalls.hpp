// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

// System calls of x86-64 Linux, for event sources and for printing:
//
//     const SyscallInfo* call = find_syscall(257);   // openat
//     call->arity();                                 // 4
//     call->param(1);                                // "const char *filename"
//
// Constant data, safe from any thread. syscalls.def names the sources.

namespace skep::platform {

struct SyscallInfo {
    uint32_t number;
    std::string_view name;    ///< as users call it: "fstat"
    std::string_view entry;   ///< as the kernel does: "newfstat"; empty for reserved numbers
    std::string_view params;  ///< "unsigned int fd, struct stat *statbuf"; empty for none

    size_t arity() const;
    /// The declaration of parameter `index`; empty beyond the last.
    std::string_view param(size_t index) const;
};

std::span<const SyscallInfo> syscalls();  ///< ascending by number

/// Null where there is none. By name, the entry counts too.
const SyscallInfo* find_syscall(uint64_t number);
const SyscallInfo* find_syscall(std::string_view name);

}  // namespace skep::platform
