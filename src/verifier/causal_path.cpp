// SPDX-License-Identifier: Apache-2.0
#include "verifier/causal_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "platform/helpers.hpp"
#include "verifier/describe.hpp"

namespace skep::verifier {

namespace {

/// Steps that a person reads; the ones nearest to the refusal are kept.
constexpr size_t kMaxSteps = 12;
constexpr int32_t kSpinLock = int32_t(platform::HelperId::spin_lock);

/// What is being traced back: a register, or a slot of the stack, of a frame.
struct Wanted {
    uint32_t frame;
    int reg;        // -1: the slot
    int slot = -1;  // 0 is fp-8
    bool operator==(const Wanted&) const = default;
};

bool is_conditional(const isa::Insn& insn) {
    if (insn.cls() != isa::kJmp && insn.cls() != isa::kJmp32) return false;
    return insn.operation() != isa::kJa && insn.operation() != isa::kCall &&
           insn.operation() != isa::kExit;
}

bool is_call(const isa::Insn& insn) {
    return insn.cls() == isa::kJmp && insn.operation() == isa::kCall;
}

bool is_alu(const isa::Insn& insn) {
    return insn.cls() == isa::kAlu || insn.cls() == isa::kAlu64;
}

/// The register that a message of the kernel's names first: 7 of "R7 invalid mem access".
std::optional<int> register_in(std::string_view reason) {
    for (size_t i = 0; i + 1 < reason.size(); i++) {
        if (reason[i] != 'R' || reason[i + 1] < '0' || reason[i + 1] > '9') continue;
        if (i > 0 && (std::isalnum(static_cast<unsigned char>(reason[i - 1])) != 0)) continue;
        int number = 0;
        for (size_t k = i + 1; k < reason.size() && reason[k] >= '0' && reason[k] <= '9'; k++)
            number = number * 10 + (reason[k] - '0');
        if (number < kRegs) return number;
    }
    return std::nullopt;
}

/// 7 of "alloc_insn=7".
std::optional<uint32_t> number_behind(std::string_view reason, std::string_view word) {
    const size_t at = reason.find(word);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view rest = reason.substr(at + word.size());
    const auto value = parse_uint(rest.substr(0, rest.find_first_not_of("0123456789")));
    return value ? std::optional(static_cast<uint32_t>(*value)) : std::nullopt;
}

class Slicer {
  public:
    Slicer(const Analysis& a, const Trace& trace) : a_(a), entries_(trace.entries()) {}

    std::vector<Step> run() {
        const uint32_t refused = a_.refusal.insn;
        if (entries_.empty()) return {{refused, {}}};
        if (const auto acquired = number_behind(a_.refusal.reason, "alloc_insn="))
            return held(*acquired, "acquires a reference", "reference");
        if (a_.refusal.rule == Rule::LockHeld)
            if (const auto locked = last_call_of(kSpinLock))
                return held(*locked, "takes the lock", "lock");
        // Found out about after all paths were followed: about the program, not about a path.
        if (entries_.back().insn != refused) return {{refused, {}}};
        const TraceEntry& last = entries_.back();
        choose_subject(last);
        const std::string ending = final_note(last);
        for (size_t i = entries_.size() - 1; i-- > 0 && !wanted_.empty();) {
            if (steps_.size() >= kMaxSteps) break;
            visit(i);
        }
        if (steps_.size() < kMaxSteps) start_of_path();
        std::ranges::reverse(steps_);
        steps_.push_back({refused, ending});
        return std::move(steps_);
    }

  private:
    const isa::Insn& insn_at(const TraceEntry& entry) const { return a_.insns[entry.insn]; }
    static const RegState& reg_before(const TraceEntry& entry, int reg) {
        return entry.before->regs[size_t(reg)];
    }

    /// The frame as it was after entry i; null where it was left for good.
    const FuncState* after(size_t i) const {
        for (size_t k = i + 1; k < entries_.size(); k++) {
            if (entries_[k].frame == entries_[i].frame) return &*entries_[k].before;
            if (entries_[k].frame < entries_[i].frame) return nullptr;
        }
        return nullptr;
    }
    std::string after_text(size_t i, int reg) const {
        const FuncState* state = after(i);
        return state ? describe(state->regs[size_t(reg)]) : std::string("a value");
    }

    void add(size_t i, std::string note) { steps_.push_back({entries_[i].insn, std::move(note)}); }

    void want(Wanted value) {
        if (std::ranges::find(wanted_, value) == wanted_.end() && wanted_.size() < 6)
            wanted_.push_back(value);
    }
    void drop(const Wanted& value) { std::erase(wanted_, value); }
    bool is_wanted(uint32_t frame, int reg) const {
        return std::ranges::find(wanted_, Wanted{frame, reg}) != wanted_.end();
    }

    void choose_subject(const TraceEntry& last) {
        const isa::Insn& insn = insn_at(last);
        std::optional<int> reg = register_in(a_.refusal.reason);
        if (!reg) {
            if (insn.cls() == isa::kLdx) reg = insn.src;
            if (insn.cls() == isa::kSt || insn.cls() == isa::kStx || is_alu(insn) ||
                is_conditional(insn))
                reg = insn.dst;
            if (insn.operation() == isa::kExit) reg = 0;
        }
        if (!reg || *reg == isa::kMaxRegister) {
            if (const auto slot = slot_of_access(last)) want({last.frame, -1, *slot});
            return;
        }
        want({last.frame, *reg});
        const RegState& state = reg_before(last, *reg);
        if (state.type == kPtrToStack && state.value.is_constant() && is_call(insn))
            want({state.frameno, -1, slot_index(state.off + int(state.value.constant_value()))});
    }

    /// The stack slot that a load or store of r10 plus a constant touches.
    std::optional<int> slot_of_access(const TraceEntry& entry) const {
        const isa::Insn& insn = insn_at(entry);
        int base = -1;
        if (insn.cls() == isa::kLdx) base = insn.src;
        if (insn.cls() == isa::kSt || insn.cls() == isa::kStx) base = insn.dst;
        if (base < 0) return std::nullopt;
        const RegState& reg = reg_before(entry, base);
        if (base_type(reg.type) != kPtrToStack || !reg.value.is_constant()) return std::nullopt;
        const int64_t off = reg.off + int64_t(reg.value.constant_value()) + insn.off;
        if (off >= 0 || off < -isa::kStackSize) return std::nullopt;
        return slot_index(int(off));
    }

    // -- one executed instruction, going back

    void visit(size_t i) {
        const TraceEntry& entry = entries_[i];
        const isa::Insn& insn = insn_at(entry);
        if (is_conditional(insn)) return visit_branch(i, insn);
        if (is_call(insn)) return visit_call(i, insn);
        if (insn.cls() == isa::kJmp && insn.operation() == isa::kExit) return visit_return(i);
        if (insn.cls() == isa::kStx || insn.cls() == isa::kSt) return visit_store(i, insn);
        const Wanted dst{entry.frame, insn.dst};
        if (!is_wanted(dst.frame, dst.reg)) return;
        if (is_alu(insn)) return visit_alu(i, insn, dst);
        if (insn.cls() == isa::kLdx) return visit_load(i, insn, dst);
        if (insn.is_wide()) {
            drop(dst);
            add(i, fmt::format("r{} is {}", insn.dst, after_text(i, insn.dst)));
        }
        if (insn.cls() == isa::kLd && !insn.is_wide()) {
            drop({entry.frame, 0});
            add(i, "r0 is loaded from the packet");
        }
    }

    void visit_branch(size_t i, const isa::Insn& insn) {
        const TraceEntry& entry = entries_[i];
        const bool dst = is_wanted(entry.frame, insn.dst);
        const bool src = insn.uses_src_register() && is_wanted(entry.frame, insn.src);
        const RegState& left = reg_before(entry, insn.dst);
        const bool packet =
            is_packet_pointer(left.type) ||
            (insn.uses_src_register() && is_packet_pointer(reg_before(entry, insn.src).type));
        const FuncState* later = after(i);
        if (!later || (!dst && !src && !(packet && wants_packet(entry)))) return;
        const bool taken = entries_[i + 1].insn != entry.insn + 1;
        const std::string_view way = taken ? "taken" : "not taken";
        if (packet) {
            const int pointer = is_packet_pointer(left.type) ? insn.dst : insn.src;
            const int32_t range = later->regs[size_t(pointer)].packet_range;
            if (range > 0)
                return add(i,
                           fmt::format("{}: {} byte{} from the start of the packet {} there", way,
                                       range, range == 1 ? "" : "s", range == 1 ? "is" : "are"));
            return add(i, fmt::format("{}: this makes no byte of the packet accessible", way));
        }
        const int reg = dst ? insn.dst : insn.src;
        const RegState& known = later->regs[size_t(reg)];
        if (known == reg_before(entry, reg))
            return add(i, fmt::format("{}: this tells nothing new about r{}", way, reg));
        add(i, fmt::format("{}: r{} is {}", way, reg, describe(known)));
    }

    bool wants_packet(const TraceEntry& entry) const {
        return std::ranges::any_of(wanted_, [&](const Wanted& value) {
            return value.frame == entry.frame && value.reg >= 0 &&
                   is_packet_pointer(reg_before(entry, value.reg).type);
        });
    }

    std::string callee_name(const isa::Insn& insn, uint32_t index) const {
        if (insn.src == isa::kCallHelper) {
            const platform::HelperInfo* helper = platform::find_helper(uint32_t(insn.imm));
            return helper ? fmt::format("bpf_{}()", helper->name)
                          : fmt::format("helper {}", insn.imm);
        }
        if (insn.src == isa::kCallLocal) {
            const int subprog = a_.find_subprog(uint32_t(int64_t{index} + insn.imm + 1));
            if (subprog >= 0) return fmt::format("{}()", a_.subprogs[size_t(subprog)].name);
            return "a function";
        }
        if (a_.kernel_btf && insn.off == 0)
            return fmt::format("{}()", a_.kernel_btf->type(uint32_t(insn.imm)).name());
        return "a kernel function";
    }

    void visit_call(size_t i, const isa::Insn& insn) {
        const TraceEntry& entry = entries_[i];
        const std::string name = callee_name(insn, entry.insn);
        const bool enters = entries_[i + 1].frame > entry.frame;
        if (enters) {
            for (int reg = 1; reg < kCallerSaved; reg++) {
                const Wanted inside{entry.frame + 1, reg};
                if (!is_wanted(inside.frame, reg)) continue;
                drop(inside);
                if (insn.src != isa::kCallLocal) {
                    add(i, fmt::format("r{} is what {} gives its callback: {}", reg, name,
                                       describe(entries_[i + 1].before->regs[size_t(reg)])));
                    continue;
                }
                add(i, fmt::format("r{} is passed to {}", reg, name));
                want({entry.frame, reg});
            }
            std::erase_if(wanted_, [&](const Wanted& value) { return value.frame > entry.frame; });
        }
        call_clobbers(i, insn, name);
        call_writes_stack(i, name);
        call_invalidates(i, name);
    }

    void call_clobbers(size_t i, const isa::Insn& insn, const std::string& name) {
        const TraceEntry& entry = entries_[i];
        const Wanted result{entry.frame, 0};
        if (is_wanted(result.frame, 0)) {
            // A function of the program that was followed: its own r0 is traced instead.
            if (insn.src != isa::kCallLocal || entries_[i + 1].frame == entry.frame) {
                drop(result);
                add(i, fmt::format("r0 = {}: {}", name, after_text(i, 0)));
            }
        }
        for (int reg = 1; reg < kCallerSaved; reg++) {
            const Wanted value{entry.frame, reg};
            if (!is_wanted(value.frame, reg) || entries_[i + 1].frame > entry.frame) continue;
            drop(value);
            add(i, fmt::format("the call of {} leaves r1 to r5 without a value", name));
        }
    }

    void call_writes_stack(size_t i, const std::string& name) {
        const TraceEntry& entry = entries_[i];
        const FuncState* later = after(i);
        if (!later) return;
        for (const Wanted& value : std::vector(wanted_)) {
            if (value.reg >= 0 || value.frame != entry.frame) continue;
            const auto slot = size_t(value.slot);
            if (slot >= later->stack.size()) continue;
            const bool before_there = slot < entry.before->stack.size();
            if (before_there && entry.before->stack[slot].bytes == later->stack[slot].bytes)
                continue;
            drop(value);
            add(i, fmt::format("{} writes fp{}: {}", name, -8 * (value.slot + 1),
                               describe(later->stack[slot])));
        }
    }

    /// Helpers that move the packet, and releases, take pointers away from registers.
    void call_invalidates(size_t i, const std::string& name) {
        const TraceEntry& entry = entries_[i];
        const FuncState* later = after(i);
        if (!later) return;
        for (const Wanted& value : wanted_) {
            if (value.frame != entry.frame || value.reg < kCallerSaved) continue;
            const RegState& before = reg_before(entry, value.reg);
            const RegState& now = later->regs[size_t(value.reg)];
            if (before.type == now.type) continue;
            add(i, fmt::format("{} ends the life of r{}, which was {}", name, value.reg,
                               describe(before)));
        }
    }

    void visit_return(size_t i) {
        const TraceEntry& entry = entries_[i];
        if (entry.frame == 0 || i + 1 >= entries_.size()) return;
        const Wanted result{entry.frame - 1, 0};
        if (!is_wanted(result.frame, 0)) return;
        drop(result);
        add(i, fmt::format("returns r0: {}", describe(reg_before(entry, 0))));
        want({entry.frame, 0});
    }

    void visit_store(size_t i, const isa::Insn& insn) {
        const TraceEntry& entry = entries_[i];
        const auto slot = slot_of_access(entry);
        if (!slot) return;
        const Wanted value{reg_before(entry, insn.dst).frameno, -1, *slot};
        if (std::ranges::find(wanted_, value) == wanted_.end()) return;
        drop(value);
        if (insn.cls() == isa::kSt) return add(i, fmt::format("the number {} is stored", insn.imm));
        add(i, fmt::format("r{} is stored: {}", insn.src, describe(reg_before(entry, insn.src))));
        want({entry.frame, insn.src});
    }

    void visit_alu(size_t i, const isa::Insn& insn, const Wanted& dst) {
        const bool moves = insn.operation() == isa::kMov;
        if (moves) drop(dst);
        add(i, fmt::format("r{} is {}", insn.dst, after_text(i, insn.dst)));
        if (!insn.uses_src_register() || insn.operation() == isa::kEnd) return;
        const RegState& source = reg_before(entries_[i], insn.src);
        if (moves || !source.is_constant()) want({dst.frame, insn.src});
    }

    void visit_load(size_t i, const isa::Insn& insn, const Wanted& dst) {
        const TraceEntry& entry = entries_[i];
        drop(dst);
        const std::string value = after_text(i, insn.dst);
        if (const auto slot = slot_of_access(entry)) {
            add(i, fmt::format("r{} comes from the stack: {}", insn.dst, value));
            return want({reg_before(entry, insn.src).frameno, -1, *slot});
        }
        const std::string from = describe_target(reg_before(entry, insn.src));
        add(i, from.empty() ? fmt::format("r{} is {}", insn.dst, value)
                            : fmt::format("r{} is read from {}: {}", insn.dst, from, value));
    }

    // -- both ends

    void start_of_path() {
        const TraceEntry& first = entries_.front();
        for (const Wanted& value : wanted_) {
            if (value.frame != first.frame) continue;
            if (value.reg < 0) {
                steps_.push_back({first.insn, fmt::format("on this path nothing wrote fp{}",
                                                          -8 * (value.slot + 1))});
                continue;
            }
            const RegState& reg = reg_before(first, value.reg);
            if (reg.type == kNotInit)
                steps_.push_back(
                    {first.insn, fmt::format("on this path nothing wrote r{}", value.reg)});
            else if (value.reg < kCallerSaved)
                steps_.push_back(
                    {first.insn, fmt::format("r{} is an argument of {}: {}", value.reg,
                                             a_.subprog_at(first.insn).name, describe(reg))});
        }
    }

    std::string final_note(const TraceEntry& last) const {
        const isa::Insn& insn = insn_at(last);
        if (a_.refusal.rule == Rule::Unresolved)
            for (const object::Unresolved& missing : a_.prog.unresolved)
                if (missing.insn == last.insn)
                    return fmt::format("{}: {}", printable(missing.what),
                                       printable(missing.reason));
        int base = -1;
        if (insn.cls() == isa::kLdx) base = insn.src;
        if (insn.cls() == isa::kSt || insn.cls() == isa::kStx) base = insn.dst;
        if (base >= 0) {
            const RegState& reg = reg_before(last, base);
            const RegType type = base_type(reg.type);
            if (type == kPtrToPacket || type == kPtrToMapValue || type == kPtrToMem)
                return access_note(insn, reg, base);
            if (type != kPtrToStack) return fmt::format("r{} is {}", base, describe(reg));
        }
        if (const auto reg = register_in(a_.refusal.reason))
            return fmt::format("r{} is {}", *reg, describe(reg_before(last, *reg)));
        if (insn.operation() == isa::kExit && insn.cls() == isa::kJmp)
            return fmt::format("r0 is {}", describe(reg_before(last, 0)));
        return {};
    }

    /// Which bytes, and how many there are.
    std::string access_note(const isa::Insn& insn, const RegState& reg, int base) const {
        if (may_be_null(reg.type)) return fmt::format("r{} is {}", base, describe(reg));
        const int64_t from = reg.value.smin + reg.off + insn.off;
        const int64_t to = reg.value.smax + reg.off + insn.off + isa::width_bytes(insn.size()) - 1;
        if (reg.value.smin < INT32_MIN || reg.value.smax > INT32_MAX)
            return fmt::format("r{} is {}", base, describe(reg));
        const std::string_view verb = insn.cls() == isa::kLdx ? "reads" : "writes";
        const std::string bytes =
            from == to ? fmt::format("byte {}", from) : fmt::format("bytes {} to {}", from, to);
        switch (base_type(reg.type)) {
            case kPtrToPacket:
                return fmt::format("{} {} of the packet; {} are known to be there", verb, bytes,
                                   std::max(reg.packet_range, 0));
            case kPtrToMapValue:
                return fmt::format("{} {} of {}, which has {} bytes", verb, bytes,
                                   describe_target(reg), reg.map->spec->value_size);
            default:
                return fmt::format("{} {} of memory that has {} bytes", verb, bytes, reg.mem_size);
        }
    }

    std::optional<uint32_t> last_call_of(int32_t helper) const {
        for (size_t i = entries_.size(); i-- > 0;) {
            const isa::Insn& insn = insn_at(entries_[i]);
            if (is_call(insn) && insn.src == isa::kCallHelper && insn.imm == helper)
                return entries_[i].insn;
        }
        return std::nullopt;
    }

    /// From where something was acquired to the end: the branches in between.
    std::vector<Step> held(uint32_t acquired, std::string_view does, std::string_view what) {
        std::vector<Step> steps;
        size_t from = entries_.size();
        for (size_t i = entries_.size(); i-- > 0;)
            if (entries_[i].insn == acquired) {
                from = i;
                break;
            }
        if (from == entries_.size()) from = 0;
        const isa::Insn& call = a_.insns[acquired];
        steps.push_back({acquired, is_call(call)
                                       ? fmt::format("{} {}", callee_name(call, acquired), does)
                                       : std::string("it is acquired here")});
        for (size_t i = from + 1; i + 1 < entries_.size(); i++) {
            if (!is_conditional(insn_at(entries_[i]))) continue;
            steps.push_back({entries_[i].insn,
                             entries_[i + 1].insn != entries_[i].insn + 1 ? "taken" : "not taken"});
        }
        if (steps.size() > kMaxSteps)
            steps.erase(steps.begin() + 1, steps.end() - ptrdiff_t(kMaxSteps) + 1);
        steps.push_back(
            {a_.refusal.insn, fmt::format("on this path the {} is still held here", what)});
        return steps;
    }

    const Analysis& a_;
    const std::vector<TraceEntry>& entries_;
    std::vector<Wanted> wanted_;
    std::vector<Step> steps_;  // from the last to the first
};

}  // namespace

std::vector<Step> causal_path(const Analysis& a, const Trace& trace) {
    if (!trace.complete()) return {{a.refusal.insn, "this path is too long to be told"}};
    return Slicer(a, trace).run();
}

}  // namespace skep::verifier
