// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <cstring>

#include "engine/embedded_types.hpp"
#include "engine/testing.hpp"
#include "isa/decode.hpp"
#include "maps/map.hpp"
#include "platform/platform.hpp"
#include "verifier/verify.hpp"

// Any program in the interpreter, on a buffer and a packet, with maps to misuse. The first bytes
// choose the program type; map pointers are put where wide instructions ask for them. What the
// verifier accepts runs twice, checked and not: no access may be refused, and both must agree, but
// where the program works with addresses as numbers, which differ.

namespace {

using namespace skep;
using namespace skep::engine;

object::ObjectSpec object_from(std::span<const uint8_t> bytes, ProgType type) {
    object::ObjectSpec spec{.name = "fuzz", .license = "GPL"};
    spec.maps.push_back(
        {.name = "hash", .type = MapType::Hash, .key_size = 4, .value_size = 16, .max_entries = 8});
    spec.maps.push_back({.name = "array",
                         .type = MapType::Array,
                         .key_size = 4,
                         .value_size = 24,
                         .max_entries = 3});
    spec.maps.push_back({.name = "ring", .type = MapType::Ringbuf, .max_entries = 4096});
    auto insns = isa::decode(bytes.first(bytes.size() / 8 * 8));
    object::ProgSpec prog{.name = "test", .type = type, .insns = std::move(*insns)};
    for (uint32_t i = 0; i + 1 < prog.insns.size(); i++) {
        isa::Insn& insn = prog.insns[i];
        if (!insn.is_wide()) continue;
        if (insn.src == isa::kPseudoMapFd || insn.src == isa::kPseudoMapValue) {
            const bool value = insn.src == isa::kPseudoMapValue;
            const uint32_t map = value ? 1 : uint32_t(insn.imm) % 3;
            prog.references.push_back(
                {value ? object::Reference::Kind::MapValue : object::Reference::Kind::Map, i, map,
                 prog.insns[i + 1].imm});
        }
        i++;
    }
    spec.progs.push_back(std::move(prog));
    return spec;
}

struct Run {
    bool loaded = false;
    bool verified = false;
    Outcome outcome;
};

/// The program in a fresh object, on memory of its own.
Run run(const object::ObjectSpec& spec, const Object::Options& options) {
    Run result;
    const Env env{.printk = [](std::string_view) {},
                  .clock = [](Clock) { return uint64_t{42}; },
                  .random = [] { return 7u; }};
    const auto object = Object::load(spec, env, options);
    if (!object) return result;
    const Prog& prog = *(*object)->find_prog("test");
    result.loaded = true;
    result.verified = prog.verified();
    auto execution = Execution::create(env);
    if (!execution) __builtin_trap();
    (*execution)->budget = 10'000;
    NoTask task;
    // Exactly as large as it says: a byte beyond is the sanitizer's to find. Raw tracepoints have
    // twelve arguments.
    constexpr uint32_t kContext = 12 * 8;
    const auto buffer = std::make_unique<uint8_t[]>(kContext);
    const auto packet = std::make_unique<uint8_t[]>(60);
    std::memset(buffer.get(), 0, kContext);
    std::memset(packet.get(), 0, 60);
    Event event{.ctx = buffer.get(),
                .ctx_size = kContext,
                .data_meta = packet.get(),
                .data = packet.get(),
                .data_end = packet.get() + 60,
                .task = &task};
    result.outcome = prog.run(**execution, event);
    return result;
}

/// A million instructions take the verifier ten seconds here, and teach nothing about the engine.
bool is_long(const object::ObjectSpec& spec) {
    const auto verdict = verifier::verify(spec, spec.progs[0], platform::embedded(),
                                          {.max_insns = 20'000, .kernel_btf = &embedded_types()});
    return verdict && verdict->rule == verifier::Rule::TooComplex;
}

/// Faults that the verifier does not promise to exclude: a run that is too long, an event that is
/// less than the program's type has (a context that is too small, no PacketBuffer for helpers).
bool may_happen(const Outcome& outcome) {
    if (!outcome.fault) return true;
    const Fault& fault = *outcome.fault;
    return fault.kind == Fault::Kind::Budget || fault.kind == Fault::Kind::BadContext ||
           fault.message == "there is no packet here";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 16 || size > 4096) return 0;
    constexpr ProgType kTypes[] = {ProgType::Unspec, ProgType::RawTracepoint, ProgType::Xdp};
    const object::ObjectSpec spec =
        object_from(std::span(data, size).subspan(8), kTypes[data[0] % std::size(kTypes)]);
    if (is_long(spec)) return 0;
    const Run checked = run(spec, {.checked = true});
    if (!checked.loaded || !checked.verified) return 0;
    if (!may_happen(checked.outcome)) {
        fmt::print(stderr, "{}\n", checked.outcome.fault->to_string());
        __builtin_trap();
    }
    for (const Jit jit : {Jit::Off, Jit::Baseline}) {
        const Run unchecked = run(spec, {.jit = jit});
        if (checked.outcome.fault || unchecked.outcome.fault) return 0;
        if (checked.outcome.r0 != unchecked.outcome.r0 &&
            run(spec, {.checked = true}).outcome.r0 == checked.outcome.r0)
            __builtin_trap();
    }
    return 0;
}
