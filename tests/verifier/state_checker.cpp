// SPDX-License-Identifier: Apache-2.0
#include "verifier/state_checker.hpp"

#include <fmt/format.h>

#include "engine/prog.hpp"
#include "isa/decode.hpp"
#include "isa/disasm.hpp"

namespace skep::verifier_test {

namespace {

using namespace verifier;

uint64_t address(const void* pointer) {
    return reinterpret_cast<uint64_t>(pointer);
}

std::string text_of(const KnownRegister& known) {
    return fmt::format(
        "type {:#x} off={} bits=({:#x};{:#x}) s=[{},{}] u=[{},{}] s32=[{},{}] u32=[{},{}] range={}",
        known.type, known.off, known.value.bits.value, known.value.bits.mask, known.value.smin,
        known.value.smax, known.value.umin, known.value.umax, known.value.s32_min,
        known.value.s32_max, known.value.u32_min, known.value.u32_max, known.packet_range);
}

std::string text_of(const engine::Prog& prog, uint32_t insn) {
    std::string text = fmt::format("{}: ", insn);
    isa::append_text(text, prog.spec().insns, insn);
    return text;
}

}  // namespace

void StateChecker::watch(engine::Execution& execution, const engine::Event& event) {
    event_ = &event;
    last_insn_ = UINT32_MAX;
    execution.observer = [this](const engine::Prog& prog, uint32_t insn, Registers registers,
                                uint32_t depth) { look(prog, insn, registers, depth); };
}

void StateChecker::look(const engine::Prog& prog, uint32_t insn, Registers registers,
                        uint32_t depth) {
    if (!complaint_.empty()) return;
    if (!facts_.insns[insn].reached)
        complaint_ = fmt::format("{} is dead code, and was reached", text_of(prog, insn));
    check_branch(prog, insn, depth);
    last_insn_ = insn;
    last_depth_ = depth;
    if (!states_ || !states_->complete() || !complaint_.empty()) return;
    instructions_++;
    check_states(insn, registers, depth);
    if (!complaint_.empty())
        complaint_ = fmt::format("before {}: {}", text_of(prog, insn), complaint_);
}

void StateChecker::check_branch(const engine::Prog& prog, uint32_t insn, uint32_t depth) {
    if (last_insn_ == UINT32_MAX || last_depth_ != depth) return;
    const InsnFact& fact = facts_.insns[last_insn_];
    if (!fact.always_taken && !fact.never_taken) return;
    const auto target = isa::jump_target(prog.spec().insns[last_insn_], last_insn_);
    if (!target || *target == int64_t{last_insn_} + 1) return;
    if ((insn == *target) != fact.always_taken)
        complaint_ = fmt::format("{} is {} taken, and {}", text_of(prog, last_insn_),
                                 fact.always_taken ? "always" : "never",
                                 fact.always_taken ? "was not" : "was");
}

void StateChecker::check_states(uint32_t insn, Registers registers, uint32_t depth) {
    // Of the states that the registers are not in, the one that most of them are in says most.
    int best = -1;
    const KnownState* nearest = nullptr;
    const std::span<const KnownState> states = states_->at(insn);
    for (size_t i = 0; i < states.size(); ++i) {
        // In a loop it is mostly the one after the last.
        const size_t which = (next_[insn] + i) % states.size();
        const KnownState& state = states[which];
        if (state.frame > depth) continue;
        const auto reg = outside(state, registers);
        if (!reg) {
            next_[insn] = uint32_t(which + 1);
            return;
        }
        if (*reg > best) best = *reg, nearest = &state;
    }
    if (!nearest) {
        complaint_ = "no state was recorded there";
        return;
    }
    complaint_ =
        fmt::format("r{} is {:#x}, which is in none of {} states; the nearest: {}", best,
                    registers[size_t(best)], states.size(), text_of(nearest->regs[size_t(best)]));
}

std::optional<int> StateChecker::outside(const KnownState& state, Registers registers) const {
    for (size_t r = 0; r < kRegs; ++r) {
        if (!state.is_live(r)) continue;
        const KnownRegister& known = state.regs[r];
        // Frames of the state are the last ones of the stack.
        const uint64_t frame =
            registers[10] + uint64_t{isa::kStackSize} * (state.frame - known.frameno);
        if (!holds(known, registers[r], frame)) return int(r);
    }
    return std::nullopt;
}

bool StateChecker::holds(const KnownRegister& known, uint64_t value, uint64_t frame) const {
    const auto from = [&](uint64_t base) {
        return known.value.contains(value - base - uint64_t(int64_t{known.off}));
    };
    if (known.type == kNotInit) return true;
    if (known.type == kScalar) return known.value.contains(value);
    if (may_be_null(known.type) && value == 0) return true;
    switch (base_type(known.type)) {
        case kPtrToCtx: return from(address(event_->ctx));
        case kPtrToStack: return from(frame);
        case kPtrToPacket:
        case kPtrToPacketMeta: return holds_packet(known, value);
        case kPtrToPacketEnd: return from(address(event_->data_end));
        case kConstPtrToMap:
            return known.is_inner_map || value == address(object_.maps()[known.map].get());
        case kPtrToMapValue: return holds_map_value(known, value);
        case kPtrToMem:
        case kPtrToMapKey: return value != 0 || (known.type & kUntrusted);
        default: return true;
    }
}

bool StateChecker::holds_packet(const KnownRegister& known, uint64_t value) const {
    const bool meta = base_type(known.type) == kPtrToPacketMeta;
    const uint64_t start = address(meta ? event_->data_meta : event_->data);
    const uint64_t end = address(meta ? event_->data : event_->data_end);
    const uint64_t base = value - uint64_t(int64_t{known.off});
    if (!known.value.contains(base - start)) return false;
    return known.packet_range <= 0 || base + uint64_t(known.packet_range) <= end;
}

bool StateChecker::holds_map_value(const KnownRegister& known, uint64_t value) const {
    if (known.is_inner_map) return value != 0;
    maps::Map& map = *object_.maps()[known.map];
    const uint64_t moved = value - uint64_t(int64_t{known.off});
    // Where the value starts is known if its offset is, or if the pointer is still inside.
    if (known.value.is_constant()) {
        const uint64_t start = moved - known.value.constant_value();
        const auto bytes = map.value_at(reinterpret_cast<const void*>(start), 1);
        return !bytes.empty() && address(bytes.data()) == start;
    }
    const auto bytes = map.value_at(reinterpret_cast<const void*>(value), 1);
    return bytes.empty() || known.value.contains(moved - address(bytes.data()));
}

}  // namespace skep::verifier_test
