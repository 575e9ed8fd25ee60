// SPDX-License-Identifier: Apache-2.0
#include "verifier/explore.hpp"

#include <algorithm>

#include "isa/decode.hpp"
#include "platform/limits.hpp"
#include "verifier/access.hpp"
#include "verifier/alu.hpp"
#include "verifier/branches.hpp"
#include "verifier/calls.hpp"
#include "verifier/cfg.hpp"
#include "verifier/facts.hpp"
#include "verifier/liveness.hpp"
#include "verifier/log.hpp"
#include "verifier/recorded_states.hpp"
#include "verifier/trace.hpp"

namespace skep::verifier {

using isa::Insn;

namespace {

/// What states may take; well above what real programs need, and a bound for hostile ones.
constexpr size_t kMostBytes = size_t{200} << 20;

}  // namespace

Explorer::Explorer(Analysis& a) : a_(a), buckets_(a.insns.size()) {}

Explorer::~Explorer() = default;

Waiting& Explorer::take_waiting() {
    if (spare_waiting_.empty()) {
        waiting_.push_back(std::make_unique<Waiting>());
        a_.memory.bytes += sizeof(Waiting);
    } else {
        waiting_.push_back(std::move(spare_waiting_.back()));
        spare_waiting_.pop_back();
    }
    return *waiting_.back();
}

VerifierState* Explorer::push(uint32_t insn, uint32_t prev_insn, bool speculative) {
    if (waiting_.size() >= platform::kMaxJumpSequence) {
        a_.refuse(Rule::TooManyJumps, "The sequence of {} jumps is too complex.",
                  waiting_.size() + 1);
        return nullptr;
    }
    Waiting& waiting = take_waiting();
    waiting.state = current_;
    waiting.state.speculative |= speculative;
    waiting.insn = insn;
    waiting.prev_insn = prev_insn;
    waiting.trace_length = a_.trace ? a_.trace->size() : 0;
    if (waiting.state.parent) ++waiting.state.parent->branches;
    return &waiting.state;
}

VerifierState* Explorer::push_async(uint32_t insn, uint32_t prev_insn, uint32_t subprog,
                                    bool is_sleepable) {
    if (waiting_.size() >= platform::kMaxJumpSequence) {
        a_.refuse(Rule::TooManyJumps, "The sequence of {} jumps is too complex for async cb.",
                  waiting_.size() + 1);
        return nullptr;
    }
    Waiting& waiting = take_waiting();
    // It runs later, on a stack of its own: nothing of the current state is left then.
    waiting.state = VerifierState{};
    waiting.state.branches = 1;
    waiting.state.in_sleepable = is_sleepable;
    waiting.state.frames[0] = a_.frames.make();
    init_function(waiting.state.frame_mut(0), -1, 0, uint16_t(subprog));
    waiting.insn = insn;
    waiting.prev_insn = prev_insn;
    waiting.trace_length = a_.trace ? a_.trace->size() : 0;
    return &waiting.state;
}

/// On to the path that was left last; false where none is left.
bool Explorer::next_path() {
    if (waiting_.empty()) return false;
    std::unique_ptr<Waiting> waiting = std::move(waiting_.back());
    waiting_.pop_back();
    std::swap(current_, waiting->state);
    a_.insn_index = waiting->insn;
    a_.prev_insn_index = waiting->prev_insn;
    if (a_.trace) a_.trace->truncate(waiting->trace_length);
    // Give parts back now, keep the buffers of the vectors.
    for (Cow<FuncState>& frame : waiting->state.frames) frame.reset();
    spare_waiting_.push_back(std::move(waiting));
    return true;
}

bool Explorer::run() {
    a_.state = &current_;
    if (!explore(0)) return false;
    if (a_.exception_callback >= 0) a_.subprogs[size_t(a_.exception_callback)].called = true;
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 1; i < a_.subprogs.size(); ++i) {
            SubprogInfo& subprog = a_.subprogs[i];
            if (!subprog.global || !subprog.called || subprog.verified) continue;
            if (!explore(i)) return false;
            a_.log("Func#{} ('{}') is safe for any args that match its prototype\n", i,
                   subprog.name);
            subprog.verified = true;
            more = true;
        }
    }
    return true;
}

bool Explorer::explore(uint32_t subprog) {
    clear();
    if (subprog) is_bounded = false;  // called an unknown number of times
    if (a_.trace) a_.trace->truncate(0);
    current_ = VerifierState{};
    current_.branches = 1;
    current_.frames[0] = a_.frames.make();
    current_.first_insn_idx = a_.subprogs[subprog].start;
    current_.last_insn_idx = UINT32_MAX;
    init_function(current_.frame_mut(0), -1, 0, uint16_t(subprog));
    a_.scratch_all();
    a_.insn_index = a_.subprogs[subprog].start;
    a_.prev_insn_index = UINT32_MAX;
    a_.liveness->chain_changed();
    return set_arguments(subprog) && follow_paths();
}

bool Explorer::set_arguments(uint32_t index) {
    SubprogInfo& subprog = a_.subprogs[index];
    FuncState& frame = current_.frame_mut(0);
    if (index == 0 && a_.prog.type != ProgType::Ext) {
        frame.regs[1].set_pointer(kPtrToCtx);
        return true;
    }
    a_.log("Validating {}() func#{}...\n", subprog.name, index);
    if (!prepare_func_args(a_, subprog)) return false;
    const bool is_exception = int32_t(index) == a_.exception_callback;
    if (is_exception) {
        frame.in_exception_callback_fn = true;
        if (subprog.arg_count != 1 || subprog.args[0].base != platform::ArgBase::Anything)
            return a_.refuse(Rule::GlobalFunction,
                             "exception cb only supports single integer argument");
    }
    for (size_t i = 0; i < subprog.arg_count; ++i) {
        const ArgInfo& arg = subprog.args[i];
        RegState& reg = frame.regs[i + 1];
        using platform::ArgBase;
        switch (arg.base) {
            case ArgBase::Ctx: reg.set_pointer(kPtrToCtx); break;
            case ArgBase::Dynptr:
                reg.set_pointer(kConstPtrToDynptr);
                reg.dynptr = DynptrType::Local;
                reg.dynptr_first_slot = true;
                reg.id = a_.next_id();
                break;
            case ArgBase::Mem:
                reg.set_pointer(kPtrToMem | (arg.flags & (kMaybeNull | kUntrusted | kRdonly)));
                reg.mem_size = arg.mem_size;
                reg.id = a_.next_id();
                break;
            case ArgBase::BtfIdPtr:
                reg.set_pointer(kPtrToBtfId | (arg.flags & (kMaybeNull | kUntrusted | kTrusted)));
                reg.btf = a_.kernel_btf;
                reg.btf_id = arg.btf_id;
                reg.id = a_.next_id();
                break;
            default: reg.set_unknown(!a_.privileged);
        }
    }
    return true;
}

bool is_recoverable(Rule rule) {
    switch (rule) {
        case Rule::TooComplex:
        case Rule::TooManyJumps:
        case Rule::OutOfMemory:
        case Rule::CallDepth:
        case Rule::InfiniteLoop:
        case Rule::Internal:
        case Rule::NotSupported: return false;
        default: return true;
    }
}

std::string reserved_fields_message(const Insn& insn, const Error& error) {
    const char* name = nullptr;
    switch (insn.cls()) {
        case isa::kLdx: name = "BPF_LDX"; break;
        case isa::kSt: name = "BPF_ST"; break;
        case isa::kStx: name = "BPF_STX"; break;
        case isa::kAlu:
        case isa::kAlu64:
            name = insn.operation() == isa::kMov   ? "BPF_MOV"
                   : insn.operation() == isa::kEnd ? "BPF_END"
                   : insn.operation() == isa::kNeg ? "BPF_NEG"
                                                   : "BPF_ALU";
            break;
        case isa::kLd: name = "BPF_LD_[ABS|IND]"; break;
        default:
            name = insn.operation() == isa::kCall   ? "BPF_CALL"
                   : insn.operation() == isa::kExit ? "BPF_EXIT"
                   : insn.operation() == isa::kJa   ? "BPF_JA"
                                                    : "BPF_JMP/JMP32";
    }
    return fmt::format("{} uses reserved fields ({})", name, error.message);
}

bool Explorer::follow_paths() {
    for (;;) {
        bool ended = false;
        if (!execute(ended)) {
            // On a path that no real execution takes, a barrier before the instruction is enough
            // (6.17; kernels before refuse).
            if (!current_.speculative || !is_recoverable(a_.refusal.rule) ||
                !a_.is_kernel_at_least(platform::KernelVersion("6.17")))
                return false;
            InsnAux& aux = a_.aux[a_.refusal.insn];
            aux.nospec = true;
            aux.alu_state = 0;
            a_.refusal = Refusal{};
            ended = true;
        }
        if (!ended) continue;
        a_.liveness->update(current_);
        if (!path_done(&current_)) return false;
        current_.parent = nullptr;
        if (!next_path()) return true;
        a_.liveness->chain_changed();
        print_state_ = true;
        a_.scratch_all();
    }
}

namespace {

bool check_call(Analysis& a, const Insn& insn, bool& exits) {
    if (a.state->active_locks && !call_allowed_in_lock(a, insn))
        return a.refuse(Rule::LockHeld, "function calls are not allowed while holding a lock");
    bool ok;
    const uint32_t index = a.insn_index;
    if (a.options.facts) note_call(a);
    switch (insn.src) {
        case isa::kCallLocal: ok = check_func_call(a, insn); break;
        case isa::kCallKfunc:
            ok = check_kfunc_call(a, insn, index);
            exits = ok && kfunc_traits(a, insn).throws;
            break;
        default: a.used_helpers.insert(uint32_t(insn.imm)); ok = check_helper_call(a, insn, index);
    }
    a.scratch_reg(0);
    return ok;
}

/// What exit does: `ended` where the whole path has ended.
bool check_exit(Analysis& a, bool exception, bool& ended) {
    if (!check_resource_leak(a, exception, exception || a.state->curframe == 0,
                             exception ? "bpf_throw" : "BPF_EXIT instruction in main prog"))
        return false;
    if (!exception && a.state->curframe) {
        a.liveness->commit();
        a.liveness->update(*a.state);
        if (!leave_function(a)) return false;
        return true;
    }
    ended = true;
    return exception || check_return_code(a, 0, "R0");
}

/// All functions or none are described to the kernel.
bool has_func_info(const Analysis& a) {
    return a.prog_btf && std::ranges::all_of(a.prog.subprogs, [](const object::Subprog& subprog) {
               return subprog.btf_type_id != 0;
           });
}

bool check_wide(Analysis& a, const Insn& insn) {
    if (!a.check_reg_write(insn.dst, false)) return false;
    const uint32_t index = a.insn_index++;
    RegState& dst = a.reg_mut(insn.dst);
    const InsnAux& aux = a.aux[index];
    switch (insn.src) {
        case isa::kPseudoImm:
            dst.set_constant(isa::wide_imm(a.insns, index));
            dst.precise = !a.privileged;
            return true;
        case isa::kPseudoBtfId: return check_pseudo_btf_id(a, insn, index);
        case isa::kPseudoFunc: {
            // The embedded engine runs callbacks without types.
            if (a.platform.btf.empty() && !has_func_info(a))
                return a.refuse(Rule::BadFuncInfo, "missing btf func_info");
            const int subprog = a.find_subprog(uint32_t(int64_t{index} + insn.imm + 1));
            if (subprog < 0 || a.subprogs[size_t(subprog)].global)
                return a.refuse(Rule::BadSubprog, "callback function not static");
            dst.set_pointer(kPtrToFunc);
            dst.subprog = uint32_t(subprog);
            return true;
        }
        case isa::kPseudoMapValue:
        case isa::kPseudoMapIdxValue:
            if (aux.map->type() == MapType::Arena) {
                a.mark_reg_unknown(insn.dst);
                return true;
            }
            dst.set_pointer(kPtrToMapValue);
            dst.map = aux.map;
            dst.off = int32_t(aux.map_off);
            return true;
        default:
            dst.set_pointer(kConstPtrToMap);
            dst.map = aux.map;
            return true;
    }
}

}  // namespace

bool Explorer::execute(bool& ended) {
    const uint32_t index = a_.insn_index;
    a_.history_open = false;
    if (index >= a_.insns.size())
        return a_.refuse(Rule::Internal, "invalid insn idx {} insn_cnt {}", index, a_.insns.size());
    if (++a_.insn_processed > a_.options.max_insns)
        return a_.refuse(Rule::TooComplex, "BPF program is too large. Processed {} insn",
                         a_.insn_processed);
    if ((a_.insn_processed & 0xff) == 0 && a_.memory.bytes > kMostBytes)
        return a_.refuse(Rule::OutOfMemory, "verifier out of memory: {} states are kept",
                         kept_ + retired_.size() + back_edges_);
    const Insn& insn = a_.insns[index];
    InsnAux& aux = a_.aux[index];
    current_.last_insn_idx = a_.prev_insn_index;
    current_.insn_idx = index;
    if (aux.prune_point) {
        ++aux.visits;
        const Visited visited = visit(index);
        if (visited == Visited::Refused) return false;
        if (visited == Visited::Yes) {
            if (a_.logging) log_safe(a_, print_state_);
            ended = true;
            return true;
        }
    }
    if (aux.jmp_point) a_.push_history(0);
    if (a_.logging) {
        if (print_state_) log_from(a_);
        log_insn(a_, index);
    }
    print_state_ = false;
    if (a_.options.register_facts) note_registers(a_);
    if (a_.recorded) a_.recorded->record(index, current_, aux.live_regs_before);
    const bool speculative = current_.speculative;
    // Since 6.17 a path that nobody takes may hold anything.
    if (!speculative || !a_.is_kernel_at_least(platform::KernelVersion("6.17"))) {
        if (!aux.checked_fields) {
            if (const auto legal = isa::check(a_.insns, index); !legal)
                return a_.refuse(Rule::BadInsn, "{}", reserved_fields_message(insn, legal.error()));
            if (const isa::OpcodeInfo* form = isa::find(insn);
                form && !a_.is_kernel_at_least(insn_since(*form)))
                return a_.refuse(Rule::BadInsn, "{} is not an instruction before Linux {}",
                                 form->name, insn_since(*form).to_string());
            aux.checked_fields = true;
        }
    }
    if (!speculative) {
        aux.seen = true;
        if (insn.is_wide()) a_.aux[index + 1].seen = true;
    } else if (aux.nospec) {
        ended = true;
        return true;
    }
    if (a_.trace) a_.trace->record(index, current_);
    ++current_.insns_since_parent;
    a_.prev_insn_index = index;
    a_.liveness->begin(index);
    bool ok = true, exits = false;
    switch (insn.cls()) {
        case isa::kAlu:
        case isa::kAlu64: ok = check_alu(a_, insn); break;
        case isa::kLdx: ok = check_load(a_, insn); break;
        case isa::kSt: ok = check_store_imm(a_, insn); break;
        case isa::kStx:
            ok = insn.mode() == isa::kAtomic ? check_atomic(a_, insn) : check_store_reg(a_, insn);
            break;
        case isa::kLd:
            ok = insn.is_wide() ? check_wide(a_, insn) : check_legacy_load(a_, insn);
            if (!ok || insn.is_wide() || current_.curframe == 0) break;
            // Where the packet is too short it returns 0 from this function.
            if (!push(index + 1, index, false)) {
                ok = false;
                break;
            }
            a_.reg_mut(0).set_constant(0);
            ok = check_exit(a_, false, ended);
            if (!ok) break;
            print_state_ = true;
            return true;
        default:
            ++jumps;
            switch (insn.operation()) {
                case isa::kCall:
                    ok = check_call(a_, insn, exits);
                    if (ok && exits) ok = check_exit(a_, true, ended);
                    break;
                case isa::kJa:
                    a_.insn_index += uint32_t(insn.cls() == isa::kJmp ? insn.off : insn.imm);
                    break;
                case isa::kExit: {
                    ok = check_exit(a_, false, ended);
                    if (ok && !ended) {
                        // insn_index is already at the caller.
                        print_state_ = true;
                        return true;
                    }
                    break;
                }
                default: ok = check_conditional_jump(a_, insn);
            }
    }
    if (!ok) {
        if (current_.speculative) a_.liveness->commit();
        return false;
    }
    a_.liveness->commit();
    if (ended) return true;
    if (current_.speculative && aux.nospec_result &&
        a_.is_kernel_at_least(platform::KernelVersion("6.17"))) {
        ended = true;
        return true;
    }
    ++a_.insn_index;
    return true;
}

void Explorer::clear() {
    waiting_.clear();
    spare_waiting_.clear();
    std::fill(buckets_.begin(), buckets_.end(), nullptr);
    retired_.clear();
    spare_explored_.clear();
    explored_.clear();
    loops_.clear();
    kept_ = back_edges_ = 0;
}

VerifierState* Analysis::push_state(uint32_t insn, uint32_t prev_insn, bool speculative) {
    return explorer->push(insn, prev_insn, speculative);
}

VerifierState* Analysis::push_async_callback(uint32_t subprog, uint32_t insn, bool is_sleepable) {
    return explorer->push_async(subprogs[subprog].start, insn, subprog, is_sleepable);
}

VerifierState* Analysis::find_prev_entry(VerifierState* from, uint32_t insn) {
    return from ? explorer->find_prev_entry(from, insn) : nullptr;
}

}  // namespace skep::verifier
