// SPDX-License-Identifier: Apache-2.0
#include "verifier/analysis.hpp"

#include <algorithm>

#include "verifier/calls.hpp"
#include "verifier/explore.hpp"
#include "verifier/liveness.hpp"

namespace skep::verifier {

namespace {

KernelRules rules_of(const platform::Platform& platform) {
    using platform::KernelVersion;
    const KernelVersion version = platform.version;
    const bool is_linux = platform.btf.empty();
    KernelRules rules;
    rules.uninit_stack = version >= KernelVersion("6.1");  // 6.3, and late 6.1.y
    rules.forgets_packets = version >= KernelVersion("6.4");
    rules.narrow_fills = version >= KernelVersion("6.9");
    rules.refines_pairs = version >= KernelVersion("6.8");
    rules.tracks_neg = version >= KernelVersion("6.17");
    rules.tracks_swaps = version >= KernelVersion("6.18");
    rules.links_sums = version >= KernelVersion("6.12");
    // Without it an unsafe program can be accepted; what we run ourselves is not.
    rules.loops_of_callbacks = !is_linux || version >= KernelVersion("6.19");
    rules.private_stacks = version >= KernelVersion("6.13");
    rules.legacy_arithmetic = version < KernelVersion("6.14");
    rules.helpers_clobber = version < KernelVersion("6.13");
    rules.forks_masks = version >= KernelVersion("6.12");
    return rules;
}

}  // namespace

Analysis::Analysis(const object::ObjectSpec& the_object, const object::ProgSpec& the_prog,
                   const platform::Platform& the_platform, const Options& the_options)
    : object(the_object),
      prog(the_prog),
      platform(the_platform),
      options(the_options),
      insns(the_prog.insns),
      kernel_btf(the_options.kernel_btf),
      prog_btf(the_object.btf.get()),
      privileged(the_options.privileged),
      allow_ptr_leaks(the_options.privileged && the_options.perfmon),
      allow_uninit_stack(the_options.privileged && the_options.perfmon),
      bypass_spec_v1(the_options.privileged && the_options.perfmon),
      bypass_spec_v4(the_options.privileged && the_options.perfmon),
      strict_alignment(the_options.strict_alignment),
      aux(the_prog.insns.size()) {
    logging = options.log;
    rules = rules_of(platform);
    allow_uninit_stack &= rules.uninit_stack;
    if (options.facts || options.register_facts) facts.insns.resize(insns.size());
    if (options.register_facts) facts.registers.resize(insns.size() * kRegs);
    for (uint32_t i = 0; i < object.maps.size(); ++i) {
        auto map = std::make_unique<MapInfo>();
        map->spec = &object.maps[i];
        map->index = i;
        if (map->spec->inner) {
            auto inner = std::make_unique<MapInfo>();
            inner->spec = map->spec->inner.get();
            inner->index = i;
            inner->is_inner = true;
            map->inner = inner.get();
            inner_maps.push_back(std::move(inner));
        }
        maps.push_back(std::move(map));
    }
    for (const object::Reference& reference : prog.references)
        aux[reference.insn].reference = &reference;
    liveness = std::make_unique<StackLiveness>(*this);
    explorer = std::make_unique<Explorer>(*this);
}

Analysis::~Analysis() = default;

bool Analysis::set_refusal(Rule rule, std::string reason) {
    // A check that failed for a reason of its own: what the kernel prints first.
    if (!refusal.reason.empty()) log("{}\n", refusal.reason);
    refusal = {rule, std::move(reason), insn_index};
    return false;
}

int Analysis::find_subprog(uint32_t start) const {
    const auto found =
        std::lower_bound(subprogs.begin(), subprogs.end(), start,
                         [](const SubprogInfo& info, uint32_t insn) { return info.start < insn; });
    return found != subprogs.end() && found->start == start ? int(found - subprogs.begin()) : -1;
}

const SubprogInfo& Analysis::subprog_at(uint32_t insn) const {
    const auto after =
        std::upper_bound(subprogs.begin(), subprogs.end(), insn,
                         [](uint32_t at, const SubprogInfo& info) { return at < info.start; });
    return *(after - 1);
}

bool Analysis::in_sleepable() const {
    return prog.sleepable || prog.type == ProgType::Syscall || (state && state->in_sleepable);
}

bool Analysis::resolve_wide(uint32_t index) {
    const isa::Insn& insn = insns[index];
    if (insn.src == isa::kPseudoImm) return true;
    if (insn.src == isa::kPseudoBtfId) return true;
    if (insn.src == isa::kPseudoFunc) return true;
    const bool is_value = insn.src == isa::kPseudoMapValue || insn.src == isa::kPseudoMapIdxValue;
    if (!is_value && insn.src != isa::kPseudoMapFd && insn.src != isa::kPseudoMapIdx)
        return refuse(Rule::BadInsn, "unrecognized bpf_ld_imm64 insn");
    if (insn.off || (!is_value && insns[index + 1].imm))
        return refuse(Rule::BadInsn, "unrecognized bpf_ld_imm64 insn");
    // Only what the object refers to: a number that was written into the code names no map.
    const object::Reference* reference = aux[index].reference;
    const auto kind = is_value ? object::Reference::Kind::MapValue : object::Reference::Kind::Map;
    if (!reference || reference->kind != kind)
        return refuse(Rule::BadInsn, "fd {} is not pointing to valid bpf_map", insn.imm);
    const uint32_t map_index = reference->index;
    MapInfo& map = *maps[map_index];
    InsnAux& slot = aux[index];
    slot.map = &map;
    if (used_maps.insert(map_index).second && !check_map_prog_compatibility(*this, map))
        return false;
    if (used_maps.size() > 64)
        return refuse(Rule::TooManyInsns,
                      "The total number of maps per program has reached the "
                      "limit of 64");
    if (map.type() == MapType::Arena) {
        if (arena && arena != &map) return refuse(Rule::ArenaAccess, "Only one arena per program");
        if (!privileged) return refuse(Rule::ArenaAccess, "CAP_BPF is required to use arena");
        arena = &map;
    }
    if (!is_value) return true;
    const int64_t off = reference->addend;
    if (off < 0 || off >= 1 << 29)
        return refuse(Rule::PointerOffset, "direct value offset of {} is not allowed", off);
    const bool direct = map.type() == MapType::Arena ||
                        (map.type() == MapType::Array && map.spec->max_entries == 1);
    if (!direct) return refuse(Rule::BadInsn, "no direct value access support for this map type");
    if (map.type() != MapType::Arena && uint64_t(off) >= map.spec->value_size)
        return refuse(Rule::MapValueBounds,
                      "invalid access to map value pointer, value_size={} off={}",
                      map.spec->value_size, off);
    slot.map_off = uint32_t(off);
    return true;
}

}  // namespace skep::verifier
