// SPDX-License-Identifier: Apache-2.0
#include "verifier/program_generator.hpp"

#include <array>
#include <random>
#include <vector>

#include "isa/insn.hpp"
#include "verifier/program_case.hpp"

namespace skep::verifier_test {

namespace {

using isa::Insn;

/// Roughly what a register holds.
enum class Kind : uint8_t {
    None,
    Scalar,
    Small,
    Ctx,
    Packet,
    PacketEnd,
    Value,
    ValueOrNull,
    Stack
};

constexpr int kValueSize = 64;
constexpr int kArray = 0, kHash = 1, kMapCount = 2;
constexpr std::array<int64_t, 24> kNumbers = {
    0,  1,  2,   3,    4,     7,          8,          15,         16, 31, 32, 63,
    64, 65, 255, 4096, 65535, 0x7fffffff, 0x80000000, 0xffffffff, -1, -2, -8, -64};

class Generator {
  public:
    explicit Generator(uint64_t seed) : random_(seed) {}

    object::ObjectSpec run() {
        const ProgType type = pick({ProgType::Xdp, ProgType::Xdp, ProgType::SchedCls,
                                    ProgType::SocketFilter, ProgType::Kprobe});
        type_ = type;
        begin_function(false);
        block(2 + below(4), 0);
        end_function();
        while (!pending_calls_.empty()) {
            const Call call = pending_calls_.back();
            pending_calls_.pop_back();
            code_[call.at].imm = int32_t(code_.size()) - int32_t(call.at) - 1;
            begin_function(true);
            if (call.callback) kinds_[1] = Kind::Scalar, kinds_[2] = call.second;
            if (!call.callback) kinds_[1] = call.first, kinds_[2] = call.second;
            depth_ = 1;
            block(1 + below(3), 1);
            end_function(call.callback);
        }
        return make_object(
            type, std::move(code_),
            {map(MapType::Array, 4, kValueSize, 4), map(MapType::Hash, 8, kValueSize, 16)});
    }

  private:
    struct Call {
        size_t at;
        bool callback;
        Kind first, second;
    };

    static object::MapSpec map(MapType type, uint32_t key, uint32_t value, uint32_t entries) {
        object::MapSpec spec{.name = type == MapType::Array ? "array" : "hash", .type = type};
        spec.key_size = key;
        spec.value_size = value;
        spec.max_entries = entries;
        return spec;
    }

    // -- chance
    int below(int limit) { return int(random_() % uint64_t(limit)); }
    bool chance(int percent) { return below(100) < percent; }
    template <typename T>
    T pick(std::initializer_list<T> list) {
        return *(list.begin() + below(int(list.size())));
    }
    int64_t number() {
        if (chance(20)) return int32_t(random_());
        return kNumbers[size_t(below(int(kNumbers.size())))];
    }
    /// Usually 0; now and then a bound is off.
    int off_by() { return chance(4) ? pick({-8, -4, -1, 1, 4, 8}) : 0; }

    // -- code
    void put(int opcode, int dst = 0, int src = 0, int off = 0, int64_t imm = 0) {
        code_.push_back({.opcode = uint8_t(opcode),
                         .dst = uint8_t(dst & 15),
                         .src = uint8_t(src & 15),
                         .off = int16_t(off),
                         .imm = int32_t(imm)});
    }
    void mov(int dst, int64_t imm) {
        put(isa::kAlu64 | isa::kMov, dst, 0, 0, imm);
        set(dst, Kind::Scalar);
    }
    void mov_reg(int dst, int src) {
        put(isa::kAlu64 | isa::kMov | isa::kX, dst, src);
        set(dst, kinds_[size_t(src)]);
    }
    void set(int reg, Kind kind) { kinds_[size_t(reg)] = kind; }
    void load_map(int dst, int which) {
        put(0x18, dst, isa::kPseudoMapFd, 0, which);
        put(0);
        set(dst, Kind::None);
    }
    void call(int helper) {
        put(isa::kJmp | isa::kCall, 0, 0, 0, helper);
        for (int reg = 1; reg <= 5; reg++) set(reg, Kind::None);
        set(0, Kind::Scalar);
    }

    /// A register of that kind, or -1.
    int find(Kind kind) {
        const int start = below(10);
        for (int i = 0; i < 10; i++)
            if (kinds_[size_t((start + i) % 10)] == kind) return (start + i) % 10;
        return -1;
    }
    int scalar() {
        if (chance(2)) return below(11);
        int reg = find(chance(50) ? Kind::Scalar : Kind::Small);
        if (reg < 0) reg = find(Kind::Scalar);
        if (reg >= 0) return reg;
        reg = fresh();
        mov(reg, number());
        return reg;
    }
    /// A register to write to, not the context if that can be helped.
    int fresh() {
        for (int i = 0; i < 8; i++) {
            const int reg = below(10);
            if (kinds_[size_t(reg)] != Kind::Ctx && !locked_[size_t(reg)]) return reg;
        }
        return 0;
    }

    void begin_function(bool sub) {
        kinds_.fill(Kind::None);
        kinds_[1] = sub ? Kind::None : Kind::Ctx;
        kinds_[10] = Kind::Stack;
        stack_.fill(false);
        locked_.fill(false);
        depth_ = 0;
        is_sub_ = sub;
        if (!sub) mov_reg(6, 1);
    }

    void end_function(bool callback = false) {
        if (callback || chance(30) || kinds_[0] == Kind::None) {
            put(isa::kAlu64 | isa::kMov, 0, 0, 0, callback ? below(2) : below(3));
        } else if (type_ == ProgType::Kprobe || chance(60)) {
            put(isa::kAlu64 | isa::kAnd, 0, 0, 0, 1);
        }
        put(isa::kJmp | isa::kExit);
    }

    void leave() {
        put(isa::kAlu64 | isa::kMov, 0, 0, 0, below(2));
        put(isa::kJmp | isa::kExit);
    }

    void block(int steps, int nesting) {
        for (int i = 0; i < steps && code_.size() < 400; i++) step(nesting);
    }

    void step(int nesting) {
        switch (below(22)) {
            case 0:
            case 1:
            case 2: return alu();
            case 3: return shift_or_extend();
            case 4: return from_context();
            case 5:
            case 6: return packet_access();
            case 7: return lookup();
            case 8:
            case 9: return value_access();
            case 10:
            case 11: return stack_access();
            case 12: return variable_stack();
            case 13: return branch(nesting);
            case 14: return branch(nesting);
            case 15: return loop(nesting);
            case 16: return helper();
            case 17: return call_function(nesting);
            case 18: return narrow();
            case 19: return atomic();
            case 20: return pointer_arithmetic();
            case 21: return chance(30) ? odd() : alu();
            default: return;
        }
    }

    void alu() {
        const int dst = chance(70) ? scalar() : fresh();
        if (kinds_[size_t(dst)] != Kind::Scalar && kinds_[size_t(dst)] != Kind::Small && !chance(2))
            mov(dst, number());
        const int operation = pick({isa::kAdd, isa::kSub, isa::kMul, isa::kDiv, isa::kOr, isa::kAnd,
                                    isa::kMod, isa::kXor, isa::kNeg, isa::kAdd, isa::kAnd});
        const int cls = chance(50) ? isa::kAlu64 : isa::kAlu;
        if (locked_[size_t(dst)]) return;
        if (operation == isa::kNeg) return put(cls | operation, dst);
        const bool is_signed = (operation == isa::kDiv || operation == isa::kMod) && chance(40);
        if (chance(40)) {
            put(cls | operation | isa::kX, dst, scalar(), is_signed ? 1 : 0);
        } else {
            int64_t imm = number();
            if ((operation == isa::kDiv || operation == isa::kMod) && imm == 0) imm = 3;
            put(cls | operation, dst, 0, is_signed ? 1 : 0, imm);
            set(dst, operation == isa::kAnd && imm >= 0 && imm < 64 ? Kind::Small : Kind::Scalar);
            return;
        }
        set(dst, Kind::Scalar);
    }

    void shift_or_extend() {
        const int dst = scalar();
        if (dst == 10 || locked_[size_t(dst)]) return;
        const bool wide = chance(50);
        const int cls = wide ? isa::kAlu64 : isa::kAlu;
        switch (below(4)) {
            case 0:
                put(cls | pick({isa::kLsh, isa::kRsh, isa::kArsh}), dst, 0, 0,
                    below(wide ? 64 : 32));
                break;
            case 1:
                put(cls | pick({isa::kLsh, isa::kRsh, isa::kArsh}) | isa::kX, dst, scalar());
                break;
            case 2:
                put(cls | isa::kMov | isa::kX, dst, scalar(),
                    wide ? pick({8, 16, 32}) : pick({8, 16}));
                break;
            default:
                put(pick({isa::kAlu | isa::kEnd, isa::kAlu | isa::kEnd | isa::kX,
                          isa::kAlu64 | isa::kEnd}),
                    dst, 0, 0, pick({16, 32, 64}));
        }
        set(dst, Kind::Scalar);
    }

    void from_context() {
        const int ctx = find(Kind::Ctx);
        if (ctx < 0) return alu();
        const int dst = fresh();
        const bool packet = chance(70);
        if (type_ == ProgType::Xdp) {
            const int off = packet ? pick({0, 4}) : pick({12, 16, 20, 8});
            put(isa::kLdx | isa::kMem | isa::kW, dst, ctx, off + off_by());
            set(dst, off == 0 ? Kind::Packet : off == 4 ? Kind::PacketEnd : Kind::Scalar);
            if (off == 8) set(dst, Kind::None);
        } else if (type_ == ProgType::SchedCls) {
            const int off = packet ? pick({76, 80}) : pick({0, 4, 8, 16, 48, 52});
            put(isa::kLdx | isa::kMem | isa::kW, dst, ctx, off + off_by());
            set(dst, off == 76 ? Kind::Packet : off == 80 ? Kind::PacketEnd : Kind::Scalar);
        } else if (type_ == ProgType::SocketFilter) {
            put(isa::kLdx | isa::kMem | pick({isa::kW, isa::kH, isa::kB}), dst, ctx,
                pick({0, 4, 8, 16, 48}) + off_by());
            set(dst, Kind::Scalar);
        } else {
            put(isa::kLdx | isa::kMem | isa::kDw, dst, ctx, 8 * below(21) + off_by());
            set(dst, Kind::Scalar);
        }
    }

    void load_packet_pointers(int data, int end) {
        const int ctx = find(Kind::Ctx);
        const int base = type_ == ProgType::Xdp ? 0 : 76;
        put(isa::kLdx | isa::kMem | isa::kW, end, ctx, base + 4);
        set(end, Kind::PacketEnd);
        put(isa::kLdx | isa::kMem | isa::kW, data, ctx, base);
        set(data, Kind::Packet);
    }

    void packet_access() {
        if ((type_ != ProgType::Xdp && type_ != ProgType::SchedCls) || find(Kind::Ctx) < 0)
            return value_access();
        const int data = 7, end = 8, copy = 2;
        if (locked_[7] || locked_[8]) return alu();
        if (find(Kind::Packet) != data || find(Kind::PacketEnd) != end)
            load_packet_pointers(data, end);
        if (chance(35)) {
            const int index = scalar();
            if (index == data || index == end || index == 10) return alu();
            put(isa::kAlu64 | isa::kAnd, index, 0, 0, pick({1, 7, 15, 63, 255, 0xffff}));
            put(isa::kAlu64 | isa::kAdd | isa::kX, data, index);
        }
        const int size = pick({1, 2, 4, 8, 14, 20, 34, 40});
        mov_reg(copy, data);
        put(isa::kAlu64 | isa::kAdd, copy, 0, 0, size);
        // One of the ways to say: not enough bytes, leave.
        switch (below(4)) {
            case 0: put(isa::kJmp | isa::kJle | isa::kX, copy, end, 2); break;
            case 1: put(isa::kJmp | isa::kJge | isa::kX, end, copy, 2); break;
            case 2: put(isa::kJmp | isa::kJgt | isa::kX, end, copy, 2); break;
            default: put(isa::kJmp | isa::kJlt | isa::kX, copy, end, 2); break;
        }
        leave();
        const int accesses = 1 + below(3);
        for (int i = 0; i < accesses; i++) {
            const int width = pick({1, 2, 4, 8});
            const int off = below(std::max(1, size - width + 1)) + off_by();
            memory(data, off, width);
        }
    }

    /// A load or store of that many bytes.
    void memory(int base, int off, int width) {
        const int size = width == 1   ? isa::kB
                         : width == 2 ? isa::kH
                         : width == 4 ? isa::kW
                                      : isa::kDw;
        switch (below(4)) {
            case 0: {
                const int src = scalar();
                return put(isa::kStx | isa::kMem | size, base, src, off);
            }
            case 1: return put(isa::kSt | isa::kMem | size, base, 0, off, number());
            default: {
                int dst = fresh();
                if (dst == base) dst = dst == 0 ? 9 : 0;
                if (locked_[size_t(dst)]) return;
                const bool sign = width < 8 && chance(15);
                put(isa::kLdx | (sign ? isa::kMemSx : isa::kMem) | size, dst, base, off);
                set(dst, Kind::Scalar);
            }
        }
    }

    void lookup() {
        const int which = below(kMapCount);
        const int key_size = which == kArray ? 4 : 8;
        const int slot = -8 * (1 + below(8));
        if (chance(97)) {
            if (key_size == 4)
                put(isa::kSt | isa::kMem | isa::kW, 10, 0, slot, below(6));
            else
                put(isa::kSt | isa::kMem | isa::kDw, 10, 0, slot, below(20));
            stack_[size_t(-slot / 8 - 1)] = true;
        }
        load_map(1, which);
        mov_reg(2, 10);
        put(isa::kAlu64 | isa::kAdd, 2, 0, 0, slot + off_by());
        call(1);
        set(0, Kind::ValueOrNull);
        if (chance(95)) {
            const int keep = pick({0, 9, 9, 7});
            if (locked_[size_t(keep)]) return;
            if (chance(30)) {
                put(isa::kJmp | isa::kJeq, 0, 0, 3, 0);
                memory_of_value(0);
                while (code_.size() % 4 != 0 && false) {
                }
                fix_jump_here(3);
                set(0, Kind::ValueOrNull);
                return;
            }
            put(isa::kJmp | isa::kJne, 0, 0, 2, 0);
            leave();
            set(0, Kind::Value);
            if (keep != 0) mov_reg(keep, 0);
        }
    }

    /// The last jump with offset `marker` leads to here.
    void fix_jump_here(int marker) {
        for (size_t i = code_.size(); i-- > 0;)
            if (code_[i].opcode == uint8_t(isa::kJmp | isa::kJeq) && code_[i].off == marker) {
                code_[i].off = int16_t(code_.size() - i - 1);
                return;
            }
    }

    void memory_of_value(int base) {
        const int width = pick({1, 2, 4, 8});
        memory(base, below(kValueSize / width) * width + off_by(), width);
    }

    void value_access() {
        const int value = find(Kind::Value);
        if (value < 0) return lookup();
        if (chance(50)) return memory_of_value(value);
        const int index = scalar();
        if (index == value || index == 10 || locked_[size_t(index)] || locked_[size_t(value)])
            return memory_of_value(value);
        const int limit = pick({7, 15, 31, 63});
        if (chance(50)) {
            put(isa::kAlu64 | isa::kAnd, index, 0, 0, limit);
        } else {
            put((chance(70) ? isa::kJmp : isa::kJmp32) | pick({isa::kJlt, isa::kJle, isa::kJslt}),
                index, 0, 2, limit);
            leave();
        }
        set(index, Kind::Small);
        const int pointer = pick({2, 3, 4, 5});
        if (pointer == index || locked_[size_t(pointer)]) return;
        mov_reg(pointer, value);
        put(isa::kAlu64 | (chance(85) ? isa::kAdd : isa::kSub) | isa::kX, pointer, index);
        const int width = pick({1, 1, 2, 4, 8});
        memory(pointer, below(std::max(1, kValueSize - limit - width)) + off_by(), width);
    }

    void stack_access() {
        const int slot = below(16);
        const int off = -8 * (slot + 1);
        if (stack_[size_t(slot)] && chance(60)) {
            const int dst = fresh();
            if (locked_[size_t(dst)]) return;
            const int size = pick({isa::kDw, isa::kDw, isa::kW, isa::kH, isa::kB});
            put(isa::kLdx | isa::kMem | size, dst, 10,
                off + (size == isa::kDw ? 0 : pick({0, 4})) + off_by());
            set(dst, size == isa::kDw ? spilled_[size_t(slot)] : Kind::Scalar);
            return;
        }
        if (chance(50)) {
            const int src = chance(70) ? scalar() : below(10);
            if (src > 9 || (kinds_[size_t(src)] == Kind::None && !chance(2))) return;
            put(isa::kStx | isa::kMem | isa::kDw, 10, src, off);
            spilled_[size_t(slot)] = kinds_[size_t(src)];
        } else {
            const int src = scalar();
            const int size = pick({isa::kDw, isa::kW, isa::kH, isa::kB});
            put(isa::kStx | isa::kMem | size, 10, src, off + (size == isa::kDw ? 0 : pick({0, 4})));
            spilled_[size_t(slot)] = Kind::Scalar;
            if (size != isa::kDw && !stack_[size_t(slot)] && !chance(20)) return;
        }
        stack_[size_t(slot)] = true;
    }

    void variable_stack() {
        const int index = scalar();
        if (index == 10 || locked_[size_t(index)] || index == 3) return;
        if (chance(90))
            for (int slot = 0; slot < 4; slot++) {
                put(isa::kSt | isa::kMem | isa::kDw, 10, 0, -8 * (slot + 1), below(9));
                stack_[size_t(slot)] = true;
                spilled_[size_t(slot)] = Kind::Scalar;
            }
        put(isa::kAlu64 | isa::kAnd, index, 0, 0, pick({7, 15, 24}));
        set(index, Kind::Small);
        if (locked_[3]) return;
        mov_reg(3, 10);
        put(isa::kAlu64 | isa::kAdd, 3, 0, 0, -32 + off_by());
        put(isa::kAlu64 | isa::kAdd | isa::kX, 3, index);
        memory(3, 0, pick({1, 1, 2, 4, 8}));
        set(3, Kind::None);
    }

    int condition() {
        return pick({isa::kJeq, isa::kJgt, isa::kJge, isa::kJset, isa::kJne, isa::kJsgt, isa::kJsge,
                     isa::kJlt, isa::kJle, isa::kJslt, isa::kJsle});
    }

    void branch(int nesting) {
        if (nesting > 2) return alu();
        const int reg = scalar();
        const int cls = chance(65) ? isa::kJmp : isa::kJmp32;
        const size_t at = code_.size();
        if (chance(65))
            put(cls | condition(), reg, 0, 0, number());
        else
            put(cls | condition() | isa::kX, reg, scalar());
        // scalar() may have put a mov before the jump's second operand: the jump is the last one.
        const size_t jump = code_.size() - 1;
        (void)at;
        const auto kinds = kinds_;
        const auto stack = stack_;
        const auto spilled = spilled_;
        block(1 + below(3), nesting + 1);
        const bool has_else = chance(40);
        size_t over = 0;
        const auto kinds_then = kinds_;
        const auto stack_then = stack_;
        const auto spilled_then = spilled_;
        if (has_else) {
            over = code_.size();
            put(isa::kJmp | isa::kJa);
        }
        code_[jump].off = int16_t(code_.size() - jump - 1);
        kinds_ = kinds;
        stack_ = stack;
        spilled_ = spilled;
        if (has_else) {
            block(1 + below(2), nesting + 1);
            code_[over].off = int16_t(code_.size() - over - 1);
        }
        for (size_t i = 0; i < kinds_.size(); i++)
            if (kinds_[i] != kinds_then[i])
                kinds_[i] =
                    is_number(kinds_[i]) && is_number(kinds_then[i]) ? Kind::Scalar : Kind::None;
        for (size_t i = 0; i < stack_.size(); i++) {
            stack_[i] = stack_[i] && stack_then[i];
            if (spilled_[i] != spilled_then[i]) spilled_[i] = Kind::None;
        }
    }
    static bool is_number(Kind kind) { return kind == Kind::Scalar || kind == Kind::Small; }

    void loop(int nesting) {
        if (nesting > 1 || loops_ > 2) return alu();
        loops_++;
        const int counter = pick({6, 7, 8, 9});
        if (locked_[size_t(counter)] || kinds_[size_t(counter)] == Kind::Ctx) return alu();
        mov(counter, 0);
        locked_[size_t(counter)] = true;
        const size_t top = code_.size();
        const auto kinds = kinds_;
        const auto stack = stack_;
        block(1 + below(3), nesting + 1);
        put(isa::kAlu64 | isa::kAdd, counter, 0, 0, pick({1, 1, 2, 4}));
        const int limit = pick({2, 4, 8, 16, 100});
        put(isa::kJmp | pick({isa::kJlt, isa::kJle, isa::kJslt, isa::kJne}), counter, 0,
            int(top) - int(code_.size()) - 1, limit);
        locked_[size_t(counter)] = false;
        for (size_t i = 0; i < kinds_.size(); i++)
            if (kinds_[i] != kinds[i]) kinds_[i] = Kind::None;
        for (size_t i = 0; i < stack_.size(); i++) stack_[i] = stack_[i] && stack[i];
        set(counter, Kind::Scalar);
    }

    void helper() {
        switch (below(4)) {
            case 0: return call(pick({5, 7, 8}));
            case 1: {  // map_update_elem(map, key, value, 0)
                const int which = below(kMapCount);
                for (int slot = 0; slot < 9; slot++) {
                    put(isa::kSt | isa::kMem | isa::kDw, 10, 0, -8 * (slot + 1), slot);
                    stack_[size_t(slot)] = true;
                    spilled_[size_t(slot)] = Kind::Scalar;
                }
                load_map(1, which);
                mov_reg(2, 10);
                put(isa::kAlu64 | isa::kAdd, 2, 0, 0, -8);
                const int value = find(Kind::Value);
                if (value > 5 && chance(40)) {
                    mov_reg(3, value);
                } else {
                    mov_reg(3, 10);
                    put(isa::kAlu64 | isa::kAdd, 3, 0, 0, -72 + off_by());
                }
                mov(4, 0);
                return call(2);
            }
            case 2: {  // probe-like: skb_load_bytes(ctx, off, to, len) or xdp_load_bytes
                const int ctx = find(Kind::Ctx);
                if (ctx < 6 || (type_ != ProgType::Xdp && type_ != ProgType::SchedCls &&
                                type_ != ProgType::SocketFilter))
                    return call(7);
                const int size = pick({1, 4, 8, 16, 32});
                mov_reg(3, 10);
                put(isa::kAlu64 | isa::kAdd, 3, 0, 0, -size + off_by());
                const int variable = find(Kind::Small);
                if (variable > 5 && chance(50))
                    mov_reg(4, variable);
                else
                    mov(4, size);
                mov_reg(1, ctx);
                mov(2, below(20));
                call(type_ == ProgType::Xdp ? 189 : 26);
                return;
            }
            default: {  // bpf_csum_diff or tail of packet changes
                const int ctx = find(Kind::Ctx);
                if (ctx >= 6 && type_ == ProgType::Xdp && chance(30)) {
                    mov_reg(1, ctx);
                    mov(2, pick({0, -4, 8}));
                    call(44);  // xdp_adjust_head
                    for (size_t i = 0; i < kinds_.size(); i++)
                        if ((kinds_[i] == Kind::Packet || kinds_[i] == Kind::PacketEnd) &&
                            !chance(4))
                            kinds_[i] = Kind::None;
                    return;
                }
                return call(7);
            }
        }
    }

    void call_function(int nesting) {
        if (is_sub_ || nesting > 1 || calls_ >= 3) return alu();
        calls_++;
        if (chance(35)) {  // bpf_loop(count, callback, ctx, 0)
            mov(1, pick({1, 4, 100}));
            pending_calls_.push_back({code_.size(), true, Kind::Scalar, Kind::Stack});
            put(0x18, 2, isa::kPseudoFunc);
            put(0);
            mov_reg(3, 10);
            mov(4, 0);
            call(181);
            stack_.fill(false);
            return;
        }
        const int first = scalar();
        if (first > 9) return;
        mov_reg(1, first);
        const int second = chance(50) ? find(Kind::Value) : scalar();
        if (second >= 0 && second < 10 && second != 1)
            mov_reg(2, second);
        else
            mov(2, number());
        pending_calls_.push_back({code_.size(), false, kinds_[1], kinds_[2]});
        put(isa::kJmp | isa::kCall, 0, isa::kCallLocal);
        for (int reg = 1; reg <= 5; reg++) set(reg, Kind::None);
        set(0, Kind::Scalar);
    }

    void narrow() {
        const int reg = scalar();
        put((chance(60) ? isa::kJmp : isa::kJmp32) | condition(), reg, 0, 2, number());
        leave();
    }

    void atomic() {
        const int value = find(Kind::Value);
        const int src = scalar();
        const int base = value >= 0 && chance(60) ? value : 10;
        const int off = base == 10 ? -8 : 8 * below(kValueSize / 8);
        if (base == 10 && !stack_[0]) return stack_access();
        const bool fetch = chance(40) && src < 10 && !locked_[size_t(src)];
        int32_t operation = pick({int(isa::kAdd), int(isa::kOr), int(isa::kAnd), int(isa::kXor)});
        if (fetch) operation |= isa::kFetch;
        if (fetch && chance(30)) operation = isa::kXchg;
        put(isa::kStx | isa::kAtomic | (chance(50) ? isa::kDw : isa::kW), base, src, off + off_by(),
            operation);
        if (fetch) set(src, Kind::Scalar);
        if (base == 10) spilled_[0] = Kind::Scalar;
    }

    void pointer_arithmetic() {
        const int pointer = chance(50) ? find(Kind::Value) : find(Kind::Packet);
        if (pointer < 0 || pointer == 10 || locked_[size_t(pointer)]) return alu();
        const int copy = pick({3, 4, 5});
        if (locked_[size_t(copy)]) return;
        mov_reg(copy, pointer);
        put(isa::kAlu64 | pick({isa::kAdd, isa::kSub}), copy, 0, 0, pick({0, 1, 4, 8, 16, -4, -8}));
        const int index = find(Kind::Small);
        if (index >= 0 && index != copy && chance(50))
            put(isa::kAlu64 | isa::kAdd | isa::kX, copy, index);
        memory(copy, pick({0, 0, 4, 8, 16}), pick({1, 2, 4, 8}));
        set(copy, Kind::None);
    }

    /// What programs should not do.
    void odd() {
        switch (below(6)) {
            case 0:
                return put(isa::kAlu64 | pick({isa::kMul, isa::kAnd, isa::kOr, isa::kLsh}),
                           below(11), 0, 0, 3);
            case 1:
                return put(isa::kStx | isa::kMem | isa::kDw, below(11), below(11), 8 * below(4));
            case 2:
                return put(isa::kLdx | isa::kMem | isa::kDw, below(10), below(11), 8 * below(4));
            case 3: return put(isa::kAlu64 | isa::kSub | isa::kX, below(10), below(11));
            case 4: return put(isa::kJmp | isa::kJcond, 0, 0, 0);
            default: return call(pick({1, 2, 3, 6, 14, 25, 28, 44}));
        }
    }

    std::mt19937_64 random_;
    std::vector<Insn> code_;
    std::vector<Call> pending_calls_;
    std::array<Kind, 11> kinds_{};
    std::array<bool, 64> stack_{};
    std::array<Kind, 64> spilled_{};
    std::array<bool, 11> locked_{};
    ProgType type_ = ProgType::Xdp;
    int depth_ = 0, loops_ = 0, calls_ = 0;
    bool is_sub_ = false;
};

}  // namespace

object::ObjectSpec generate_program(uint64_t seed) {
    return Generator(seed).run();
}

}  // namespace skep::verifier_test
