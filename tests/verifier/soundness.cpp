// SPDX-License-Identifier: Apache-2.0
#include "verifier/soundness.hpp"

#include <fmt/format.h>

#include <random>

#include "engine/embedded_types.hpp"
#include "engine/jit/optimise.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/prog.hpp"
#include "engine/testing.hpp"
#include "platform/embedded.hpp"
#include "platform/platform.hpp"
#include "verifier/differential.hpp"
#include "verifier/program_case.hpp"
#include "verifier/state_checker.hpp"

namespace skep::verifier_test {

namespace {

constexpr int kInputs = 6;
constexpr uint64_t kBudget = 200'000;  // callbacks of bpf_loop() can go on for long

/// What is left of one run.
struct Result {
    uint64_t r0 = 0;
    bool finished = false;  ///< not stopped for its length
    std::string fault;
    Bytes packet, ctx, maps;
    bool operator==(const Result&) const = default;
};

/// How two runs differ, in words.
std::string difference(const Result& a, const Result& b) {
    if (a.finished != b.finished) return "one of them is longer";
    if (a.fault != b.fault) return fmt::format("'{}' and '{}'", a.fault, b.fault);
    if (a.r0 != b.r0) return fmt::format("r0 is {:#x} and {:#x}", a.r0, b.r0);
    if (a.packet != b.packet) return "the packets differ";
    return a.ctx != b.ctx ? "the contexts differ" : "the maps differ";
}

/// Numbers near 0 and -1 are where signs, carries and bounds go wrong.
Bytes random_bytes(std::mt19937_64& random, size_t size) {
    Bytes bytes(size);
    for (uint8_t& byte : bytes) byte = random() % 3 ? (random() % 2 ? 0 : 0xff) : uint8_t(random());
    return bytes;
}

Bytes contents(const engine::Object& object) {
    Bytes all;
    for (const auto& map : object.maps()) {
        if (!map || !map->def().key_size) continue;
        Bytes key(map->def().key_size), value(map->user_value_size());
        for (int error = map->next_key(nullptr, key.data()); error == 0;
             error = map->next_key(key.data(), key.data())) {
            append(all, key);
            if (map->user_lookup(key.data(), value.data()) == 0) append(all, value);
        }
    }
    return all;
}

/// The program on inputs of a seed, one after another, in a fresh object.
class Runs {
  public:
    Runs(const object::ObjectSpec& spec, const engine::Object::Options& options, uint64_t seed)
        : random_(seed), chance_(seed) {
        env_.printk = [](std::string_view) {};
        env_.clock = [this](engine::Clock) { return now_ += 1000; };
        env_.random = [this] { return uint32_t(chance_()); };
        auto object = engine::Object::load(spec, env_, options);
        if (!object) return;
        object_ = std::move(*object);
        execution_ = *engine::Execution::create(env_);
        execution_->budget = kBudget;
    }

    engine::Object* object() { return object_.get(); }
    const engine::Prog& prog() const { return *object_->progs()[0]; }

    Result next(StateChecker* checker) {
        engine::Event event{.task = &task_};
        const Bytes frame = random_bytes(random_, 14 + random_() % 120);
        Bytes record = random_bytes(random_, 192);
        const ProgType type = prog().spec().type;
        const bool packet = platform::embedded_hook(type) == platform::HookKind::Packet;
        if (type == ProgType::Xdp)
            packet_.start_xdp(frame, {});
        else if (packet)
            packet_.start_skb(frame, {.from_network = type == ProgType::CgroupSkb});
        if (packet) {
            packet_.attach(event);
            event.packet_writable = type != ProgType::SocketFilter && type != ProgType::CgroupSkb;
        } else {
            event.ctx = record.data();
            event.ctx_size = type == ProgType::Kprobe ? 168 : uint32_t(record.size());
        }
        if (checker) checker->watch(*execution_, event);
        const engine::Outcome outcome = prog().run(*execution_, event);
        const bool budget = outcome.fault && outcome.fault->kind == engine::Fault::Kind::Budget;
        Result result{.r0 = outcome.r0,
                      .finished = !budget,
                      .fault = outcome.fault ? outcome.fault->to_string() : "",
                      .packet = {},
                      .ctx = {event.ctx, event.ctx + event.ctx_size},
                      .maps = contents(*object_)};
        if (packet) {
            packet_.narrow_ctx();
            result.ctx.assign(event.ctx, event.ctx + event.ctx_size);
            result.packet = packet_.frame();
        }
        return result;
    }

  private:
    engine::Env env_;
    std::mt19937_64 random_, chance_;
    uint64_t now_ = 0;
    engine::NoTask task_;
    engine::PacketBuffer packet_;
    std::unique_ptr<engine::Object> object_;
    std::unique_ptr<engine::Execution> execution_;
};

std::vector<Result> results(const object::ObjectSpec& spec, const engine::Object::Options& options,
                            uint64_t seed) {
    Runs runs(spec, options, seed);
    std::vector<Result> all;
    for (int i = 0; i < kInputs; i++) all.push_back(runs.next(nullptr));
    return all;
}

void trace(const object::ObjectSpec& spec, uint64_t seed, Soundness& found) {
    Runs runs(spec, {.checked = true, .traced = true}, seed);
    const auto verdict =
        verifier::verify(runs.object()->spec(), runs.prog().spec(), platform::embedded(),
                         {.exact_numbers = true,
                          .states = true,
                          .max_insns = 50000,
                          .kernel_btf = &engine::embedded_types()});
    std::shared_ptr<const verifier::RecordedStates> states;
    if (verdict && verdict->accepted && verdict->states->complete()) states = verdict->states;
    found.compared = states != nullptr;
    StateChecker checker(*runs.object(), states, runs.prog().verdict()->facts);
    for (int i = 0; i < kInputs && checker.complaint().empty(); i++) {
        const Result result = runs.next(&checker);
        if (checker.complaint().empty() && result.finished && !result.fault.empty()) {
            found.complaint = "accepted, and stopped: " + result.fault;
            return;
        }
    }
    found.instructions = checker.instructions();
    found.complaint = checker.complaint();
}

}  // namespace

Soundness check_soundness(const object::ObjectSpec& object, uint64_t seed) {
    Soundness found;
    {
        Runs runs(object, {}, seed);
        if (!runs.object() || !runs.prog().verified()) return found;
        found.accepted = true;
        found.unchecked = runs.prog().runs_unchecked();
    }
    trace(object, seed, found);
    if (!found.complaint.empty()) return found;
    const std::vector<Result> checked = results(object, {.checked = true}, seed);
    std::vector<engine::Jit> modes = {engine::Jit::Off, engine::Jit::Baseline};
    // Each takes as long to make as a hundred others.
    if (seed % 8 == 0 && engine::jit::optimiser()) modes.push_back(engine::Jit::Optimising);
    for (const engine::Jit jit : modes) {
        const std::vector<Result> unchecked = results(object, {.jit = jit}, seed);
        for (size_t i = 0; i < checked.size(); i++) {
            if (checked[i] == unchecked[i]) continue;
            // Addresses as numbers: what such a program does differs each time.
            const std::vector<uint8_t> elsewhere(12345);
            if (results(object, {.checked = true}, seed) != checked) break;
            found.complaint = fmt::format("checked and {} differ on input {}: {}",
                                          jit == engine::Jit::Off        ? "unchecked"
                                          : jit == engine::Jit::Baseline ? "machine code"
                                                                         : "optimised code",
                                          i, difference(checked[i], unchecked[i]));
            return found;
        }
    }
    return found;
}

object::ObjectSpec minimise_unsound(const object::ObjectSpec& object, uint64_t seed) {
    object::ObjectSpec best = object;
    for (const size_t count : {16u, 8u, 4u, 2u, 1u, 2u, 1u})
        for (size_t from = best.progs[0].insns.size(); from-- > 0;) {
            const auto& insns = best.progs[0].insns;
            if (from + count > insns.size()) continue;
            std::vector<isa::Insn> fewer = without(insns, from, count);
            if (fewer.empty()) continue;
            object::ObjectSpec candidate =
                make_object(best.progs[0].type, std::move(fewer), best.maps);
            if (!check_soundness(candidate, seed).complaint.empty()) best = std::move(candidate);
        }
    return best;
}

}  // namespace skep::verifier_test
