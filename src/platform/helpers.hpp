// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "platform/version.hpp"

// Helpers: the functions numbered in the UAPI that programs call. Their set is closed at 211; newer
// kernel functions are kfuncs. Two tables: what a helper is (helpers.def) and what the verifier
// takes and gives for it (helper_protos.def); who may call it is helper_access.hpp.
//
//     const HelperInfo* helper = find_helper("map_lookup_elem");
//     const HelperProto& proto = helper_proto(helper->id);
//     if (proto.args[1].base == ArgBase::MapKey) ...
//     fmt::print("{}\n", helper_signature(helper->id));  // void *bpf_map_lookup_elem(void *map,
//     ...)
//
// Numbers of ArgBase, RetBase and TypeFlag are those of Linux 6.18 (include/linux/bpf.h: enum
// bpf_arg_type, bpf_return_type, bpf_type_flag), so that a raw kernel value is base | flags.
// Constant data, safe from any thread, no initialisation at start.

namespace skep::platform {

enum class HelperId : uint32_t {
#define HELPER(number, name, since, ret, params) name = number,
#include "platform/helpers.def"
#undef HELPER
};

struct HelperInfo {
    HelperId id;
    std::string_view name;  ///< without "bpf_"
    KernelVersion since;
    std::string_view c_return;
    std::string_view c_params;  ///< "void *map, const void *key", or "void"
};

enum class ArgBase : uint8_t {
    DontCare = 0,  ///< no such parameter
    ConstMapPtr = 1,
    MapKey = 2,
    MapValue = 3,
    Mem = 4,
    Arena = 5,
    ConstSize = 6,
    ConstSizeOrZero = 7,
    Ctx = 8,
    Anything = 9,
    SpinLock = 10,
    SockCommon = 11,
    Socket = 12,
    BtfIdPtr = 13,  ///< a pointer to the kernel struct of ArgType::btf_type
    RingbufMem = 14,
    ConstAllocSizeOrZero = 15,
    BtfIdSockCommon = 16,
    PercpuBtfId = 17,
    Func = 18,
    Stack = 19,
    ConstStr = 20,
    Timer = 21,
    KptrXchgDest = 22,
    Dynptr = 23,
};

enum class RetBase : uint8_t {
    Integer = 0,
    Void = 1,
    MapValue = 2,
    Socket = 3,
    TcpSock = 4,
    SockCommon = 5,
    Mem = 6,
    MemOrBtfId = 7,
    BtfIdPtr = 8,
};

enum class TypeFlag : uint32_t {
    None = 0,
    MaybeNull = 1u << 8,
    Rdonly = 1u << 9,    ///< the callee only reads it
    Ringbuf = 1u << 10,  ///< a ring buffer record
    Release = 1u << 13,  ///< the reference is given up
    Uninit = 1u << 15,   ///< need not be initialised before
    DynptrLocal = 1u << 16,
    DynptrRingbuf = 1u << 17,
    FixedSizeMem = 1u << 18,  ///< ArgType::size says how large
    Trusted = 1u << 20,
    Aligned = 1u << 25,
    Write = 1u << 26,  ///< the callee writes it
};

constexpr TypeFlag operator|(TypeFlag a, TypeFlag b) {
    return static_cast<TypeFlag>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b));
}
constexpr bool has(TypeFlag flags, TypeFlag flag) {
    return (static_cast<uint32_t>(flags) & static_cast<uint32_t>(flag)) != 0;
}

struct ArgType {
    ArgBase base = ArgBase::DontCare;
    TypeFlag flags = TypeFlag::None;
    uint16_t size = 0;            ///< bytes, of FixedSizeMem
    std::string_view btf_type{};  ///< of BtfIdPtr; empty where the verifier decides (kptr_xchg)

    constexpr ArgType() = default;
    constexpr ArgType(ArgBase type) : base(type) {}
};

struct RetType {
    RetBase base = RetBase::Integer;
    TypeFlag flags = TypeFlag::None;
    std::string_view btf_type{};

    constexpr RetType(RetBase type) : base(type) {}
};

/// What a call of the helper asks of the program beyond its arguments.
enum class HelperProps : uint8_t {
    None = 0,
    GplOnly = 1,            ///< GPL-compatible programs only
    PktAccess = 2,          ///< arguments may point into packet data
    MightSleep = 4,         ///< sleepable programs only
    AllowFastcall = 8,      ///< bpf_fastcall: keeps r1-r5 that it does not use
    AllowedDPath = 16,      ///< only in the functions of bpf_d_path_allowed()
    AllowedSkStorage = 32,  ///< only in those of bpf_sk_storage_tracing_allowed()
    AllowedIma = 64,        ///< only in those of bpf_ima_inode_hash_allowed()
};

constexpr HelperProps operator|(HelperProps a, HelperProps b) {
    return static_cast<HelperProps>(static_cast<uint8_t>(a) | static_cast<uint8_t>(b));
}

/// One prototype; a few helpers have several, by program type. The first has the helper's name.
enum class ProtoId : uint16_t {
#define HELPER_PROTO(helper, variant, ...) variant,
#include "platform/helper_protos.def"
#undef HELPER_PROTO
};

struct HelperProto {
    ProtoId variant;
    HelperId helper;
    std::string_view name;  ///< of the variant
    HelperProps props;
    RetType ret;
    std::array<ArgType, 5> args;

    constexpr bool is(HelperProps property) const {
        return (static_cast<uint8_t>(props) & static_cast<uint8_t>(property)) != 0;
    }
    /// Parameters in use: 0 to 5.
    constexpr size_t arity() const {
        size_t count = 0;
        while (count < args.size() && args[count].base != ArgBase::DontCare) ++count;
        return count;
    }
};

std::span<const HelperInfo> helpers();
std::span<const HelperProto> helper_protos();

/// Null for a number or name that no helper has.
const HelperInfo* find_helper(uint32_t number);
const HelperInfo* find_helper(std::string_view name);

const HelperInfo& helper_info(HelperId id);
const HelperProto& helper_proto(HelperId id);  ///< the first variant
const HelperProto& helper_proto(ProtoId id);

/// "void *bpf_map_lookup_elem(void *map, const void *key)".
std::string helper_signature(HelperId id);

}  // namespace skep::platform
