// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/execution.hpp"

// Reads at addresses that may be wrong, which is an answer and not a fault: what
// bpf_probe_read_kernel() may see, and strings of which nobody knows the length. "Kernel memory" is
// all that the program may touch itself, and the structs that hang off its task
// (Task::kernel_readable()).

namespace skep::engine {

/// How many bytes from `address` on, up to `limit`, can be read as one piece; 0 where none can.
size_t kernel_run(Execution& x, uint64_t address, size_t limit);

/// 0 or -EFAULT.
int read_kernel(Execution& x, void* to, size_t size, uint64_t address);

/// As strncpy_from_kernel_nofault(): the length with the NUL, or `size` where the string had to be
/// cut (the last byte is then NUL); -EFAULT where memory ends before the string does.
int64_t read_kernel_string(Execution& x, char* to, size_t size, uint64_t address);

/// As the older helpers and `%s` do, which are not told whose address it is: the kernel's if that
/// can be read, else the process's.
int read_either(Execution& x, void* to, size_t size, uint64_t address);
int64_t read_either_string(Execution& x, char* to, size_t size, uint64_t address);

/// The constant string that a helper's argument in `reg` points to, without its NUL; nothing after
/// a fault: the memory of the program that holds it must hold its end too.
std::optional<std::string_view> constant_string(Execution& x, uint64_t address, int reg,
                                                std::string_view what);

}  // namespace skep::engine
