// SPDX-License-Identifier: Apache-2.0
#include "engine/interpreter.hpp"

#include <cstring>

#include "engine/helpers.hpp"
#include "engine/probe.hpp"
#include "platform/limits.hpp"

// Labels as values are an extension of GCC and clang; nothing standard makes as good a dispatch.
#pragma GCC diagnostic ignored "-Wpedantic"

namespace skep::engine {

namespace {

template <typename T>
uint64_t load_at(const uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return static_cast<uint64_t>(value);
}

template <typename T>
void store_at(uint8_t* to, uint64_t value) {
    const auto narrow = static_cast<T>(value);
    std::memcpy(to, &narrow, sizeof narrow);
}

// RFC 9669, section 4.1: division by zero gives 0, modulo by zero the dividend; the lowest number
// divided by -1 wraps.
template <typename T>
T divide(T a, T b) {
    return b == 0 ? T{0} : static_cast<T>(a / b);
}
template <typename T>
T modulo(T a, T b) {
    return b == 0 ? a : static_cast<T>(a % b);
}
template <typename S, typename U>
U divide_signed(U a, U b) {
    if (b == U(-1)) return static_cast<U>(U{0} - a);
    return static_cast<U>(divide(static_cast<S>(a), static_cast<S>(b)));
}
template <typename S, typename U>
U modulo_signed(U a, U b) {
    if (b == U(-1)) return 0;
    return static_cast<U>(modulo(static_cast<S>(a), static_cast<S>(b)));
}

/// What was there before.
template <typename T>
uint64_t compare_exchange(T* where, uint64_t expected_value, T value) {
    auto expected = static_cast<T>(expected_value);
    __atomic_compare_exchange_n(where, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

}  // namespace

// One handler an operation. `a` is the destination's value and `b` the second operand, in the
// operation's own width; a 32-bit result zeroes the upper half.
#define NEXT()                   \
    do {                         \
        ++op;                    \
        goto* kLabels[op->code]; \
    } while (0)
#define JUMP(distance)           \
    do {                         \
        op += (distance);        \
        goto* kLabels[op->code]; \
    } while (0)
#define DST r[op->dst]
#define SRC r[op->src]

#define ALU_FORM(label, U, S, operand, expression)        \
    label: {                                              \
        using Signed [[maybe_unused]] = S;                \
        using Unsigned [[maybe_unused]] = U;              \
        const U a [[maybe_unused]] = static_cast<U>(DST); \
        const U b = static_cast<U>(operand);              \
        DST = static_cast<U>(expression);                 \
    }                                                     \
    NEXT();
#define ALU(name, expression)                                   \
    ALU_FORM(name##64K, uint64_t, int64_t, op->imm, expression) \
    ALU_FORM(name##64X, uint64_t, int64_t, SRC, expression)     \
    ALU_FORM(name##32K, uint32_t, int32_t, op->imm, expression) \
    ALU_FORM(name##32X, uint32_t, int32_t, SRC, expression)

// Backward jumps are what the budget counts: whoever makes none ends by itself.
#define JUMP_FORM(label, T, operand, condition) \
    label: {                                    \
        const T a = static_cast<T>(DST);        \
        const T b = static_cast<T>(operand);    \
        if (condition) JUMP(op->off);           \
    }                                           \
    NEXT();
#define JUMP_BACK_FORM(label, T, operand, condition)         \
    label: {                                                 \
        const T a = static_cast<T>(DST);                     \
        const T b = static_cast<T>(operand);                 \
        if (condition) {                                     \
            if ((budget += op->off - 1) < 0) goto exhausted; \
            JUMP(op->off);                                   \
        }                                                    \
    }                                                        \
    NEXT();
#define JUMP_FORMS(FORM, name, T64, T32, condition) \
    FORM(name##64K, T64, op->imm, condition)        \
    FORM(name##64X, T64, SRC, condition)            \
    FORM(name##32K, T32, op->imm, condition)        \
    FORM(name##32X, T32, SRC, condition)
#define JUMP_IF(name, T64, T32, condition)           \
    JUMP_FORMS(JUMP_FORM, name, T64, T32, condition) \
    JUMP_FORMS(JUMP_BACK_FORM, name##Back, T64, T32, condition)

#define ADDRESS(reg) (r[op->reg] + uint64_t(int64_t{op->off}))
#define LOAD(label, T)                                                              \
    label: {                                                                        \
        const uint64_t address = ADDRESS(src);                                      \
        if (const uint8_t* from = access(op, address, sizeof(T), false)) [[likely]] \
            DST = load_at<T>(from);                                                 \
        else if (!load_context_pointer(op, address, &DST))                          \
            goto stopped;                                                           \
    }                                                                               \
    NEXT();                                                                         \
    Plain##label : DST = load_at<T>(reinterpret_cast<uint8_t*>(ADDRESS(src)));      \
    NEXT();                                                                         \
    Probe##label : {                                                                \
        T value = 0;                                                                \
        read_kernel(x_, &value, sizeof value, ADDRESS(src));                        \
        DST = static_cast<uint64_t>(static_cast<int64_t>(value));                   \
    }                                                                               \
    NEXT();
#define STORE(label, T, value)                                                   \
    label: {                                                                     \
        uint8_t* to = access(op, ADDRESS(dst), sizeof(T), true);                 \
        if (!to) [[unlikely]]                                                    \
            goto stopped;                                                        \
        store_at<T>(to, value);                                                  \
    }                                                                            \
    NEXT();                                                                      \
    Plain##label : store_at<T>(reinterpret_cast<uint8_t*>(ADDRESS(dst)), value); \
    NEXT();

// What an atomic operation works on: `where`, once checked and once as it is.
#define CHECKED_ATOMIC(reg, T)                                   \
    uint8_t* where = access_atomic(op, ADDRESS(reg), sizeof(T)); \
    if (!where) [[unlikely]]                                     \
        goto stopped;                                            \
    auto* to = reinterpret_cast<T*>(where)
#define PLAIN_ATOMIC(reg, T) auto* to = reinterpret_cast<T*>(ADDRESS(reg))
#define ATOMIC_FORM(label, T, statement)     \
    label: {                                 \
        CHECKED_ATOMIC(dst, T);              \
        const T value = static_cast<T>(SRC); \
        statement;                           \
    }                                        \
    NEXT();                                  \
    Plain##label : {                         \
        PLAIN_ATOMIC(dst, T);                \
        const T value = static_cast<T>(SRC); \
        statement;                           \
    }                                        \
    NEXT();
#define ATOMIC(name, statement)               \
    ATOMIC_FORM(name##W, uint32_t, statement) \
    ATOMIC_FORM(name##DW, uint64_t, statement)
#define ACQUIRE(label, T)                            \
    label: {                                         \
        CHECKED_ATOMIC(src, T);                      \
        DST = __atomic_load_n(to, __ATOMIC_ACQUIRE); \
    }                                                \
    NEXT();                                          \
    Plain##label : {                                 \
        PLAIN_ATOMIC(src, T);                        \
        DST = __atomic_load_n(to, __ATOMIC_ACQUIRE); \
    }                                                \
    NEXT();

uint64_t Interpreter::run(const Prog& prog, const Op* start, uint64_t* registers) {
    prog_ = &prog;
    ops_ = prog.ops_.data();
    return execute(start, registers);
}

uint64_t Interpreter::execute(const Op* op, uint64_t* r) {
    static const void* const kLabels[] = {
#define OP(name) &&name,
#include "engine/opcodes.def"
#undef OP
#define OP(name) &&traced,
#include "engine/opcodes.def"
#undef OP
    };
    const uint32_t outermost = x_.state_.depth;
    int64_t& budget = x_.state_.budget_left;
    goto* kLabels[op->code];

    ALU(Add, a + b)
    ALU(Sub, a - b)
    ALU(Mul, a * b)
    ALU(Div, divide(a, b))
    ALU(Mod, modulo(a, b))
    ALU(Sdiv, divide_signed<Signed>(a, b))
    ALU(Smod, modulo_signed<Signed>(a, b))
    ALU(Or, a | b)
    ALU(And, a & b)
    ALU(Xor, a ^ b)
    ALU(Lsh, a << (b & (sizeof(Unsigned) * 8 - 1)))
    ALU(Rsh, a >> (b & (sizeof(Unsigned) * 8 - 1)))
    ALU(Arsh, static_cast<Signed>(a) >> (b & (sizeof(Unsigned) * 8 - 1)))
    ALU(Mov, b)

Neg64:
    DST = 0 - DST;
    NEXT();
Neg32:
    DST = 0u - static_cast<uint32_t>(DST);
    NEXT();
MovSx64B:
    DST = static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(SRC)));
    NEXT();
MovSx64H:
    DST = static_cast<uint64_t>(static_cast<int64_t>(static_cast<int16_t>(SRC)));
    NEXT();
MovSx64W:
    DST = static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(SRC)));
    NEXT();
MovSx32B:
    DST = static_cast<uint32_t>(static_cast<int32_t>(static_cast<int8_t>(SRC)));
    NEXT();
MovSx32H:
    DST = static_cast<uint32_t>(static_cast<int32_t>(static_cast<int16_t>(SRC)));
    NEXT();
Le16:
    DST = static_cast<uint16_t>(DST);
    NEXT();
Le32:
    DST = static_cast<uint32_t>(DST);
    NEXT();
Be16:
    DST = __builtin_bswap16(static_cast<uint16_t>(DST));
    NEXT();
Be32:
    DST = __builtin_bswap32(static_cast<uint32_t>(DST));
    NEXT();
Be64:
    DST = __builtin_bswap64(DST);
    NEXT();
Nop:
    NEXT();
Lddw:
    DST = op->imm;
    JUMP(2);

    JUMP_IF(Jeq, uint64_t, uint32_t, a == b)
    JUMP_IF(Jne, uint64_t, uint32_t, a != b)
    JUMP_IF(Jgt, uint64_t, uint32_t, a > b)
    JUMP_IF(Jge, uint64_t, uint32_t, a >= b)
    JUMP_IF(Jlt, uint64_t, uint32_t, a < b)
    JUMP_IF(Jle, uint64_t, uint32_t, a <= b)
    JUMP_IF(Jset, uint64_t, uint32_t, (a & b) != 0)
    JUMP_IF(Jsgt, int64_t, int32_t, a > b)
    JUMP_IF(Jsge, int64_t, int32_t, a >= b)
    JUMP_IF(Jslt, int64_t, int32_t, a < b)
    JUMP_IF(Jsle, int64_t, int32_t, a <= b)
Ja:
    JUMP(op->off);
JaBack:
    if ((budget += op->off - 1) < 0) goto exhausted;
    JUMP(op->off);
MayGoto: {
    uint64_t& left = x_.frames_[x_.state_.depth].may_goto;
    if (left > 0) {
        left--;
        NEXT();
    }
    JUMP(op->off);
}

    LOAD(LoadB, uint8_t)
    LOAD(LoadH, uint16_t)
    LOAD(LoadW, uint32_t)
    LOAD(LoadDW, uint64_t)
    LOAD(LoadSxB, int8_t)
    LOAD(LoadSxH, int16_t)
    LOAD(LoadSxW, int32_t)
    STORE(StoreB, uint8_t, SRC)
    STORE(StoreH, uint16_t, SRC)
    STORE(StoreW, uint32_t, SRC)
    STORE(StoreDW, uint64_t, SRC)
    STORE(StoreImmB, uint8_t, op->imm)
    STORE(StoreImmH, uint16_t, op->imm)
    STORE(StoreImmW, uint32_t, op->imm)
    STORE(StoreImmDW, uint64_t, op->imm)

    ACQUIRE(LoadAcquireB, uint8_t)
    ACQUIRE(LoadAcquireH, uint16_t)
    ACQUIRE(LoadAcquireW, uint32_t)
    ACQUIRE(LoadAcquireDW, uint64_t)
    ATOMIC_FORM(StoreReleaseB, uint8_t, __atomic_store_n(to, value, __ATOMIC_RELEASE))
    ATOMIC_FORM(StoreReleaseH, uint16_t, __atomic_store_n(to, value, __ATOMIC_RELEASE))
    ATOMIC_FORM(StoreReleaseW, uint32_t, __atomic_store_n(to, value, __ATOMIC_RELEASE))
    ATOMIC_FORM(StoreReleaseDW, uint64_t, __atomic_store_n(to, value, __ATOMIC_RELEASE))
    // Without fetch there is no order (the kernel's atomic_add() and kin); with it there is.
    ATOMIC(AtomicAdd, __atomic_fetch_add(to, value, __ATOMIC_RELAXED))
    ATOMIC(AtomicOr, __atomic_fetch_or(to, value, __ATOMIC_RELAXED))
    ATOMIC(AtomicAnd, __atomic_fetch_and(to, value, __ATOMIC_RELAXED))
    ATOMIC(AtomicXor, __atomic_fetch_xor(to, value, __ATOMIC_RELAXED))
    ATOMIC(FetchAdd, SRC = __atomic_fetch_add(to, value, __ATOMIC_SEQ_CST))
    ATOMIC(FetchOr, SRC = __atomic_fetch_or(to, value, __ATOMIC_SEQ_CST))
    ATOMIC(FetchAnd, SRC = __atomic_fetch_and(to, value, __ATOMIC_SEQ_CST))
    ATOMIC(FetchXor, SRC = __atomic_fetch_xor(to, value, __ATOMIC_SEQ_CST))
    ATOMIC(Xchg, SRC = __atomic_exchange_n(to, value, __ATOMIC_SEQ_CST))
    ATOMIC(CmpXchg, r[0] = compare_exchange(to, r[0], value))

LoadEvent: {
    const auto* field = reinterpret_cast<const uint8_t*>(x_.state_.event) + op->imm;
    DST = load_at<uint64_t>(field);
}
    NEXT();

PacketAbs:
    // A packet that is too short ends the program with 0 (RFC 9669, section 5.4.4).
    if (!load_packet(op, static_cast<int32_t>(op->imm), &r[0])) {
        r[0] = 0;
        goto leave;
    }
    NEXT();
PacketInd:
    if (!load_packet(op, static_cast<int32_t>(SRC + op->imm), &r[0])) {
        r[0] = 0;
        goto leave;
    }
    NEXT();

CallHelper:
    r[0] = call_helper(op, r);
    if (x_.faulted()) [[unlikely]]
        goto stopped;
    NEXT();
PlainCallHelper:
    r[0] = call_plain(op, r);
    if (x_.faulted()) [[unlikely]]
        goto stopped;
    NEXT();
CallKfunc:
    r[0] = call_kfunc(op, r);
    if (x_.faulted()) [[unlikely]]
        goto stopped;
    NEXT();
CallRegister:
    r[0] = call_register(op, r);
    if (x_.faulted()) [[unlikely]]
        goto stopped;
    NEXT();
CallLocal:
    if (--budget < 0) goto exhausted;
    if (!push_frame(op, r)) goto stopped;
    r[10] -= isa::kStackSize;
    JUMP(op->off);
TailCall:
    if (const Prog* next = tail_call(op, r)) {
        prog_ = x_.prog_ = next;
        ops_ = next->ops_.data();
        op = ops_;
        x_.frames_[x_.state_.depth].may_goto = platform::kMaxLoops;
        goto* kLabels[op->code];
    }
    if (x_.faulted()) goto stopped;
    r[0] = errno_result(ENOENT);  // what r0 holds is not specified; the kernel leaves garbage
    NEXT();
Exit:
leave:
    if (x_.state_.depth == outermost) return r[0];
    op = pop_frame(r);
    NEXT();

traced:
    x_.observe(*op, r);
    goto* kLabels[op->code - kOpCodes];

Counted:
    goto* kLabels[count(op)];

Invalid:
    fault_at(op, Fault::Kind::BadCall, "there is no instruction here", -1, 0);
    goto stopped;
exhausted:
    out_of_budget(op);
stopped:
    return 0;
}

}  // namespace skep::engine
