// SPDX-License-Identifier: Apache-2.0
// Loops that paths leave through other exits than the one that is followed first. A state inside
// such a loop is cut off by one that is not done: what will turn out to matter there is not known
// yet. Each such cut is noted, and when all paths from the loop's entry are done, what mattered is
// carried to the states before each cut, again and again until nothing changes. Until then states
// of the loop only cover others strictly. (Linux 6.17 and later: bpf_scc_visit.)
#include "verifier/explore.hpp"
#include "verifier/precision.hpp"

namespace skep::verifier {

namespace {

/// Of one loop. With more of them we no longer wait for what will turn out to matter: everything
/// does, and then they and the states that they lead to need not be kept. (Linux keeps any number.
/// A loop of a hundred rounds around bpf_loop() can make so many.)
constexpr size_t kMostBackEdges = 8192;

}  // namespace

std::optional<std::string> Explorer::loop_key(const VerifierState& state) const {
    std::string key;
    const auto append = [&key](uint32_t number) {
        key.append(reinterpret_cast<const char*>(&number), sizeof(number));
    };
    for (uint32_t i = 0; i <= state.curframe; ++i) {
        const uint32_t insn = frame_insn(state, i);
        if (const uint32_t loop = a_.aux[insn].scc) {
            append(loop);
            return key;
        }
        append(insn);
    }
    return std::nullopt;
}

void Explorer::maybe_enter_loop(VerifierState& state) {
    const auto key = loop_key(state);
    if (!key) return;
    LoopVisit& visit = loops_[*key];
    if (!visit.entry) visit.entry = &state;
}

bool Explorer::maybe_exit_loop(VerifierState& state) {
    const auto key = loop_key(state);
    if (!key) return true;
    const auto found = loops_.find(*key);
    if (found == loops_.end() || found->second.entry != &state) return true;
    LoopVisit& visit = found->second;
    visit.entry = nullptr;
    if (!propagate_back_edges(visit)) return false;
    forget_back_edges(visit);
    return true;
}

bool Explorer::is_incomplete(const VerifierState& state) const {
    if (back_edges_ == 0) return false;
    const auto key = loop_key(state);
    if (!key) return false;
    const auto found = loops_.find(*key);
    return found != loops_.end() && !found->second.back_edges.empty();
}

void Explorer::add_back_edge(uint32_t insn, VerifierState& covered_by) {
    const auto key = loop_key(covered_by);
    if (!key) return;
    LoopVisit& visit = loops_[*key];
    if (visit.back_edges.size() == kMostBackEdges) {
        for (const auto& edge : visit.back_edges) mark_all_scalars_precise(edge->state);
        forget_back_edges(visit);
    }
    auto edge = std::make_unique<LoopVisit::BackEdge>();
    edge->state = current_;
    edge->state.insn_idx = insn;
    edge->covered_by = &covered_by;
    visit.back_edges.push_back(std::move(edge));
    a_.memory.bytes += sizeof(LoopVisit::BackEdge);
    ++back_edges_;
    update_peak();
}

bool Explorer::propagate_back_edges(LoopVisit& visit) {
    constexpr int kMostRounds = 64;
    bool changed = true;
    for (int round = 0; changed; ++round) {
        if (round == kMostRounds) {
            for (const auto& edge : visit.back_edges) mark_all_scalars_precise(edge->state);
            break;
        }
        changed = false;
        for (const auto& edge : visit.back_edges)
            if (!propagate_precision(*edge->covered_by, edge->state, &changed)) return false;
    }
    return true;
}

void Explorer::forget_back_edges(LoopVisit& visit) {
    a_.memory.bytes -= visit.back_edges.size() * sizeof(LoopVisit::BackEdge);
    back_edges_ -= visit.back_edges.size();
    visit.back_edges.clear();
}

}  // namespace skep::verifier
