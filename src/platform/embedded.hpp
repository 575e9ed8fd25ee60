// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "platform/helper_access.hpp"

// What the embedded runtime has, as data: the engine implements exactly these lists, and Platform
// and messages read them.
//
//     if (!embedded_helper({ProgType::Xdp}, id))
//         return unsupported("helper bpf_{} is not available here", name);   // run it in the
//         kernel
//     const KfuncInfo* kfunc = find_embedded_kfunc("bpf_strcmp");
//
// embedded_helpers.def, embedded_kfuncs.def and embedded_maps.def are the lists;
// embedded_types.bpf.c the types. Constant data, safe from any thread.

namespace skep::platform {

/// What raises the event that a program of some type sees.
enum class HookKind : uint8_t {
    None,    ///< the embedded runtime has no such hook
    Packet,  ///< a packet of a capture file or an interface
    Task,    ///< a system call or the life of a process, which has stopped meanwhile
};

HookKind embedded_hook(ProgType type);

/// The prototype of a helper that the engine provides and that Linux 6.18 gives such programs; null
/// where either is not so. Types that have no hook get what any hook has.
const HelperProto* embedded_helper(const ProgKind& kind, HelperId helper);

/// Whether the engine provides it to some hook, so that a message can say what would help.
bool embedded_has_helper(HelperId helper);

bool embedded_has_map(MapType type);

enum class KfuncId : uint16_t {
#define KFUNC(since, ret, name, params) name,
#include "platform/embedded_kfuncs.def"
#undef KFUNC
};

struct KfuncInfo {
    KfuncId id;
    std::string_view name;
    KernelVersion since;
    std::string_view c_return;
    std::string_view c_params;  ///< with parentheses: "(const char *s__ign)"
};

std::span<const KfuncInfo> embedded_kfuncs();
const KfuncInfo* find_embedded_kfunc(std::string_view name);  ///< null where there is none

/// The BTF of the types that hooks pass to programs and of the kfuncs (a .BTF section).
ByteView embedded_btf();

}  // namespace skep::platform
