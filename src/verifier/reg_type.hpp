// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// What a register holds: a base type, and flags that say more of it; numbers of the flags are those
// of Linux 6.18 (enum bpf_type_flag), so that flags of prototypes (platform::TypeFlag) can be
// compared with them.
//
//     if (base_type(reg.type) == kPtrToMem && !(reg.type & kRdonly)) ...

namespace skep::verifier {

using RegType = uint32_t;

inline constexpr RegType kNotInit = 0,  // nothing was written into it
    kScalar = 1,                        // a number
    kPtrToCtx = 2,                      // the program's context
    kConstPtrToMap = 3,                 // a map itself
    kPtrToMapValue = 4, kPtrToMapKey = 5, kPtrToStack = 6, kPtrToPacketMeta = 7, kPtrToPacket = 8,
                         kPtrToPacketEnd = 9, kPtrToFlowKeys = 10, kPtrToSocket = 11,
                         kPtrToSockCommon = 12, kPtrToTcpSock = 13, kPtrToTpBuffer = 14,
                         kPtrToXdpSock = 15,
                         kPtrToBtfId = 16,  // a kernel struct (or one of the program's own)
    kPtrToMem = 17,                         // memory of known size
    kPtrToArena = 18, kPtrToBuf = 19,       // a buffer whose size is known at attach only
    kPtrToFunc = 20,                        // one of the program's functions
    kConstPtrToDynptr = 21;                 // a dynptr that the kernel passed

inline constexpr RegType kBaseMask = 0xff;
inline constexpr RegType kMaybeNull = 1u << 8, kRdonly = 1u << 9, kRingbuf = 1u << 10,
                         kUser = 1u << 11, kPercpu = 1u << 12, kObjRelease = 1u << 13,
                         kUntrusted = 1u << 14, kMemUninit = 1u << 15, kDynptrLocal = 1u << 16,
                         kDynptrRingbuf = 1u << 17, kFixedSize = 1u << 18, kMemAlloc = 1u << 19,
                         kTrusted = 1u << 20, kRcu = 1u << 21, kNonOwnRef = 1u << 22,
                         kDynptrSkb = 1u << 23, kDynptrXdp = 1u << 24, kAligned = 1u << 25,
                         kMemWrite = 1u << 26, kDynptrSkbMeta = 1u << 27;

constexpr RegType base_type(RegType type) {
    return type & kBaseMask;
}
constexpr RegType type_flags(RegType type) {
    return type & ~kBaseMask;
}
constexpr bool may_be_null(RegType type) {
    return type & kMaybeNull;
}
constexpr bool is_packet_pointer(RegType type) {
    return type == kPtrToPacket || type == kPtrToPacketMeta;
}
constexpr bool is_sock_type(RegType type) {
    return type == kPtrToSocket || type == kPtrToSockCommon || type == kPtrToTcpSock ||
           type == kPtrToXdpSock;
}
constexpr bool is_alloc_object(RegType type) {
    return base_type(type) == kPtrToBtfId && (type & kMemAlloc);
}
constexpr bool is_owned_or_non_owned_alloc(RegType type) {
    return is_alloc_object(type);
}

}  // namespace skep::verifier
