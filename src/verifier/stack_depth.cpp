// SPDX-License-Identifier: Apache-2.0
// Stack frames of a chain of calls share 512 bytes, except where the target gives large frames of
// tracing programs a stack of their own.
#include "verifier/calls.hpp"
#include "verifier/explore.hpp"

namespace skep::verifier {

using isa::Insn;

namespace {

enum class PrivateStack : uint8_t { Unknown, No, Adaptive };

constexpr uint32_t kPrivateStackMin = 64;    // BPF_PRIV_STACK_MIN_SIZE
constexpr uint32_t kMostChains = 1'000'000;  // well before a hostile program takes minutes

bool is_local_call(const Insn& insn) {
    return insn.opcode == (isa::kJmp | isa::kCall) && insn.src == isa::kCallLocal;
}
bool is_function_address(const Insn& insn) {
    return insn.is_wide() && insn.src == isa::kPseudoFunc;
}

class StackDepth {
  public:
    explicit StackDepth(Analysis& a) : a_(a), modes_(a.subprogs.size(), PrivateStack::Unknown) {}

    /// Follows every chain of calls from this function.
    bool check(uint32_t root, bool private_stacks) {
        private_stacks_ = private_stacks;
        depth_ = 0;
        chain_.clear();
        if (!enter(root)) return false;
        while (!chain_.empty()) {
            Frame& frame = chain_.back();
            const SubprogInfo& subprog = a_.subprogs[frame.subprog];
            if (frame.next == subprog.end) {
                if (!leave()) return false;
                continue;
            }
            const uint32_t index = frame.next++;
            a_.insn_index = index;
            if (!visit(index)) return false;
        }
        return true;
    }
    uint32_t deepest() const { return deepest_; }

  private:
    struct Frame {
        uint32_t subprog;
        uint32_t next;
        bool tail_call_below = false;
    };

    bool in_callback() const {
        for (const Frame& frame : chain_)
            if (a_.subprogs[frame.subprog].is_cb) return true;
        return false;
    }

    uint32_t rounded(uint32_t subprog) const {
        return (a_.subprogs[subprog].stack_depth + 15) & ~15u;
    }

    bool enter(uint32_t index) {
        if (chain_.size() >= size_t(isa::kMaxFrames))
            return a_.refuse(Rule::CallDepth, "the call stack of {} frames is too deep !",
                             chain_.size());
        const SubprogInfo& subprog = a_.subprogs[index];
        const bool nested = !chain_.empty();
        if (++entered_ > kMostChains)
            return a_.refuse(Rule::TooComplex,
                             "BPF program is too large. Too many chains of calls");
        chain_.push_back({index, subprog.start});
        if (subprog.has_ld_abs && in_callback())
            return a_.refuse(Rule::LegacyLoad, "cannot use BPF_LD_[ABS|IND] within callback");
        if (nested && subprog.has_tail_call && depth_ >= 256)
            return a_.refuse(Rule::TailCallInCallee,
                             "tail_calls are not allowed when call stack of previous frames is {} "
                             "bytes. Too large",
                             depth_);
        if (nested && subprog.has_tail_call) chain_[chain_.size() - 2].tail_call_below = true;
        PrivateStack& mode = modes_[index];
        if (!private_stacks_)
            mode = PrivateStack::No;
        else if (mode == PrivateStack::Unknown && rounded(index) >= kPrivateStackMin)
            mode = PrivateStack::Adaptive;
        if (mode == PrivateStack::Adaptive) {
            if (rounded(index) > uint32_t(isa::kStackSize))
                return a_.refuse(Rule::StackDepth, "stack size of subprog {} is {}. Too large",
                                 index, rounded(index));
            return true;
        }
        depth_ += rounded(index);
        deepest_ = std::max(deepest_, depth_);
        if (depth_ > uint32_t(isa::kStackSize))
            return a_.refuse(Rule::StackDepth, "combined stack size of {} calls is {}. Too large",
                             chain_.size(), depth_);
        return true;
    }

    bool leave() {
        const Frame frame = chain_.back();
        chain_.pop_back();
        if (modes_[frame.subprog] != PrivateStack::Adaptive) depth_ -= rounded(frame.subprog);
        if (!frame.tail_call_below) return true;
        a_.subprogs[frame.subprog].tail_call_reachable = true;
        if (int32_t(frame.subprog) == a_.exception_callback)
            return a_.refuse(Rule::TailCallInCallee, "cannot tail call within exception cb");
        if (!chain_.empty()) chain_.back().tail_call_below = true;
        return true;
    }

    bool visit(uint32_t index) {
        const Insn& insn = a_.insns[index];
        if (insn.is_wide() && !is_function_address(insn)) {
            ++chain_.back().next;
            return true;
        }
        if (insn.opcode == (isa::kJmp | isa::kCall) && insn.src == isa::kCallKfunc) {
            if (insn.off == 0 && kfunc_traits(a_, insn).throws && in_callback())
                return a_.refuse(Rule::CallbackReturn,
                                 "bpf_throw kfunc (insn {}) cannot be called from callback subprog "
                                 "{}",
                                 index, chain_.back().subprog);
            return true;
        }
        const bool address = is_function_address(insn);
        if (address) ++chain_.back().next;
        if (!is_local_call(insn) && !address) return true;
        const int callee = a_.find_subprog(uint32_t(int64_t{index} + insn.imm + 1));
        if (callee < 0) return true;
        const SubprogInfo& subprog = a_.subprogs[size_t(callee)];
        if (subprog.is_async_cb) {
            // It runs on a stack of its own.
            if (subprog.has_tail_call)
                return a_.refuse(Rule::TailCallInCallee,
                                 "verifier bug. subprog has tail_call and async cb");
            if (address) return true;
        }
        if (is_local_call(insn) && int32_t(callee) == a_.exception_callback)
            return a_.refuse(Rule::BadSubprog, "insn {} cannot call exception cb directly", index);
        return enter(uint32_t(callee));
    }

    Analysis& a_;
    std::vector<PrivateStack> modes_;
    std::vector<Frame> chain_;
    bool private_stacks_ = false;
    uint32_t depth_ = 0;
    uint32_t deepest_ = 0;
    uint32_t entered_ = 0;
};

bool has_private_stacks(const Analysis& a) {
    if (!a.rules.private_stacks) return false;
    for (const SubprogInfo& subprog : a.subprogs)
        if (subprog.has_tail_call) return false;
    switch (a.prog.type) {
        case ProgType::Kprobe:
        case ProgType::Tracepoint:
        case ProgType::PerfEvent:
        case ProgType::RawTracepoint: return true;
        case ProgType::Tracing: return a.prog.attach_type != AttachType::TraceIter;
        default: return false;
    }
}

}  // namespace

bool check_max_stack_depth(Analysis& a, uint32_t& deepest) {
    StackDepth depth(a);
    const bool private_stacks = has_private_stacks(a);
    for (uint32_t i = uint32_t(a.subprogs.size()); i-- > 0;) {
        if (i != 0 && !a.subprogs[i].is_async_cb) continue;
        if (!depth.check(i, i == 0 && private_stacks)) return false;
    }
    deepest = depth.deepest();
    return true;
}

}  // namespace skep::verifier
