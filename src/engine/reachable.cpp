// SPDX-License-Identifier: Apache-2.0
#include "engine/reachable.hpp"

#include <array>
#include <optional>

#include "isa/decode.hpp"

// A worklist over instructions with, for each, what the registers hold on every way there: a
// constant or anything. States only lose constants, at most eleven times an instruction, so this
// ends after a small multiple of the program's length.

namespace skep::engine {

namespace {

using isa::Insn;
using Constants = std::array<std::optional<uint64_t>, isa::kMaxRegister + 1>;

class Walk {
  public:
    explicit Walk(isa::InsnView insns) : insns_(insns), states_(insns.size()) {}

    std::vector<bool> run() {
        flow_to(0, {});
        while (!work_.empty()) {
            const size_t index = work_.back();
            work_.pop_back();
            step(index, *states_[index]);
        }
        std::vector<bool> reached(insns_.size());
        for (size_t i = 0; i < reached.size(); i++) reached[i] = states_[i].has_value();
        return reached;
    }

  private:
    void flow_to(int64_t target, const Constants& state) {
        if (target < 0 || size_t(target) >= insns_.size()) return;
        auto& there = states_[size_t(target)];
        if (!there) {
            there = state;
        } else {
            bool changed = false;
            for (size_t reg = 0; reg < state.size(); reg++)
                if ((*there)[reg] && (*there)[reg] != state[reg]) {
                    (*there)[reg].reset();
                    changed = true;
                }
            if (!changed) return;
        }
        work_.push_back(size_t(target));
    }

    void step(size_t index, Constants state) {
        const Insn& insn = insns_[index];
        const int64_t next = int64_t(index + insn.slots());
        if (const auto function = isa::function_target(insn, index)) flow_to(*function, {});
        switch (insn.cls()) {
            case isa::kAlu:
            case isa::kAlu64: arithmetic(insn, state); break;
            case isa::kLd:
                if (insn.is_wide() && insn.src == isa::kPseudoImm)
                    state[insn.dst] = isa::wide_imm(insns_, index);
                else
                    state[insn.is_wide() ? insn.dst : 0].reset();
                break;
            case isa::kLdx: state[insn.dst].reset(); break;
            case isa::kStx:
                if (insn.mode() == isa::kAtomic)
                    for (const size_t reg : {size_t{0}, size_t{insn.src}, size_t{insn.dst}})
                        state[reg].reset();
                break;
            case isa::kJmp:
            case isa::kJmp32:
                if (!jump(insn, index, state)) return;
                break;
            default: break;
        }
        flow_to(next, state);
    }

    static void arithmetic(const Insn& insn, Constants& state) {
        auto& dst = state[insn.dst];
        const std::optional<uint64_t> operand =
            insn.uses_src_register() ? state[insn.src] : uint64_t(int64_t{insn.imm});
        const bool plain_mov = insn.operation() == isa::kMov && insn.off == 0;
        if (plain_mov && operand)
            dst = insn.cls() == isa::kAlu64 ? *operand : uint32_t(*operand);
        else if (insn.operation() == isa::kAnd && insn.cls() == isa::kAlu64 && dst && operand)
            dst = *dst & *operand;
        else
            dst.reset();
    }

    /// False where execution does not go on behind it.
    bool jump(const Insn& insn, size_t index, Constants& state) {
        switch (insn.operation()) {
            case isa::kExit: return false;
            case isa::kCall:
                for (int reg = 0; reg <= 5; reg++) state[size_t(reg)].reset();
                return true;
            case isa::kJa: flow_to(*isa::jump_target(insn, index), state); return false;
            case isa::kJcond: flow_to(*isa::jump_target(insn, index), state); return true;
            default: break;
        }
        const auto taken = decide(insn, state);
        if (!taken || *taken) flow_to(*isa::jump_target(insn, index), state);
        return !taken || !*taken;
    }

    static std::optional<bool> decide(const Insn& insn, const Constants& state) {
        const auto& a = state[insn.dst];
        const std::optional<uint64_t> b =
            insn.uses_src_register() ? state[insn.src] : uint64_t(int64_t{insn.imm});
        if (!a || !b) return std::nullopt;
        if (insn.cls() == isa::kJmp) return compare<uint64_t, int64_t>(insn.operation(), *a, *b);
        return compare<uint32_t, int32_t>(insn.operation(), uint32_t(*a), uint32_t(*b));
    }

    template <typename U, typename S>
    static bool compare(uint8_t operation, U a, U b) {
        switch (operation) {
            case isa::kJeq: return a == b;
            case isa::kJne: return a != b;
            case isa::kJgt: return a > b;
            case isa::kJge: return a >= b;
            case isa::kJlt: return a < b;
            case isa::kJle: return a <= b;
            case isa::kJset: return (a & b) != 0;
            case isa::kJsgt: return S(a) > S(b);
            case isa::kJsge: return S(a) >= S(b);
            case isa::kJslt: return S(a) < S(b);
            default: return S(a) <= S(b);
        }
    }

    isa::InsnView insns_;
    std::vector<std::optional<Constants>> states_;
    std::vector<size_t> work_;
};

}  // namespace

std::vector<bool> reachable_insns(isa::InsnView insns) {
    // 184 bytes an instruction: no more of that than a large real program needs.
    constexpr size_t kMaxFollowed = 65536;
    if (insns.size() > kMaxFollowed) return std::vector<bool>(insns.size(), true);
    return Walk(insns).run();
}

}  // namespace skep::engine
