// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "verifier/analysis.hpp"

// Which paths are followed. A path goes on until the program ends or until it comes to a place with
// a state that is covered by one already seen there (pruning, prune.cpp). Branches not taken wait
// on a stack. States that were kept form a tree by their parents; a state is done when all paths
// from it are (branches is 0), and only then does it vouch for others, except in loops that are
// known to end (iterators, callbacks, may_goto), where states are compared more strictly.

namespace skep::verifier {

/// A state that was kept at an instruction.
struct Explored {
    VerifierState state;  // first: a VerifierState's parent is one of these
    Explored* next = nullptr;
    uint32_t misses = 0;
    uint32_t hits = 0;
    bool retired = false;  ///< of no more use for comparisons
};

/// A path that is not yet followed.
struct Waiting {
    VerifierState state;
    uint32_t insn = 0;
    uint32_t prev_insn = 0;
    size_t trace_length = 0;
};

/// One visit of a loop (a strongly connected component) in one chain of calls, from the time that a
/// path enters it until all paths from there are done.
struct LoopVisit {
    struct BackEdge {
        VerifierState state;        ///< where a path was cut off...
        VerifierState* covered_by;  ///< ...by this one, which was not done
    };
    VerifierState* entry = nullptr;
    std::vector<std::unique_ptr<BackEdge>> back_edges;
};

class Explorer {
  public:
    explicit Explorer(Analysis& a);
    ~Explorer();

    /// The main function, then the global functions that are called.
    bool run();

    VerifierState* push(uint32_t insn, uint32_t prev_insn, bool speculative);
    VerifierState* push_async(uint32_t insn, uint32_t prev_insn, uint32_t subprog,
                              bool is_sleepable);
    VerifierState* find_prev_entry(VerifierState* from, uint32_t insn);

    uint64_t total_states = 0;
    uint64_t peak_states = 0;
    uint32_t max_states_per_insn = 0;
    /// Instructions of the longest execution; only where every loop was followed to its end.
    uint64_t longest_path = 0;
    bool is_bounded = true;
    uint64_t jumps = 0;

  private:
    enum class Visited { No, Yes, Refused };

    bool explore(uint32_t subprog);
    bool set_arguments(uint32_t subprog);
    bool follow_paths();
    bool execute(bool& path_ended);
    bool next_path();
    void clear();

    // Pruning (prune.cpp).
    Visited visit(uint32_t insn);
    Visited covered(Explored& old, bool incomplete);
    bool keep_state(uint32_t insn, bool force);
    void clean_done_states(uint32_t insn);
    void clean(VerifierState& state);
    void retire(Explored*& link);
    Explored*& bucket(uint32_t insn);
    bool path_done(VerifierState* state);
    bool propagate_precision(const VerifierState& old, VerifierState& current, bool* changed);
    void update_peak();

    // Loops (loops.cpp).
    /// Which loop the state is in, in which chain of calls; nothing where it is in none.
    std::optional<std::string> loop_key(const VerifierState& state) const;
    void maybe_enter_loop(VerifierState& state);
    bool maybe_exit_loop(VerifierState& state);
    bool is_incomplete(const VerifierState& state) const;
    void add_back_edge(uint32_t insn, VerifierState& covered_by);
    bool propagate_back_edges(LoopVisit& visit);
    void forget_back_edges(LoopVisit& visit);

    Waiting& take_waiting();
    Explored* take_explored();
    void give_back(Explored* explored);

    Analysis& a_;
    VerifierState current_;
    bool print_state_ = false;
    std::vector<std::unique_ptr<Waiting>> waiting_;
    std::vector<std::unique_ptr<Waiting>> spare_waiting_;
    std::vector<Explored*> buckets_;
    std::vector<Explored*> retired_;  // not done: they may be somebody's parent
    std::deque<Explored> explored_;
    std::vector<Explored*> spare_explored_;
    std::unordered_map<std::string, LoopVisit> loops_;
    uint64_t kept_ = 0;
    uint64_t back_edges_ = 0;
    uint64_t last_kept_jumps_ = 0;
    uint64_t last_kept_insns_ = 0;
};

/// How strictly two states are compared.
enum class Exactness : uint8_t {
    NotExact,     ///< numbers that never mattered may differ
    RangeWithin,  ///< all numbers must be inside the old ones
    Exact,        ///< all must be the same
};
bool states_equal(Analysis& a, const VerifierState& old, const VerifierState& current,
                  Exactness exactness);
/// The instruction that frame `i` of the state is at.
uint32_t frame_insn(const VerifierState& state, uint32_t i);
bool same_callsites(const VerifierState& a, const VerifierState& b);

/// On a speculative path a barrier is put before the instruction instead of a refusal.
bool is_recoverable(Rule rule);
/// Fields of an instruction that must be zero, in the kernel's words.
std::string reserved_fields_message(const isa::Insn& insn, const Error& error);

// Functions (func_calls.cpp).
bool check_func_call(Analysis& a, const isa::Insn& insn);
/// The end of a function that is not the first one: on to its caller.
bool leave_function(Analysis& a);
void init_function(FuncState& frame, int32_t callsite, uint16_t frameno, uint16_t subprog);
/// The value that the program (or a global function) returns.
bool check_return_code(Analysis& a, int regno, std::string_view name);
/// Spills around calls that keep registers (fastcall.cpp): before exploration, and after it.
void mark_fastcalls(Analysis& a);
void free_fastcall_stack(Analysis& a);
/// Frames of all chains of calls fit on the stack.
bool check_max_stack_depth(Analysis& a, uint32_t& deepest);

}  // namespace skep::verifier
