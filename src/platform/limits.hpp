// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Numbers that bound programs, those of Linux 6.18 (include/linux/bpf.h, bpf_verifier.h, filter.h
// and kernel/bpf/verifier.c, where not said otherwise). Frame size and call depth are
// isa::kStackSize and isa::kMaxFrames.

namespace skep::platform {

inline constexpr uint32_t kMaxInsns = 1'000'000;  ///< in a program of a loader with CAP_BPF
inline constexpr uint32_t kMaxInsnsUnprivileged = 4096;
inline constexpr uint32_t kMaxVerifiedInsns =
    1'000'000;                                      ///< visited by the verifier, over all paths
inline constexpr uint32_t kMaxJumpSequence = 8192;  ///< branches that wait to be verified
inline constexpr uint32_t kMaxSubprogs = 256;
inline constexpr uint32_t kMaxUsedMaps = 64;     ///< by one program
inline constexpr uint32_t kMaxTailCalls = 33;    ///< in a chain; the 34th does nothing
inline constexpr uint32_t kMaxLoops = 1u << 23;  ///< of bpf_loop()
inline constexpr uint32_t kMaxDynptrSize = (1u << 24) - 1;
inline constexpr uint32_t kMaxPrintfArgs = 12;    ///< of snprintf and trace_vprintk (bpf_trace.h)
inline constexpr uint32_t kMaxPrintkArgs = 3;     ///< of trace_printk
inline constexpr uint32_t kMaxPrintkText = 1024;  ///< bytes that one trace_printk writes
inline constexpr uint32_t kMaxStringKfunc =
    65536;  ///< bytes that bpf_str*() look at (XATTR_SIZE_MAX)
inline constexpr uint32_t kMaxPacketOffset = 0xffff;  ///< MAX_PACKET_OFF
inline constexpr int64_t kMaxVarOffset = 1 << 29;     ///< BPF_MAX_VAR_OFF
inline constexpr uint32_t kMaxErrno = 4095;

}  // namespace skep::platform
