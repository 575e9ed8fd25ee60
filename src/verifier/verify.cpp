// SPDX-License-Identifier: Apache-2.0
#include "verifier/verify.hpp"

#include <algorithm>
#include <tuple>

#include "verifier/calls.hpp"
#include "verifier/causal_path.hpp"
#include "verifier/cfg.hpp"
#include "verifier/explore.hpp"
#include "verifier/facts.hpp"
#include "verifier/log.hpp"
#include "verifier/recorded_states.hpp"

namespace skep::verifier {
namespace {

Result<void> check_spec(const object::ObjectSpec& object, const object::ProgSpec& prog) {
    for (const object::Reference& reference : prog.references) {
        using Kind = object::Reference::Kind;
        if (reference.insn >= prog.insns.size())
            return malformed("program {}: a reference is beyond its end", prog.name);
        const bool to_map = reference.kind == Kind::Map || reference.kind == Kind::MapValue;
        if (reference.index >= (to_map ? object.maps.size() : object.externs.size()))
            return malformed("program {}: insn {} refers to what does not exist", prog.name,
                             reference.insn);
        const isa::Insn& insn = prog.insns[reference.insn];
        const uint8_t src = reference.kind == Kind::Map ? isa::kPseudoMapFd : isa::kPseudoMapValue;
        if (to_map &&
            (!insn.is_wide() || insn.src != src || size_t{reference.insn} + 1 >= prog.insns.size()))
            return malformed("program {}: insn {} refers to a map, and loads none", prog.name,
                             reference.insn);
    }
    return {};
}

/// The steps in the kernel's order, which decides which refusal comes first.
bool check(Analysis& a, uint32_t& stack_depth) {
    if (!a.insns.empty() && !find_subprogs(a)) return false;
    if (!find_exception_callback(a)) return false;
    if (!a.insns.empty() && !check_subprogs(a)) return false;
    if (!check_instructions(a)) return false;
    if (!check_cfg(a)) return false;
    compute_postorder(a);
    compute_loops(a);
    compute_live_registers(a);
    a.insn_index = 0;
    if (!check_program_kind(a)) return false;
    mark_fastcalls(a);
    if (!a.explorer->run()) return false;
    free_fastcall_stack(a);
    return check_max_stack_depth(a, stack_depth);
}

/// Once more, with the path recorded: only refused programs pay for it.
std::vector<Step> explain_path(const object::ObjectSpec& object, const object::ProgSpec& prog,
                               const platform::Platform& platform, Options options) {
    options.log = options.facts = options.register_facts = options.states = false;
    Analysis a(object, prog, platform, options);
    Trace trace;  // of frames from a's pools: gone before them
    a.trace = &trace;
    uint32_t stack_depth;
    if (check(a, stack_depth)) return {};
    return causal_path(a, trace);
}

/// Where the work of a program went that is too complex: the first few of the places.
std::vector<BusyPlace> busiest_places(const Analysis& a) {
    constexpr size_t kMost = 5;
    const Rule rule = a.refusal.rule;
    if (rule != Rule::TooComplex && rule != Rule::TooManyJumps && rule != Rule::OutOfMemory)
        return {};
    std::vector<BusyPlace> places;
    for (uint32_t i = 0; i < a.aux.size(); ++i)
        if (a.aux[i].visits > 1) places.push_back({i, a.aux[i].visits, a.aux[i].states});
    std::ranges::sort(places, [](const BusyPlace& x, const BusyPlace& y) {
        return std::tie(y.states, y.visits, x.insn) < std::tie(x.states, x.visits, y.insn);
    });
    if (places.size() > kMost) places.resize(kMost);
    return places;
}

}  // namespace

Result<Verdict> verify(const object::ObjectSpec& object, const object::ProgSpec& prog,
                       const platform::Platform& platform, const Options& options) {
    SKEP_TRY(check_spec(object, prog));
    Analysis a(object, prog, platform, options);
    Verdict verdict;
    if (options.states) a.recorded = std::make_shared<RecordedStates>(prog.insns.size());
    verdict.accepted = check(a, verdict.stack_depth);
    if (!verdict.accepted) {
        verdict.reason = std::move(a.refusal.reason);
        verdict.rule = a.refusal.rule;
        verdict.insn = a.refusal.insn;
        verdict.busiest = busiest_places(a);
        a.log("{}\n", verdict.reason);
        if (options.path) verdict.path = explain_path(object, prog, platform, options);
    }
    const Explorer& explorer = *a.explorer;
    if (a.logging)
        log_summary(a, explorer.max_states_per_insn, explorer.total_states, explorer.peak_states);
    verdict.log = std::move(a.log_text);
    verdict.insns_visited = a.insn_processed;
    verdict.total_states = explorer.total_states;
    verdict.peak_states = explorer.peak_states;
    verdict.max_states_per_insn = explorer.max_states_per_insn;
    verdict.longest_path = explorer.is_bounded ? explorer.longest_path : 0;
    verdict.peak_bytes = a.memory.bytes;
    verdict.helpers.assign(a.used_helpers.begin(), a.used_helpers.end());
    verdict.kfuncs.assign(a.used_kfuncs.begin(), a.used_kfuncs.end());
    verdict.maps.assign(a.used_maps.begin(), a.used_maps.end());
    if (options.facts || options.register_facts) finish_facts(a, verdict.facts);
    verdict.states = std::move(a.recorded);
    return verdict;
}

}  // namespace skep::verifier
