// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

// printf as BPF programs have it (bpf_snprintf, bpf_trace_printk, bpf_trace_vprintk): the kernel's
// conversions, which differ from C's, over arguments that are raw 64-bit values.
//
//     char text[64];
//     int64_t length = bpf_printf(text, format, args, memory);   // -EINVAL for "%f"
//
// Allowed are %d %i %u %x %X with l or ll, %c, %s, flags '0', '+', '-', ' ' and a width, and
//
//     %p %pK        a pointer, hashed      %px         as it is
//     %ps %pS %pB   a symbol: here always its address, "0x..."
//     %pks %pus     a string of the kernel, of the process
//     %pi4 %pI4 %pi6 %pI6                  the IP address at a pointer
//
// Everything else (%f, precisions, %hd, '*', control characters) is -EINVAL for the whole format,
// as are more conversions than arguments. Strings and addresses are read when the format is parsed,
// into 512 bytes for all of them; what cannot be read is empty or zero. Quirks that programs see
// are the kernel's too: letters and digits behind a %p conversion are swallowed, and a width does
// not count for %pks, %pus, %pB and IP addresses.
//
// Source: bpf_bprintf_prepare() and bstr_printf() of Linux 6.18.

namespace skep::engine {

inline constexpr size_t kMaxPrintfArgs = 12;     ///< MAX_BPRINTF_VARARGS
inline constexpr size_t kPrintfArgBytes = 512;   ///< MAX_BPRINTF_BIN_ARGS
inline constexpr size_t kPrintkMaxBytes = 1024;  ///< MAX_BPRINTF_BUF, with the NUL

/// What a conversion that takes a pointer may read.
class PrintfMemory {
  public:
    enum class From : uint8_t { Either, Kernel, User };  ///< %s, %pks, %pus

    virtual ~PrintfMemory() = default;
    /// 0 or -EFAULT.
    virtual int read(void* to, size_t size, uint64_t address) = 0;
    /// The length with the NUL, at most `size`; or -EFAULT.
    virtual int64_t read_string(char* to, size_t size, uint64_t address, From from) = 0;
};

/// The text goes to `out`, cut to its size, with a NUL where there is room for one. Returns the
/// length that the whole text has, without the NUL; or -EINVAL or -ENOSPC, with `out` untouched.
int64_t bpf_printf(std::span<char> out, std::string_view format, std::span<const uint64_t> args,
                   PrintfMemory& memory);

}  // namespace skep::engine
