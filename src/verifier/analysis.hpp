// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "verifier/program_parts.hpp"
#include "verifier/state.hpp"
#include "verifier/verify.hpp"

// One run of the verifier: the program, what is known of its instructions, and the state in which
// it is at the moment. Checks are functions of an Analysis; they say true to go on, or record a
// refusal and say false:
//
//     bool check_something(Analysis& a, int regno) {
//         const RegState& reg = a.reg(regno);
//         if (reg.type != kScalar)
//             return a.refuse(Rule::HelperArgument, "R{} is not a number", regno);
//         return a.mark_chain_precision(regno);
//     }
//
// Which file has which check: access.hpp (memory), precision.hpp, explore.hpp (exploration,
// pruning), calls.hpp (helpers, kfuncs, BTF pointers).

namespace skep::verifier {

enum class AccessType : uint8_t { Read = 1, Write = 2 };

/// Whom an access of memory is for, where this changes rules or words.
enum class AccessSource : uint8_t { Direct, Helper };

/// Why the program is refused.
struct Refusal {
    Rule rule = Rule::None;
    std::string reason;
    uint32_t insn = 0;
};

/// What has changed between kernels that share everything else.
struct KernelRules {
    bool uninit_stack = true;        ///< privileged programs may read what was never written (6.3)
    bool forgets_packets = true;     ///< lost packet pointers are no numbers to all (6.4)
    bool narrow_fills = true;        ///< part of a spilled number is known (6.9)
    bool refines_pairs = true;       ///< comparisons of two numbers that are not constant (6.8)
    bool tracks_neg = true;          ///< bounds of -x (6.17)
    bool tracks_swaps = true;        ///< bits of swapped bytes (6.18.y)
    bool forks_masks = true;         ///< two paths for a mask of all ones or none
    bool links_sums = true;          ///< r1 = r2; r1 += 10 stay linked (6.12)
    bool loops_of_callbacks = true;  ///< what matters is carried back through them (6.19)
    bool private_stacks = true;      ///< large frames of tracing programs (6.13)
    bool legacy_arithmetic = false;  ///< bounds of *, +, - as before 6.14
    bool helpers_clobber = false;    ///< what a helper reads is as good as written (before 6.13)
};

class Trace;           // trace.hpp
class RecordedStates;  // recorded_states.hpp
class StackLiveness;   // liveness.hpp
class Explorer;        // explore.hpp: states that wait, states that are kept

class Analysis {
  public:
    Analysis(const object::ObjectSpec& the_object, const object::ProgSpec& the_prog,
             const platform::Platform& the_platform, const Options& the_options);
    ~Analysis();
    Analysis(const Analysis&) = delete;
    Analysis& operator=(const Analysis&) = delete;

    const object::ObjectSpec& object;
    const object::ProgSpec& prog;
    const platform::Platform& platform;
    const Options& options;
    const std::span<const isa::Insn> insns;
    const btf::Btf* const kernel_btf;  ///< null where none is known
    const btf::Btf* const prog_btf;    ///< null where the object has none

    // What the loader may do.
    const bool privileged;
    const bool allow_ptr_leaks;
    bool allow_uninit_stack;
    const bool bypass_spec_v1;
    const bool bypass_spec_v4;
    const bool strict_alignment;

    std::vector<InsnAux> aux;                    ///< one a slot
    std::vector<SubprogInfo> subprogs;           ///< ascending by start
    std::vector<std::unique_ptr<MapInfo>> maps;  ///< as ObjectSpec::maps
    std::vector<std::unique_ptr<MapInfo>> inner_maps;
    int32_t exception_callback = -1;  ///< subprog, or -1

    MemoryUse memory;
    Pool<FuncState> frames{memory};
    Pool<RegState> regs{memory};

    // Where exploration is.
    VerifierState* state = nullptr;
    uint32_t insn_index = 0;
    uint32_t prev_insn_index = 0;
    uint32_t id_gen = 0;
    bool history_open = false;  ///< the current instruction has a history entry
    bool seen_direct_write = false;
    bool explore_alu_limits = false;  ///< unprivileged: numbers must be compared exactly
    KernelRules rules;
    const MapInfo* arena = nullptr;
    bool changes_pkt_data = false;
    uint64_t insn_processed = 0;
    std::set<uint32_t> used_helpers, used_kfuncs, used_maps;
    std::unique_ptr<Explorer> explorer;
    std::unique_ptr<StackLiveness> liveness;
    Trace* trace = nullptr;  ///< the path so far, where a refusal is to be explained
    std::shared_ptr<RecordedStates> recorded;  ///< where states are wanted
    Facts facts;
    std::shared_ptr<void> call_data;  ///< whatever calls.hpp keeps for the run

    // Refusals.
    Refusal refusal;
    /// Records the refusal at the current instruction. Always false, to be returned.
    template <typename... Args>
    bool refuse(Rule rule, fmt::format_string<Args...> format, Args&&... args) {
        return set_refusal(rule, fmt::format(format, std::forward<Args>(args)...));
    }
    bool set_refusal(Rule rule, std::string reason);

    // The log in the kernel's form (log.cpp); nothing happens where it is not wanted.
    bool logging = false;
    std::string log_text;
    bool log_fresh = true;  ///< the last line is no instruction
    template <typename... Args>
    void log(fmt::format_string<Args...> format, Args&&... args) {
        if (logging)
            fmt::format_to(std::back_inserter(log_text), format, std::forward<Args>(args)...);
    }

    /// What the lddw at `index` refers to (InsnAux::map).
    bool resolve_wide(uint32_t index);

    /// What the log prints next: registers and slots that this instruction changed.
    uint16_t scratched_regs = 0;
    uint64_t scratched_slots = 0;
    void scratch_all() {
        scratched_regs = UINT16_MAX;
        scratched_slots = UINT64_MAX;
    }
    void scratch_reg(int regno) { scratched_regs |= uint16_t(1 << regno); }
    void scratch_slot(uint32_t frame, int slot) {
        if (frame == state->curframe) scratched_slots |= uint64_t{1} << slot;
    }

    // Short ways to what checks ask all the time.
    const RegState& reg(int number) const { return state->cur().regs[size_t(number)]; }
    RegState& reg_mut(int number) { return state->cur_mut().regs[size_t(number)]; }
    uint32_t next_id() { return ++id_gen; }
    const SubprogInfo& subprog_at(uint32_t insn) const;  ///< that contains it
    int find_subprog(uint32_t start) const;              ///< -1: no function starts there
    bool in_sleepable() const;
    bool is_kernel_at_least(platform::KernelVersion version) const {
        return platform.version >= version;
    }
    /// Names of a register's type for messages.
    std::string type_name(RegType type) const;

    // Registers (registers.cpp).
    /// The register is about to be read: it must hold something.
    bool check_reg_read(int regno);
    /// ... to be written: not r10; what it held is forgotten where `mark_unknown`.
    bool check_reg_write(int regno, bool mark_unknown = true);
    void mark_reg_unknown(int regno);
    void mark_reg_not_init(int regno);
    void mark_reg_zero(int regno);
    /// The value is about to be copied: gives it an id, so that copies are refined together.
    void link_before_copy(RegState& reg);
    /// It must not be shown: a pointer, unless the loader may see addresses.
    bool is_pointer_value(const RegState& reg) const {
        return !allow_ptr_leaks && reg.type != kScalar;
    }
    /// r1 to r5 after a call (r0 too).
    void clear_caller_saved();
    /// Scalars that pruning must compare exactly are found by tracking back (precision.cpp).
    bool mark_chain_precision(int regno);
    bool mark_chain_precision_slot(uint32_t frame, int slot);
    /// Remember that `insn_index` touched a stack slot through a register (history flags kHist*).
    void push_history(uint16_t flags, LinkedRegs linked = 0);
    void invalidate_packet_pointers();
    /// After a comparison with 0: every register of that id.
    void mark_ptr_or_null_regs(VerifierState& which, uint32_t id, bool is_null);

    // Memory (access.hpp says more).
    /// A load (value_regno: destination) or store (source, -1 for immediates) of `size` bytes at
    /// reg + off.
    bool check_mem_access(int regno, int off, int size, AccessType type, int value_regno,
                          bool strict_alignment_once = false, bool is_ldsx = false);
    /// `size` bytes at variable offset reg + off inside memory of `mem_size` bytes.
    bool check_mem_region_access(int regno, int off, int size, uint32_t mem_size,
                                 bool zero_size_allowed);
    bool check_packet_access(int regno, int off, int size, bool zero_size_allowed);
    bool check_map_access(int regno, int off, int size, bool zero_size_allowed,
                          AccessSource source);
    bool check_map_access_type(int regno, int off, int size, AccessType type);
    bool check_buffer_access(int regno, int off, int size, bool zero_size_allowed,
                             std::string_view what, uint32_t& max_access);
    /// A helper reads (or writes, for which the stack need not be initialised) `size` bytes of
    /// stack. What was known of them is forgotten with `clobber`.
    bool check_stack_range_initialized(int regno, int off, int size, bool zero_size_allowed,
                                       AccessType type, bool uninit_is_ok, bool clobber);
    bool may_access_direct_pkt_data(bool is_helper, AccessType type) const;
    /// A pointer whose offset must be 0 (arguments that are whole objects).
    bool check_ptr_off_reg(const RegState& reg, int regno, bool fixed_off_ok = false);
    bool check_ptr_alignment(const RegState& reg, int off, int size, bool strict_once);
    /// The frame whose stack a kPtrToStack points into.
    FuncState& stack_owner(const RegState& reg);
    /// Slots of frames that the current instruction reads (or may read), and surely writes whole:
    /// what is not read later need not be compared (liveness.hpp).
    void mark_stack_read(uint32_t frame, int slot);
    void mark_stack_write(uint32_t frame, int slot);
    /// Makes the stack of that frame at least `bytes` deep.
    void grow_stack(uint32_t frame, int bytes);
    /// The whole access is inside the stack, which grows to hold it.
    bool check_stack_bounds(int regno, int off, int size, AccessType type);

    // Exploration.
    /// Another path, which starts at `insn` with a copy of the current state; null (refused) where
    /// too many wait.
    VerifierState* push_state(uint32_t insn, uint32_t prev_insn, bool speculative);
    /// A path that runs a function on its own, as timers do.
    VerifierState* push_async_callback(uint32_t subprog, uint32_t insn, bool is_sleepable);
    /// Sets up registers of the callee's frame from those of the caller.
    using SetCallee = bool (*)(Analysis&, const FuncState& caller, FuncState& callee,
                               uint32_t insn);
    /// The helper or kfunc at `insn` calls `subprog` any number of times: one path goes into it
    /// (this one goes on behind the call). `is_async`: it runs later, on its own.
    bool push_callback_call(const isa::Insn& insn, uint32_t index, uint32_t subprog,
                            SetCallee set_callee, bool is_async = false,
                            bool is_sleepable_async = false);
    /// A new frame on top for a call of `subprog`, its registers not set.
    bool setup_func_entry(uint32_t subprog, uint32_t callsite, SetCallee set_callee,
                          VerifierState& into);
    /// The state of a path that is being explored and was at `insn` in this call chain (iterators),
    /// or null.
    VerifierState* find_prev_entry(VerifierState* from, uint32_t insn);
    /// Forgets where values that differ between two states of a loop are (iterators, callbacks).
    bool widen_imprecise_scalars(VerifierState& old, VerifierState& current);
};

}  // namespace skep::verifier
