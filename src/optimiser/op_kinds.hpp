// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/ops.hpp"
#include "isa/insn.hpp"

// What operations have in common, by the order of opcodes.def.

namespace skep::optimiser {

using engine::Op;
using engine::OpCode;

inline constexpr uint8_t kFrameReg = 10;

inline bool between(OpCode code, OpCode first, OpCode last) {
    return code >= first && code <= last;
}
inline bool is_jump(OpCode code) {
    return between(code, OpCode::Jeq64K, OpCode::MayGoto);
}
inline bool falls_through(OpCode code) {
    return code != OpCode::Exit && code != OpCode::Ja && code != OpCode::JaBack &&
           code != OpCode::Invalid;
}
inline bool is_function_address(const Op& op) {
    return OpCode(op.code) == OpCode::Lddw && op.src == isa::kPseudoFunc;
}
/// Functions of the engine, or of the program.
inline bool may_call(OpCode code) {
    if (engine::is_checked_access(code)) return true;
    return code >= OpCode::PlainCallHelper && code != OpCode::LoadEvent && code != OpCode::Exit;
}

inline bool is_load(OpCode code) {
    return between(code, OpCode::PlainLoadB, OpCode::PlainLoadSxW) ||
           between(code, OpCode::PlainLoadAcquireB, OpCode::PlainLoadAcquireDW);
}
inline bool is_store_of_number(OpCode code) {
    return between(code, OpCode::PlainStoreImmB, OpCode::PlainStoreImmDW);
}
inline bool is_store(OpCode code) {
    return between(code, OpCode::PlainStoreB, OpCode::PlainStoreImmDW) ||
           between(code, OpCode::PlainStoreReleaseB, OpCode::PlainStoreReleaseDW);
}
/// Bytes that a plain access touches; 0: it is none.
inline unsigned access_size(OpCode code) {
    const auto size = [&](OpCode first) { return 1u << (int(code) - int(first)); };
    if (between(code, OpCode::PlainLoadB, OpCode::PlainLoadDW)) return size(OpCode::PlainLoadB);
    if (between(code, OpCode::PlainLoadSxB, OpCode::PlainLoadSxW))
        return size(OpCode::PlainLoadSxB);
    if (between(code, OpCode::PlainStoreB, OpCode::PlainStoreDW)) return size(OpCode::PlainStoreB);
    if (is_store_of_number(code)) return size(OpCode::PlainStoreImmB);
    if (between(code, OpCode::PlainLoadAcquireB, OpCode::PlainLoadAcquireDW))
        return size(OpCode::PlainLoadAcquireB);
    if (between(code, OpCode::PlainStoreReleaseB, OpCode::PlainStoreReleaseDW))
        return size(OpCode::PlainStoreReleaseB);
    if (between(code, OpCode::PlainAtomicAddW, OpCode::PlainCmpXchgDW))
        return (int(code) - int(OpCode::PlainAtomicAddW)) % 2 ? 8 : 4;
    return 0;
}

}  // namespace skep::optimiser
