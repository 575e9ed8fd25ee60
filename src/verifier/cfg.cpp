// SPDX-License-Identifier: Apache-2.0
#include "verifier/cfg.hpp"

#include <algorithm>

#include "isa/decode.hpp"
#include "isa/opcode.hpp"
#include "platform/limits.hpp"
#include "verifier/calls.hpp"

namespace skep::verifier {

using isa::Insn;

namespace {

bool is_jump_class(const Insn& insn) {
    return insn.cls() == isa::kJmp || insn.cls() == isa::kJmp32;
}
bool is_call(const Insn& insn, uint8_t kind) {
    return insn.opcode == (isa::kJmp | isa::kCall) && insn.src == kind;
}
bool is_function_address(const Insn& insn) {
    return insn.is_wide() && insn.src == isa::kPseudoFunc;
}
int64_t jump_offset(const Insn& insn) {
    return insn.opcode == (isa::kJmp32 | isa::kJa) ? insn.imm : insn.off;
}

}  // namespace

Successors successors(const Analysis& a, uint32_t index) {
    const Insn& insn = a.insns[index];
    Successors result;
    bool falls_through = true, jumps = false;
    if (is_jump_class(insn)) {
        const uint8_t operation = insn.operation();
        falls_through = operation != isa::kExit && operation != isa::kJa;
        jumps = operation != isa::kExit && operation != isa::kCall;
    }
    if (falls_through) result.insns[result.count++] = index + uint32_t(insn.slots());
    if (jumps) result.insns[result.count++] = uint32_t(index + jump_offset(insn) + 1);
    return result;
}

platform::KernelVersion insn_since(const isa::OpcodeInfo& form) {
    using platform::KernelVersion;
    switch (form.form) {
        case isa::Form::LoadAcquire:
        case isa::Form::StoreRelease: return KernelVersion("6.15");
        case isa::Form::AddrSpaceCast: return KernelVersion("6.9");
        case isa::Form::Ja:  // may_goto
            return form.version < 4 ? KernelVersion("3.18") : KernelVersion("6.9");
        default: return form.version < 4 ? KernelVersion("3.18") : KernelVersion("6.6");
    }
}

bool check_instructions(Analysis& a) {
    std::array<bool, 256> known{};
    for (const isa::OpcodeInfo& info : isa::opcodes())
        if (a.is_kernel_at_least(insn_since(info))) known[info.opcode] = true;
    const uint32_t count = uint32_t(a.insns.size());
    const uint32_t most = a.privileged ? platform::kMaxInsns : platform::kMaxInsnsUnprivileged;
    if (count == 0 || count > most)
        return a.refuse(Rule::TooManyInsns, "program is too large: {} insns", count);
    for (uint32_t i = 0; i < count; ++i) {
        a.insn_index = i;
        const Insn& insn = a.insns[i];
        if (insn.is_wide()) {
            if (i + 1 == count || a.insns[i + 1].opcode || a.insns[i + 1].dst ||
                a.insns[i + 1].src || a.insns[i + 1].off)
                return a.refuse(Rule::BadInsn, "invalid bpf_ld_imm64 insn");
            if (!a.resolve_wide(i)) return false;
            ++i;
            continue;
        }
        if (!known[insn.opcode])
            return a.refuse(Rule::BadInsn, "unknown opcode {:02x}", insn.opcode);
        if (insn.cls() == isa::kLdx &&
            ((insn.mode() != isa::kMem && insn.mode() != isa::kMemSx) || insn.imm))
            return a.refuse(Rule::BadInsn, "BPF_LDX uses reserved fields");
    }
    return true;
}

bool find_subprogs(Analysis& a) {
    std::vector<uint32_t> starts{0};
    const int64_t count = int64_t(a.insns.size());
    for (uint32_t i = 0; i < count; i += uint32_t(a.insns[i].slots())) {
        const Insn& insn = a.insns[i];
        const bool local = is_call(insn, isa::kCallLocal) || is_function_address(insn);
        const bool kfunc = is_call(insn, isa::kCallKfunc);
        if (!local && !kfunc) continue;
        a.insn_index = i;
        if (!a.privileged)
            return a.refuse(Rule::BadSubprog,
                            "loading/calling other bpf or kernel functions are allowed for CAP_BPF "
                            "and CAP_SYS_ADMIN");
        if (kfunc) {
            if (!add_kfunc_call(a, insn, i)) return false;
            continue;
        }
        const int64_t target = int64_t{i} + insn.imm + 1;
        if (target < 0 || target >= count)
            return a.refuse(Rule::BadSubprog, "call to invalid destination");
        starts.push_back(uint32_t(target));
    }
    // Functions that nothing calls are here for a reason too (exception callbacks).
    for (const object::Subprog& subprog : a.prog.subprogs)
        if (subprog.insn < a.insns.size()) starts.push_back(subprog.insn);
    std::sort(starts.begin(), starts.end());
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    if (starts.size() > platform::kMaxSubprogs)
        return a.refuse(Rule::TooManySubprogs, "too many subprograms");
    for (size_t i = 0; i < starts.size(); ++i) {
        SubprogInfo info;
        info.start = starts[i];
        info.end = i + 1 < starts.size() ? starts[i + 1] : uint32_t(count);
        for (const object::Subprog& subprog : a.prog.subprogs) {
            if (subprog.insn != info.start) continue;
            info.name = subprog.name;
            info.btf_id = subprog.btf_type_id;
            info.global = subprog.global && i > 0;
        }
        a.subprogs.push_back(std::move(info));
    }
    return true;
}

namespace {

/// By its BTF; without, nobody knows otherwise.
bool returns_number(const Analysis& a, const SubprogInfo& subprog) {
    if (!a.prog_btf || subprog.btf_id == 0) return true;
    const btf::Type func = a.prog_btf->type(subprog.btf_id);
    if (func.kind() != btf::Kind::Func) return true;
    const btf::Type returned = a.prog_btf->resolve(a.prog_btf->type(func.ref()).ref());
    return returned.kind() == btf::Kind::Int || returned.is_enum();
}

}  // namespace

bool check_subprogs(Analysis& a) {
    for (SubprogInfo& subprog : a.subprogs) {
        for (uint32_t i = subprog.start; i < subprog.end; ++i) {
            const Insn& insn = a.insns[i];
            a.insn_index = i;
            if (is_call(insn, isa::kCallHelper) &&
                insn.imm == int32_t(platform::HelperId::tail_call))
                subprog.has_tail_call = true;
            if (insn.cls() == isa::kLd && (insn.mode() == isa::kAbs || insn.mode() == isa::kInd))
                subprog.has_ld_abs = true;
            if (is_jump_class(insn) && insn.operation() != isa::kExit &&
                insn.operation() != isa::kCall) {
                const int64_t target = i + jump_offset(insn) + 1;
                if (target < subprog.start || target >= subprog.end)
                    return a.refuse(Rule::BadJump, "jump out of range from insn {} to {}", i,
                                    target);
            }
            if (insn.is_wide()) ++i;  // a second half that looks like a jump is none
        }
        if (subprog.has_ld_abs && subprog.start > 0 && !returns_number(a, subprog))
            return a.refuse(Rule::LegacyLoad,
                            "LD_ABS is only allowed in functions that return 'int'.");
        const Insn& last = a.insns[subprog.end - 1];
        const bool ends = last.opcode == (isa::kJmp | isa::kExit) ||
                          last.opcode == (isa::kJmp | isa::kJa) ||
                          last.opcode == (isa::kJmp32 | isa::kJa);
        a.insn_index = subprog.end - 1;
        if (!ends) return a.refuse(Rule::BadProgramEnd, "last insn is not an exit or jmp");
    }
    return true;
}

namespace {

// A depth-first walk over the code and into functions. Its order decides which instructions become
// prune points: those that are jumped to, calls, and what follows them.
class CfgWalk {
  public:
    explicit CfgWalk(Analysis& a) : a_(a), state_(a.insns.size(), kNew) {}

    bool run(uint32_t start) {
        if (state_[start] != kNew) return true;
        state_[start] = kDiscovered;
        stack_.push_back(start);
        while (!stack_.empty()) {
            const uint32_t insn = stack_.back();
            a_.insn_index = insn;
            const Result result = visit(insn);
            if (result == kFailed) return false;
            if (result == kDone) {
                state_[insn] = kExplored;
                stack_.pop_back();
            }
        }
        return true;
    }

    bool check_all_reached() {
        for (uint32_t i = 0; i < a_.insns.size(); ++i) {
            a_.insn_index = i;
            if (state_[i] != kExplored)
                return a_.refuse(Rule::UnreachableInsn, "unreachable insn {}", i);
            if (!a_.insns[i].is_wide()) continue;
            ++i;
            if (state_[i] != kNew)
                return a_.refuse(Rule::BadJump, "jump into the middle of ldimm64 insn {}", i - 1);
        }
        return true;
    }

  private:
    enum Result { kFailed, kDone, kMore };
    enum : uint8_t {
        kNew = 0,
        kFellThrough = 1,
        kBranched = 2,
        kDiscovered = 0x10,
        kExplored = 0x20
    };

    Result push(uint32_t from, int64_t to, uint8_t edge) {
        if (state_[from] >= (kDiscovered | edge)) return kDone;
        if (to < 0 || to >= int64_t(a_.insns.size())) {
            a_.refuse(Rule::BadJump, "jump out of range from insn {} to {}", from, to);
            return kFailed;
        }
        InsnAux& target = a_.aux[size_t(to)];
        if (edge == kBranched) target.prune_point = target.jmp_point = true;
        uint8_t& state = state_[size_t(to)];
        if (state == kNew) {
            state_[from] = kDiscovered | edge;
            state = kDiscovered;
            stack_.push_back(uint32_t(to));
            return kMore;
        }
        if (state != kExplored) {
            if (a_.privileged) return kDone;
            a_.refuse(Rule::BackEdge, "back-edge from insn {} to {}", from, to);
            return kFailed;
        }
        state_[from] = kDiscovered | edge;
        return kDone;
    }

    Result visit_function(uint32_t insn, bool into_callee) {
        const uint32_t next = insn + uint32_t(a_.insns[insn].slots());
        const Result result = push(insn, next, kFellThrough);
        if (result != kDone) return result;
        a_.aux[next].prune_point = a_.aux[next].jmp_point = true;
        if (!into_callee) return kDone;
        a_.aux[insn].prune_point = true;
        const int64_t callee = int64_t{insn} + a_.insns[insn].imm + 1;
        merge_effects(insn, callee);
        return push(insn, callee, kBranched);
    }

    void merge_effects(uint32_t insn, int64_t callee) {
        const int index = a_.find_subprog(uint32_t(callee));
        if (index < 0) return;
        const SubprogInfo& inner = a_.subprogs[size_t(index)];
        SubprogInfo& outer = subprog_of(insn);
        outer.changes_pkt_data |= inner.changes_pkt_data;
        outer.might_sleep |= inner.might_sleep;
        outer.might_throw |= inner.might_throw;
    }

    SubprogInfo& subprog_of(uint32_t insn) { return const_cast<SubprogInfo&>(a_.subprog_at(insn)); }

    Result visit_call(uint32_t index) {
        const Insn& insn = a_.insns[index];
        InsnAux& aux = a_.aux[index];
        if (insn.src != isa::kCallLocal) {
            const CallTraits traits =
                insn.src == isa::kCallHelper ? helper_traits(a_, insn) : kfunc_traits(a_, insn);
            if (traits.calls_async_callback) aux.prune_point = true;
            if (traits.calls_callback) {
                aux.calls_callback = aux.force_checkpoint = true;
                aux.prune_point = aux.jmp_point = true;
            }
            if (traits.is_iter_next)
                aux.is_iter_next = aux.prune_point = aux.force_checkpoint = true;
            SubprogInfo& subprog = subprog_of(index);
            subprog.might_sleep |= traits.might_sleep;
            subprog.changes_pkt_data |= traits.changes_pkt_data;
            subprog.might_throw |= traits.throws;
        }
        return visit_function(index, insn.src == isa::kCallLocal);
    }

    Result visit(uint32_t index) {
        const Insn& insn = a_.insns[index];
        if (is_function_address(insn)) return visit_function(index, true);
        if (!is_jump_class(insn)) return push(index, index + int64_t(insn.slots()), kFellThrough);
        switch (insn.operation()) {
            case isa::kExit: return kDone;
            case isa::kCall: return visit_call(index);
            case isa::kJa: {
                const int64_t target = index + jump_offset(insn) + 1;
                const Result result = push(index, target, kFellThrough);
                if (result != kFailed)
                    a_.aux[size_t(target)].prune_point = a_.aux[size_t(target)].jmp_point = true;
                return result;
            }
            default: {
                a_.aux[index].prune_point = true;
                if (insn.operation() == isa::kJcond) a_.aux[index].force_checkpoint = true;
                const Result result = push(index, int64_t{index} + 1, kFellThrough);
                if (result != kDone) return result;
                return push(index, index + jump_offset(insn) + 1, kBranched);
            }
        }
    }

    Analysis& a_;
    std::vector<uint8_t> state_;
    std::vector<uint32_t> stack_;
};

}  // namespace

bool check_cfg(Analysis& a) {
    CfgWalk walk(a);
    if (!walk.run(0)) return false;
    if (a.exception_callback >= 0 && !walk.run(a.subprogs[size_t(a.exception_callback)].start))
        return false;
    if (!walk.check_all_reached()) return false;
    a.changes_pkt_data = a.subprogs[0].changes_pkt_data;
    return true;
}

void compute_postorder(Analysis& a) {
    std::vector<uint8_t> seen(a.insns.size());
    std::vector<std::pair<uint32_t, uint32_t>> stack;  // insn, successors pushed so far
    for (SubprogInfo& subprog : a.subprogs) {
        stack.push_back({subprog.start, 0});
        seen[subprog.start] = 1;
        while (!stack.empty()) {
            auto& [insn, done] = stack.back();
            const Successors next = successors(a, insn);
            if (done == next.count) {
                subprog.postorder.push_back(insn);
                stack.pop_back();
                continue;
            }
            const uint32_t target = next.insns[done++];
            if (target < a.insns.size() && !seen[target]) {
                seen[target] = 1;
                stack.push_back({target, 0});
            }
        }
    }
}

void compute_loops(Analysis& a) {
    // Tarjan's strongly connected components, without recursion.
    struct Visit {
        uint32_t insn;
        uint32_t done;
    };
    const uint32_t count = uint32_t(a.insns.size());
    std::vector<uint32_t> order(count), low(count), component;
    std::vector<bool> open(count);
    std::vector<Visit> stack;
    uint32_t clock = 0, loops = 0;
    const auto close = [&](uint32_t root) {
        const bool single = component.back() == root;
        bool is_loop = !single || (a.rules.loops_of_callbacks && a.aux[root].calls_callback);
        for (const uint32_t next : successors(a, root)) is_loop |= next == root;
        if (is_loop) ++loops;
        for (;;) {
            const uint32_t member = component.back();
            component.pop_back();
            open[member] = false;
            if (is_loop) a.aux[member].scc = loops;
            if (member == root) break;
        }
    };
    for (uint32_t start = 0; start < count; ++start) {
        if (order[start]) continue;
        if (start > 0 && a.insns[start - 1].is_wide()) continue;
        stack.push_back({start, 0});
        while (!stack.empty()) {
            auto& [insn, done] = stack.back();
            if (!order[insn]) {
                order[insn] = low[insn] = ++clock;
                component.push_back(insn);
                open[insn] = true;
            }
            const Successors next = successors(a, insn);
            if (done < next.count) {
                const uint32_t target = next.insns[done++];
                if (target >= count) continue;
                if (!order[target])
                    stack.push_back({target, 0});
                else if (open[target])
                    low[insn] = std::min(low[insn], order[target]);
                continue;
            }
            const uint32_t finished = insn;
            stack.pop_back();
            if (!stack.empty())
                low[stack.back().insn] = std::min(low[stack.back().insn], low[finished]);
            if (low[finished] == order[finished]) close(finished);
        }
    }
}

namespace {

struct RegisterUse {
    uint16_t use = 0, def = 0;
};

constexpr uint16_t bit(int reg) {
    return uint16_t(1 << reg);
}

RegisterUse atomic_use(const Insn& insn) {
    RegisterUse result{uint16_t(bit(insn.dst) | bit(insn.src)), 0};
    switch (insn.imm) {
        case isa::kCmpXchg:
            result.use |= bit(0);
            result.def = bit(0);
            break;
        case isa::kLoadAcq: return {bit(insn.src), bit(insn.dst)};
        case isa::kStoreRel: break;
        default:
            if (insn.imm & isa::kFetch) result.def = bit(insn.src);
    }
    return result;
}

RegisterUse call_use(const Analysis& a, const Insn& insn) {
    constexpr uint16_t kCallerSavedMask = 0x3f, kArguments = 0x3e;
    RegisterUse result{kArguments, kCallerSavedMask};
    if (insn.src == isa::kCallLocal) return result;
    const CallTraits traits =
        insn.src == isa::kCallHelper ? helper_traits(a, insn) : kfunc_traits(a, insn);
    result.use = uint16_t(kArguments & (bit(traits.arg_count + 1) - 1));
    return result;
}

RegisterUse register_use(const Analysis& a, const Insn& insn) {
    const uint16_t src = insn.uses_src_register() ? bit(insn.src) : uint16_t(0);
    switch (insn.cls()) {
        case isa::kLd:
            if (insn.is_wide()) return {0, bit(insn.dst)};
            return {0x7ff, 0};
        case isa::kLdx: return {bit(insn.src), bit(insn.dst)};
        case isa::kSt: return {bit(insn.dst), 0};
        case isa::kStx:
            if (insn.mode() == isa::kAtomic) return atomic_use(insn);
            return {uint16_t(bit(insn.dst) | bit(insn.src)), 0};
        case isa::kAlu:
        case isa::kAlu64:
            if (insn.operation() == isa::kEnd || insn.operation() == isa::kNeg)
                return {bit(insn.dst), bit(insn.dst)};
            if (insn.operation() == isa::kMov) return {src, bit(insn.dst)};
            return {uint16_t(bit(insn.dst) | src), bit(insn.dst)};
        default:
            switch (insn.operation()) {
                case isa::kJa:
                case isa::kJcond: return {};
                case isa::kExit: return {bit(0), 0};
                case isa::kCall: return call_use(a, insn);
                default: return {uint16_t(bit(insn.dst) | src), 0};
            }
    }
}

}  // namespace

void compute_live_registers(Analysis& a) {
    std::vector<RegisterUse> uses(a.insns.size());
    for (uint32_t i = 0; i < a.insns.size(); i += uint32_t(a.insns[i].slots())) {
        uses[i] = register_use(a, a.insns[i]);
        a.aux[i].live_regs_before = 0;
    }
    for (const SubprogInfo& subprog : a.subprogs) {
        for (bool changed = true; changed;) {
            changed = false;
            for (const uint32_t insn : subprog.postorder) {
                uint16_t out = 0;
                for (const uint32_t next : successors(a, insn))
                    if (next < a.insns.size()) out |= a.aux[next].live_regs_before;
                const auto in = uint16_t((out & ~uses[insn].def) | uses[insn].use);
                changed |= in != a.aux[insn].live_regs_before;
                a.aux[insn].live_regs_before = in;
            }
        }
    }
}

}  // namespace skep::verifier
