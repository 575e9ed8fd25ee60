// SPDX-License-Identifier: Apache-2.0
// Registers as instructions and calls read, write and forget them.
#include "verifier/analysis.hpp"
#include "verifier/calls.hpp"
#include "verifier/linked_regs.hpp"
#include "verifier/liveness.hpp"

namespace skep::verifier {

bool Analysis::check_reg_read(int regno) {
    scratch_reg(regno);
    if (reg(regno).type == kNotInit) return refuse(Rule::UninitRegister, "R{} !read_ok", regno);
    return true;
}

bool Analysis::check_reg_write(int regno, bool mark_unknown) {
    if (regno == isa::kMaxRegister)
        return refuse(Rule::FramePointerWrite, "frame pointer is read only");
    scratch_reg(regno);
    if (mark_unknown) mark_reg_unknown(regno);
    return true;
}

void Analysis::mark_reg_unknown(int regno) {
    reg_mut(regno).set_unknown(!privileged);
}

void Analysis::mark_reg_zero(int regno) {
    RegState& reg = reg_mut(regno);
    reg.set_constant(0);
    reg.precise = !privileged;
}

void Analysis::mark_reg_not_init(int regno) {
    reg_mut(regno).clear();
}

void Analysis::clear_caller_saved() {
    FuncState& frame = state->cur_mut();
    for (size_t i = 0; i < kCallerSaved; ++i) frame.regs[i].clear();
    scratched_regs |= 0x3f;
}

void Analysis::link_before_copy(RegState& reg) {
    if (reg.type != kScalar) return;
    if (reg.id & kAddConstAny) {
        reg.id = 0;
        reg.off = 0;
    }
    // A constant gains nothing from its copies.
    if (!reg.id && !reg.value.is_constant()) reg.id = next_id();
}

void Analysis::mark_stack_read(uint32_t frame, int slot) {
    liveness->mark_read(frame, slot);
}

void Analysis::mark_stack_write(uint32_t frame, int slot) {
    liveness->mark_write(frame, slot);
}

void Analysis::invalidate_packet_pointers() {
    const auto is_packet = [](const RegState& reg) {
        return is_packet_pointer(reg.type) || reg.type == kPtrToPacketEnd ||
               (base_type(reg.type) == kPtrToMem &&
                (reg.type & (kDynptrSkb | kDynptrXdp | kDynptrSkbMeta)));
    };
    state->change_regs(is_packet, [this](RegState& reg) {
        // To those who may see addresses it is just a number from now on.
        if (allow_ptr_leaks || !rules.forgets_packets)
            reg.set_unknown(!privileged);
        else
            reg.clear();
    });
}

namespace {

/// What a pointer is once it is known not to be null.
void make_not_null(RegState& reg) {
    if (base_type(reg.type) != kPtrToMapValue) {
        reg.type &= ~kMaybeNull;
        return;
    }
    const MapInfo& map = *reg.map;
    if (map.inner) {
        reg.type = kConstPtrToMap;
        reg.map = map.inner;
        // Two lookups may give different inner maps; which of them matters for timers.
        if (map_needs_uid(*map.inner)) reg.map_uid = reg.id;
    } else if (map.type() == MapType::Xskmap) {
        reg.type = kPtrToXdpSock;
    } else if (map.type() == MapType::Sockmap || map.type() == MapType::Sockhash) {
        reg.type = kPtrToSocket;
    } else {
        reg.type = kPtrToMapValue;
    }
}

}  // namespace

void mark_not_null(RegState& reg) {
    make_not_null(reg);
}

void Analysis::mark_ptr_or_null_regs(VerifierState& which, uint32_t id, bool is_null) {
    const auto same = [id](const RegState& reg) { return may_be_null(reg.type) && reg.id == id; };
    which.change_regs(same, [this, is_null](RegState& reg) {
        if (reg.value != Scalar::constant(0)) return;
        const bool may_have_offset = (reg.type & kMemAlloc) || (reg.type & kNonOwnRef);
        if (reg.off && !may_have_offset) return;
        if (is_null) {
            reg.type = kScalar;
            reg.id = 0;
            reg.ref_obj_id = 0;
            return;
        }
        make_not_null(reg);
        if (!may_point_to_lock(*this, reg)) reg.id = 0;
    });
}

}  // namespace skep::verifier
