// SPDX-License-Identifier: Apache-2.0
#include "engine/execution.hpp"

#include <algorithm>
#include <atomic>
#include <random>

#include "engine/interpreter.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/jit/native_run.hpp"
#include "maps/map.hpp"
#include "maps/rcu.hpp"
#include "platform/limits.hpp"

namespace skep::engine {

namespace {

/// Which per-CPU slots are taken: one bit each.
std::atomic<uint64_t> g_slots[16];

std::optional<uint32_t> take_slot() {
    const uint32_t count = std::min<uint32_t>(maps::possible_cpus(), std::size(g_slots) * 64);
    for (uint32_t slot = 0; slot < count; slot++) {
        const uint64_t bit = uint64_t{1} << (slot % 64);
        if (!(g_slots[slot / 64].fetch_or(bit) & bit)) return slot;
    }
    return std::nullopt;
}

void give_slot_back(uint32_t slot) {
    g_slots[slot / 64].fetch_and(~(uint64_t{1} << (slot % 64)));
}

}  // namespace

Result<std::unique_ptr<Execution>> Execution::create(const Env& env) {
    const auto slot = take_slot();
    if (!slot)
        return unsupported("all {} CPU slots are in use: each thread that runs programs needs one",
                           maps::possible_cpus());
    return std::unique_ptr<Execution>(new Execution(env, *slot));
}

Execution::Execution(const Env& env, uint32_t cpu) : env_(env), cpu_(cpu) {
    std::random_device device;
    state_.execution = this;
    state_.stack_top = frame_pointer(0);
    state_.cpu = cpu;
    memory_.set_stack(frame_pointer(0), &state_.depth);
    for (uint64_t& word : random_state_) word = uint64_t{device()} << 32 | device() | 1;
    stack_.fill(0);
}

Execution::~Execution() {
    give_slot_back(cpu_);
}

bool Execution::checked() const {
    return !prog_->runs_unchecked();
}

void Execution::observe(const Op& op, const uint64_t* registers) const {
    if (observer)
        observer(*prog_, uint32_t(&op - prog_->ops().data()),
                 std::span<const uint64_t, 11>(registers, 11), state_.depth);
}

uint32_t Execution::random() {
    if (env_.random) return env_.random();
    // xorshift128+ (Vigna, 2014): good enough for what the kernel seeds from tausworthe counters.
    uint64_t a = random_state_[0];
    const uint64_t b = random_state_[1];
    random_state_[0] = b;
    a ^= a << 23;
    random_state_[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return uint32_t((random_state_[1] + b) >> 32);
}

/// What each run starts from; returns its budget. Short programs take less time than this, so it
/// writes what the last run may have changed, and no more.
inline int64_t Execution::begin(const Prog& prog, Event& event) {
    state_.event = &event;
    state_.depth = 0;
    state_.at = 0;
    prog_ = &prog;
    tail_calls_ = 0;
    next_ = nullptr;
    const auto budget_of_run = int64_t(std::min<uint64_t>(budget, INT64_MAX));
    state_.budget_left = budget_of_run;
    if (fault_) [[unlikely]]
        fault_.reset();
    held_lock = nullptr;
    memory_.set_event(&event);
    memory_.set_maps(&prog.maps());
    memory_.forget_added_maps();
    memory_.forget();
    return budget_of_run;
}

inline Outcome Execution::end(uint64_t r0) {
    if (held_lock || !memory_.loans().empty()) [[unlikely]] {
        if (!fault_) check_released();
        memory_.clear_loans();
    }
    if (!fault_) [[likely]]
        return {.r0 = r0};
    return {.fault = std::move(fault_)};
}

Outcome Execution::run(const Prog& prog, Event& event, uint64_t r1, uint64_t r2) {
    const jit::NativeCode* native = prog.native();
    if (!native) return run(prog, event, prog.ops().data(), {r1, r2});
    const maps::rcu::ReadGuard running;
    const int64_t budget_of_run = begin(prog, event);
    const uint64_t r0 = jit::NativeRun(*this).run(*native, r1, r2);
    prog.count_run(uint64_t(budget_of_run - state_.budget_left));
    return end(r0);
}

Outcome Execution::run(const Prog& prog, Event& event, const Op* start,
                       std::initializer_list<uint64_t> arguments) {
    const maps::rcu::ReadGuard running;
    const int64_t budget_of_run = begin(prog, event);
    frames_[0].may_goto = platform::kMaxLoops;
    uint64_t registers[11] = {};
    std::ranges::copy(arguments, registers + 1);
    registers[10] = frame_pointer(0);
    const jit::NativeCode* native = prog.native();
    const uint64_t r0 = native ? jit::NativeRun(*this).run(*native, prog, start, registers)
                               : Interpreter(*this).run(prog, start, registers);
    if (native) prog.count_run(uint64_t(budget_of_run - state_.budget_left));
    return end(r0);
}

uint64_t Execution::out_of_budget() {
    return fault(Fault::Kind::Budget,
                 fmt::format("it has used its budget of {} instructions", budget));
}

uint64_t Execution::too_deep() {
    return fault(Fault::Kind::CallDepth,
                 fmt::format("more than {} functions deep", isa::kMaxFrames));
}

/// What a program took, it has to give back; the verifier would have refused it.
void Execution::check_released() {
    if (held_lock) fault(Fault::Kind::Unreleased, "it ended while it held a bpf_spin_lock");
    for (const Region& loan : memory_.loans())
        if (loan.kind == Region::Kind::RingbufRecord) {
            fault(Fault::Kind::Unreleased,
                  "it ended with a ring buffer record neither submitted nor discarded");
            return;
        }
}

uint64_t Execution::fault(Fault::Kind kind, std::string message, int reg, uint64_t value) {
    if (fault_) return 0;  // the first one is the cause
    Fault fault{.kind = kind, .prog = prog_->name(), .reg = reg, .value = value};
    fault.insn = state_.at;
    fault.message = std::move(message);
    fault.source = prog_->source_line(fault.insn);
    fault_ = std::move(fault);
    state_.budget_left = -1;
    return 0;
}

uint8_t* Execution::check_memory(uint64_t address, uint64_t size, bool write, int reg,
                                 std::string_view what) {
    if (!checked()) return reinterpret_cast<uint8_t*>(address);
    const Event& event = *state_.event;
    if (memory_.on_stack(address, size)) return reinterpret_cast<uint8_t*>(address);
    if (!prog_->context_is_memory() && !write &&
        address - reinterpret_cast<uint64_t>(event.ctx) < event.ctx_size &&
        size <= event.ctx_size - (address - reinterpret_cast<uint64_t>(event.ctx)))
        return reinterpret_cast<uint8_t*>(address);
    const Region region = memory_.find(address, size);
    if (region.kind == Region::Kind::None) {
        fault(Fault::Kind::BadArgument,
              fmt::format("argument {}: {} of {} bytes at {}", reg, what, size,
                          memory_.describe(address, size)),
              reg, address);
        return nullptr;
    }
    if (write && !region.writable) {
        fault(Fault::Kind::ReadOnly,
              fmt::format("argument {}: {} would be written, and may only be read: {}", reg, what,
                          memory_.describe(address, size)),
              reg, address);
        return nullptr;
    }
    return reinterpret_cast<uint8_t*>(address);
}

uint64_t Execution::call_back(uint64_t function, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4,
                              uint64_t r5) {
    const uint64_t arguments[] = {r1, r2, r3, r4, r5};
    return prog_->native() ? jit::NativeRun(*this).call_back(function, arguments)
                           : Interpreter(*this).call_back(function, arguments);
}

bool Execution::is_function(uint64_t value) const {
    const auto begin = reinterpret_cast<uint64_t>(prog_->ops().data());
    const uint64_t offset = value - begin;
    if (offset % sizeof(Op) != 0) return false;
    const uint64_t index = offset / sizeof(Op);
    for (const object::Subprog& subprog : prog_->spec().subprogs)
        if (subprog.insn == index) return true;
    return false;
}

}  // namespace skep::engine
