// SPDX-License-Identifier: Apache-2.0
#include "differential/random_code.hpp"

namespace skep::kernel_test {

namespace {

using namespace isa;

constexpr uint8_t kFirst = 2, kLast = 9;  // registers that hold numbers; r1 is scratch
constexpr int16_t kSlots = -64;           // r10-64 .. r10-1 hold numbers too
constexpr uint8_t kAluOps[] = {kAdd, kSub, kMul, kDiv, kOr,  kAnd,
                               kLsh, kRsh, kMod, kXor, kMov, kArsh};
constexpr uint8_t kJumpOps[] = {kJeq,  kJgt, kJge, kJset, kJne, kJsgt,
                                kJsge, kJlt, kJle, kJslt, kJsle};
constexpr int32_t kAtomicOps[] = {kAdd,         kOr,           kAnd,          kXor, kAdd | kFetch,
                                  kOr | kFetch, kAnd | kFetch, kXor | kFetch, kXchg};

class Generator {
  public:
    Generator(std::mt19937& random, int cpu) : random_(random), cpu_(cpu) {}

    std::vector<Insn> program(size_t length) {
        prologue();
        const size_t end = code_.size() + length;
        while (code_.size() < end) {
            land();
            step();
        }
        while (!pending_.empty()) {
            land();
            if (!pending_.empty()) step();
        }
        epilogue();
        return std::move(code_);
    }

  private:
    struct Pending {
        size_t jump;
        size_t target;
    };

    uint32_t below(uint32_t limit) { return uint32_t(random_() % limit); }
    uint8_t reg() { return uint8_t(kFirst + below(kLast - kFirst + 1)); }
    template <typename T, size_t N>
    T any(const T (&items)[N]) {
        return items[below(N)];
    }
    int32_t number() {
        constexpr int32_t kCorners[] = {0,  1,  -1, 2,          7,         8,
                                        31, 32, 63, 0x7fffffff, INT32_MIN, 0xffff};
        return below(3) ? any(kCorners) : int32_t(random_());
    }
    void emit(const Insn& insn) { code_.push_back(insn); }

    /// Leaves at once where the packet is too short; then fills registers and stack from it.
    void prologue() {
        const uint8_t w = kLdx | kMem | kW, dw = kLdx | kMem | kDw;
        emit({.opcode = w, .dst = 2, .src = 1, .off = 76});
        emit({.opcode = w, .dst = 3, .src = 1, .off = 80});
        emit({.opcode = kAlu64 | kX | kMov, .dst = 1, .src = 2});
        emit({.opcode = kAlu64 | kK | kAdd, .dst = 1, .imm = int32_t(kSeedBytes)});
        emit({.opcode = kJmp | kX | kJle, .dst = 1, .src = 3, .off = 2});
        emit({.opcode = kAlu64 | kK | kMov, .dst = 0});
        emit({.opcode = kJmp | kExit});
        emit({.opcode = kAlu64 | kX | kMov, .dst = 1, .src = 2});
        for (uint8_t i = kFirst; i <= kLast; i++)
            emit({.opcode = dw, .dst = i, .src = 1, .off = int16_t(8 * (i - kFirst))});
        emit({.opcode = dw, .dst = 0, .src = 1, .off = 64});
        for (int16_t slot = kSlots; slot < 0; slot = int16_t(slot + 8))
            emit({.opcode = kStx | kMem | kDw, .dst = 10, .src = reg(), .off = slot});
        emit({.opcode = dw, .dst = 1, .src = 1, .off = 72});
    }

    /// All of it into w0.
    void epilogue() {
        for (uint8_t i = 1; i <= kLast; i++) fold(i);
        for (int16_t slot = kSlots; slot < 0; slot = int16_t(slot + 8)) {
            emit({.opcode = kLdx | kMem | kDw, .dst = 1, .src = 10, .off = slot});
            fold(1);
        }
        emit({.opcode = kAlu64 | kX | kMov, .dst = 1, .src = 0});
        emit({.opcode = kAlu64 | kK | kRsh, .dst = 1, .imm = 32});
        emit({.opcode = kAlu64 | kX | kXor, .dst = 0, .src = 1});
        emit({.opcode = kAlu | kX | kMov, .dst = 0, .src = 0});
        emit({.opcode = kJmp | kExit});
    }

    void fold(uint8_t from) {
        emit({.opcode = kAlu64 | kK | kMul, .dst = 0, .imm = 31});
        emit({.opcode = kAlu64 | kX | kXor, .dst = 0, .src = from});
    }

    /// Completes the jumps whose target is here.
    void land() {
        std::erase_if(pending_, [&](const Pending& one) {
            if (one.target > code_.size()) return false;
            code_[one.jump].off = int16_t(code_.size() - one.jump - 1);
            return true;
        });
    }

    void step() {
        switch (below(10)) {
            case 0: return jump();
            case 1: return load();
            case 2: return store();
            case 3: return atomic();
            case 4: return convert();
            default: return arithmetic();
        }
    }

    void arithmetic() {
        const uint8_t op = any(kAluOps);
        const bool is_64 = below(2), by_register = below(2);
        const uint8_t cls = is_64 ? kAlu64 : kAlu;
        Insn insn{.opcode = uint8_t(cls | op | (by_register ? kX : kK)), .dst = reg()};
        if (by_register)
            insn.src = reg();
        else
            insn.imm = number();
        const bool shift = op == kLsh || op == kRsh || op == kArsh;
        if (shift && !by_register) insn.imm &= is_64 ? 63 : 31;
        if ((op == kDiv || op == kMod)) {
            if (cpu_ >= 4 && below(2)) insn.off = 1;
            if (!by_register && insn.imm == 0) insn.imm = 3;
        }
        emit(insn);
    }

    void convert() {
        const uint8_t dst = reg();
        if (cpu_ >= 4 && below(2)) {
            if (below(2)) {
                constexpr int16_t kWidths[] = {8, 16, 32};
                emit({.opcode = kAlu64 | kX | kMov, .dst = dst, .src = reg(), .off = any(kWidths)});
            } else {
                emit({.opcode = kAlu | kX | kMov,
                      .dst = dst,
                      .src = reg(),
                      .off = int16_t(below(2) ? 8 : 16)});
            }
            return;
        }
        constexpr int32_t kWidths[] = {16, 32, 64};
        switch (below(cpu_ >= 4 ? 4 : 3)) {
            case 0: emit({.opcode = kAlu | kEnd | kToLe, .dst = dst, .imm = any(kWidths)}); break;
            case 1: emit({.opcode = kAlu | kEnd | kToBe, .dst = dst, .imm = any(kWidths)}); break;
            case 2: emit({.opcode = uint8_t((below(2) ? kAlu64 : kAlu) | kNeg), .dst = dst}); break;
            default: emit({.opcode = kAlu64 | kEnd, .dst = dst, .imm = any(kWidths)});
        }
    }

    void jump() {
        const size_t target = code_.size() + 1 + 1 + below(6);
        pending_.push_back({code_.size(), target});
        const uint8_t cls = cpu_ >= 3 && below(2) ? kJmp32 : kJmp;
        Insn insn{.opcode = uint8_t(cls | any(kJumpOps)), .dst = reg()};
        if (below(2)) {
            insn.opcode |= kX;
            insn.src = reg();
        } else {
            insn.imm = number();
        }
        emit(insn);
    }

    uint8_t width() {
        constexpr uint8_t kWidths[] = {kB, kH, kW, kDw};
        return any(kWidths);
    }
    int16_t slot(uint8_t size) {
        const int bytes = width_bytes(size);
        return int16_t(kSlots + int(below(uint32_t(-kSlots / bytes))) * bytes);
    }

    void load() {
        uint8_t size = width();
        uint8_t mode = kMem;
        if (cpu_ >= 4 && size != kDw && below(3) == 0) mode = kMemSx;
        emit({.opcode = uint8_t(kLdx | mode | size), .dst = reg(), .src = 10, .off = slot(size)});
    }

    void store() {
        const uint8_t size = width();
        if (below(2))
            emit({.opcode = uint8_t(kStx | kMem | size),
                  .dst = 10,
                  .src = reg(),
                  .off = slot(size)});
        else
            emit({.opcode = uint8_t(kSt | kMem | size),
                  .dst = 10,
                  .off = slot(size),
                  .imm = number()});
    }

    void atomic() {
        const uint8_t size = below(2) ? kW : kDw;
        if (below(6) == 0) {
            emit({.opcode = uint8_t(kStx | kAtomic | size),
                  .dst = 10,
                  .src = reg(),
                  .off = slot(size),
                  .imm = kCmpXchg});
            // Linux 6.18 on x86-64 can leave the upper half of r0 as it was (docs/isa.md).
            if (size == kW) emit({.opcode = kAlu | kX | kMov});
            return;
        }
        const int32_t op = cpu_ >= 3 ? any(kAtomicOps) : int32_t{kAdd};
        emit({.opcode = uint8_t(kStx | kAtomic | size),
              .dst = 10,
              .src = reg(),
              .off = slot(size),
              .imm = op});
    }

    std::mt19937& random_;
    int cpu_;
    std::vector<Insn> code_;
    std::vector<Pending> pending_;
};

}  // namespace

std::vector<Insn> random_code(std::mt19937& random, size_t length, int cpu) {
    return Generator(random, cpu).program(length);
}

}  // namespace skep::kernel_test
