// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "engine/execution.hpp"
#include "engine/jit/published.hpp"
#include "object/spec.hpp"
#include "platform/helper_access.hpp"

namespace skep::verifier {
struct Verdict;
}

namespace skep::engine {

class Coverage;
class CtxTable;
class Interpreter;
class ProgLoader;
class Timers;
struct Call;
namespace jit {
class NativeCode;
}

/// One instruction as the interpreter runs it: what to do, operands widened, and references
/// resolved. The second half of a wide instruction keeps its place, so that indices are those of
/// the program.
struct Op {
    uint16_t code = 0;
    uint8_t dst = 0;
    uint8_t src = 0;
    int32_t off = 0;  ///< of memory accesses in bytes; of jumps in instructions, from this one
    uint64_t imm = 0;
};
static_assert(sizeof(Op) == 16);

// A program that can be run: linked, its maps and helpers resolved. Immutable, but that better
// machine code may come (jit/tiering.hpp); any number of threads may run it at once, each with its
// own Execution.
class Prog : public std::enable_shared_from_this<Prog> {
  public:
    ~Prog();
    const std::string& name() const { return spec_.name; }
    const object::ProgSpec& spec() const { return spec_; }
    platform::ProgKind kind() const { return {spec_.type, spec_.attach_type, spec_.attach_target}; }

    /// Whether its context is plain memory: that of programs without a type.
    bool context_is_memory() const { return spec_.type == ProgType::Unspec; }

    /// Whether the verifier has accepted it, so that what it has proven is not checked again (but
    /// for Object::Options::checked). Otherwise why_not_verified() says why.
    bool verified() const { return why_not_verified_.empty(); }
    const std::string& why_not_verified() const { return why_not_verified_; }
    bool runs_unchecked() const { return unchecked_; }
    /// What the verifier has found out; null where it was not asked.
    const verifier::Verdict* verdict() const { return verdict_.get(); }

    /// Runs it on an event. Nothing that it does can harm this process; a checked program that
    /// misbehaves is stopped and Outcome::fault says why.
    Outcome run(Execution& execution, Event& event) const;
    /// Runs one of its functions on its own, with these arguments: the callback of a timer.
    Outcome call(Execution& execution, Event& event, uint64_t function,
                 std::initializer_list<uint64_t> arguments) const;

    const std::vector<Op>& ops() const { return ops_; }
    /// What CallHelper and CallKfunc refer to.
    const std::vector<Call>& calls() const { return calls_; }
    /// Its machine code; null where it is interpreted, and why_not_native() says why, if anything
    /// but Object::Options::jit is the cause.
    const jit::NativeCode* native() const { return native_.load(std::memory_order_acquire); }
    const std::string& why_not_native() const { return why_not_native_; }
    /// What the optimising tier has made of it, which is then native(); null where it has not, and
    /// why_not_optimised() says why, if it was asked to.
    const jit::NativeCode* optimised() const;
    const std::string& why_not_optimised() const;
    /// Which of its machine code this address is in, which may still run after a better one has
    /// come; null: in none.
    const jit::NativeCode* code_at(const uint8_t* address) const;
    /// What the optimising tier has to say, once; the next run takes it.
    void improve(Result<std::unique_ptr<const jit::NativeCode>> code) const;
    /// That it has run, and how much of its budget it has used.
    void count_run(uint64_t work) const {
        if (runs_until_hot_.load(std::memory_order_relaxed) > 0) [[unlikely]]
            warm_up(work);
    }
    /// The maps that it, and what it may tail-call or find in map-in-maps, can have values of.
    const std::vector<maps::Map*>& maps() const { return *maps_; }
    const CtxTable& ctx() const { return *ctx_; }
    /// Those of its object.
    Timers& timers() const { return *timers_; }
    /// What has run so far; null where Object::Options did not ask for it.
    const Coverage* coverage() const { return coverage_.get(); }
    /// The types and source lines of its object; may be null.
    const btf::Btf* btf() const { return btf_.get(); }
    /// "hello.bpf.c:12: return *p;" or "".
    std::string source_line(uint32_t insn) const;

  private:
    friend class ProgLoader;
    friend class Interpreter;
    friend class jit::NativeRun;
    Prog();
    std::string context_too_small(const Event& event) const;
    void warm_up(uint64_t work) const;

    object::ProgSpec spec_;
    std::shared_ptr<const btf::Btf> btf_;
    std::vector<Op> ops_;
    std::vector<Call> calls_;
    const std::vector<maps::Map*>* maps_ = nullptr;
    const CtxTable* ctx_ = nullptr;
    Timers* timers_ = nullptr;
    std::shared_ptr<const verifier::Verdict> verdict_;
    std::string why_not_verified_ = "it was not verified";
    bool unchecked_ = false;
    uint32_t ctx_bytes_ = 0;  ///< of its context that it may touch without a check
    std::unique_ptr<Coverage> coverage_;
    std::unique_ptr<const jit::NativeCode> baseline_;
    jit::Published baseline_published_;
    std::string why_not_native_;

    struct Better;
    mutable std::atomic<const Better*> better_ = nullptr;           // its own
    mutable std::atomic<const jit::NativeCode*> native_ = nullptr;  // the best there is
    uint64_t longest_run_ = 0;  // in instructions, where the verifier knows a bound
    mutable std::atomic<int64_t> runs_until_hot_ = 0;  // 0: nobody counts
    mutable std::atomic<bool> hot_ = false;
};

}  // namespace skep::engine
