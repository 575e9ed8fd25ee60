// SPDX-License-Identifier: Apache-2.0
#include "verifier/log.hpp"

#include <iterator>

#include "isa/disasm.hpp"
#include "verifier/access.hpp"
#include "verifier/linked_regs.hpp"

namespace skep::verifier {
namespace {

constexpr const char* kTypeNames[] = {
    "?",    "scalar",  "ctx",       "map_ptr", "map_value",   "map_key",   "fp",        "pkt_meta",
    "pkt",  "pkt_end", "flow_keys", "sock",    "sock_common", "tcp_sock",  "tp_buffer", "xdp_sock",
    "ptr_", "mem",     "arena",     "buf",     "func",        "dynptr_ptr"};

void append(std::string& out, bool& first, std::string_view name, const std::string& value) {
    if (!first) out += ',';
    first = false;
    out += name;
    out += '=';
    out += value;
}

bool is_special64(int64_t v) {
    return v >= -4096 && v <= 4096;
}

/// Numbers as the kernel writes them: small ones in decimal.
std::string number(int64_t value) {
    return is_special64(value) ? fmt::format("{}", value) : fmt::format("{:#x}", uint64_t(value));
}
std::string unsigned_number(uint64_t value) {
    return value <= 4096 ? fmt::format("{}", value) : fmt::format("{:#x}", value);
}

/// Bounds that say something, those that are equal on one line: "smin=umin=5".
void append_ranges(std::string& out, bool& first, const Scalar& v) {
    struct Bound {
        const char* name;
        std::string value;
        bool omit;
    };
    const Bound bounds[] = {
        {"smin", number(v.smin), v.smin == INT64_MIN},
        {"smax", number(v.smax), v.smax == INT64_MAX},
        {"umin", unsigned_number(v.umin), v.umin == 0},
        {"umax", unsigned_number(v.umax), v.umax == UINT64_MAX},
        {"smin32", number(v.s32_min), v.s32_min == INT32_MIN || v.s32_min == int32_t(v.smin)},
        {"smax32", number(v.s32_max), v.s32_max == INT32_MAX || v.s32_max == int32_t(v.smax)},
        {"umin32", unsigned_number(v.u32_min), v.u32_min == 0 || v.u32_min == uint32_t(v.umin)},
        {"umax32", unsigned_number(v.u32_max),
         v.u32_max == UINT32_MAX || v.u32_max == uint32_t(v.umax)},
    };
    bool done[std::size(bounds)] = {};
    for (size_t i = 0; i < std::size(bounds); ++i) {
        if (bounds[i].omit || done[i]) continue;
        if (!first) out += ',';
        first = false;
        out += bounds[i].name;
        out += '=';
        for (size_t j = i + 1; j < std::size(bounds); ++j) {
            if (bounds[j].omit || done[j] || bounds[j].value != bounds[i].value) continue;
            out += bounds[j].name;
            out += '=';
            done[j] = true;
        }
        out += bounds[i].value;
    }
}

char slot_letter(SlotType type) {
    switch (type) {
        case SlotType::Invalid: return '?';
        case SlotType::Spill: return 'r';
        case SlotType::Misc: return 'm';
        case SlotType::Zero: return '0';
        case SlotType::Dynptr: return 'd';
        case SlotType::Iter: return 'i';
        case SlotType::IrqFlag: return 'f';
    }
    return '?';
}

void log_slot(Analysis& a, const StackSlot& slot, size_t index) {
    if (slot.is_invalid()) return;
    std::string bytes;
    for (size_t i = kSlotBytes; i-- > 0;) bytes += slot_letter(slot.bytes[i]);
    a.log(" fp-{}", (index + 1) * kSlotBytes);
    if (slot.is_spilled_reg()) {
        const std::string data = bytes.find_first_not_of('r') == std::string::npos ? "" : bytes;
        a.log("={}{}", data, describe(a, *slot.spilled));
    } else if (slot.is_special() && slot.spilled) {
        a.log("={}", describe(a, *slot.spilled));
    } else {
        a.log("={}", bytes);
    }
}

void log_state(Analysis& a, uint32_t frameno, bool all) {
    const FuncState& frame = a.state->frame(frameno);
    if (frameno) a.log(" frame{}:", frameno);
    for (size_t i = 0; i < kRegs; ++i) {
        if (frame.regs[i].type == kNotInit || (!all && !(a.scratched_regs >> i & 1))) continue;
        a.log(" R{}={}", i, describe(a, frame.regs[i]));
    }
    for (size_t i = 0; i < frame.stack.size(); ++i)
        if (all || (a.scratched_slots >> i & 1)) log_slot(a, frame.stack[i], i);
    if (!a.state->refs.empty()) {
        a.log(" refs=");
        for (size_t i = 0; i < a.state->refs.size(); ++i)
            a.log("{}{}", i ? "," : "", a.state->refs[i].id);
    }
    a.scratched_regs = 0;
    a.scratched_slots = 0;
}

}  // namespace

std::string Analysis::type_name(RegType type) const {
    std::string text;
    if (type & kRdonly) text += "rdonly_";
    if (type & kRingbuf) text += "ringbuf_";
    if (type & kUser) text += "user_";
    if (type & kPercpu) text += "percpu_";
    if (type & kUntrusted) text += "untrusted_";
    if (type & kTrusted) text += "trusted_";
    if (type & kRcu) text += "rcu_";
    const RegType base = base_type(type);
    text += base < std::size(kTypeNames) ? kTypeNames[base] : "?";
    if (may_be_null(type)) text += base == kPtrToBtfId ? "or_null_" : "_or_null";
    return text;
}

std::string describe(const Analysis& a, const RegState& reg) {
    std::string out;
    if (reg.type == kScalar && reg.precise) out += 'P';
    if (reg.is_constant()) return out + number(int64_t(reg.value.constant_value()));
    if (reg.type == kPtrToStack && reg.frameno != a.state->curframe)
        out += fmt::format("fp[{}]", reg.frameno);
    else
        out += a.type_name(reg.type);
    if (reg.type == kPtrToStack && reg.value.is_constant())
        return out + number(int64_t(reg.value.constant_value()) + reg.off);
    if (base_type(reg.type) == kPtrToBtfId && reg.btf) out += reg.btf->type(reg.btf_id).name();
    std::string inner;
    bool first = true;
    if (reg.id) {
        const std::string id = fmt::format("{}", reg.id & ~kAddConstAny);
        append(inner, first, "id", reg.id & kAddConstAny ? fmt::format("{}{:+}", id, reg.off) : id);
    }
    if (reg.ref_obj_id) append(inner, first, "ref_obj_id", fmt::format("{}", reg.ref_obj_id));
    if (reg.map && !reg.map->spec->name.empty()) append(inner, first, "map", reg.map->spec->name);
    if (reg.map) {
        append(inner, first, "ks", fmt::format("{}", reg.map->spec->key_size));
        append(inner, first, "vs", fmt::format("{}", reg.map->spec->value_size));
    }
    if (reg.type != kScalar && reg.off) append(inner, first, "off", number(reg.off));
    if (is_packet_pointer(reg.type)) append(inner, first, "r", number(reg.packet_range));
    if (base_type(reg.type) == kPtrToMem) append(inner, first, "sz", number(reg.mem_size));
    if (reg.type == kScalar || !reg.value.is_constant()) {
        append_ranges(inner, first, reg.value);
        if (!reg.value.bits.is_unknown())
            append(inner, first, "var_off", to_string(reg.value.bits));
    } else if (reg.value.constant_value()) {
        append(inner, first, "imm", number(int64_t(reg.value.constant_value())));
    }
    return reg.type == kPtrToCtx && inner.empty() ? out + "()" : out + "(" + inner + ")";
}

void log_insn(Analysis& a, uint32_t index) {
    if (a.scratched_regs || a.scratched_slots) {
        if (!a.log_text.empty() && a.log_text.back() == '\n' && !a.log_fresh) {
            a.log_text.pop_back();
            a.log("{:<8};", " ");
        } else {
            a.log("{}:", index);
        }
        log_state(a, a.state->curframe, false);
        a.log("\n");
    }
    std::string text;
    isa::append_text(text, a.insns, index);
    a.log("{}: ({:02x}) {}\n", index, a.insns[index].opcode, text);
    a.log_fresh = false;
}

void log_from(Analysis& a) {
    a.log("\nfrom {} to {}{}:", int32_t(a.prev_insn_index), a.insn_index,
          a.state->speculative ? " (speculative execution)" : "");
    log_state(a, a.state->curframe, true);
    a.log("\n");
    a.log_fresh = true;
}

void log_safe(Analysis& a, bool at_start) {
    if (at_start)
        a.log("\nfrom {} to {}{}: safe\n", int32_t(a.prev_insn_index), a.insn_index,
              a.state->speculative ? " (speculative execution)" : "");
    else
        a.log("{}: safe\n", a.insn_index);
    a.log_fresh = true;
}

void log_call(Analysis& a) {
    a.log("caller:\n");
    log_state(a, a.state->curframe - 1, true);
    a.log("\ncallee:\n");
    log_state(a, a.state->curframe, true);
    a.log("\n");
    a.log_fresh = true;
}

void log_return(Analysis& a) {
    a.log("returning from callee:\n");
    log_state(a, a.state->curframe, true);
    a.log("\nto caller at {}:\n", a.insn_index);
    log_state(a, a.state->curframe - 1, true);
    a.log("\n");
    a.log_fresh = true;
}

void log_summary(Analysis& a, uint32_t max_states_per_insn, uint64_t total, uint64_t peak) {
    a.log(
        "processed {} insns (limit {}) max_states_per_insn {} total_states {} peak_states {} "
        "mark_read 0\n",
        a.insn_processed, a.options.max_insns, max_states_per_insn, total, peak);
}

}  // namespace skep::verifier
