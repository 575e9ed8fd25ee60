// SPDX-License-Identifier: Apache-2.0
#include "verifier/differential.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/file.hpp"
#include "kernel/kernel_object.hpp"
#include "verifier/both_runs.hpp"
#include "verifier/program_case.hpp"
#include "verifier/verify.hpp"

namespace skep::verifier_test {

namespace {

std::string words(std::string_view reason) {
    std::string out;
    for (const char c : reason)
        if (!std::isdigit(static_cast<unsigned char>(c)) && c != '-') out += c;
    return out.substr(0, 24);
}

std::string one_line(const Answer& answer) {
    return answer.accepted() ? "accepted" : "refused: " + answer.reason;
}

bool is_jump(const isa::Insn& insn) {
    return (insn.cls() == isa::kJmp || insn.cls() == isa::kJmp32) &&
           insn.operation() != isa::kCall && insn.operation() != isa::kExit;
}

bool is_gotol(const isa::Insn& insn) {
    return insn.cls() == isa::kJmp32 && insn.operation() == isa::kJa;
}

bool refers_in_program(const isa::Insn& insn) {
    return (insn.opcode == (uint8_t{isa::kJmp} | isa::kCall) && insn.src == isa::kCallLocal) ||
           (insn.is_wide() && insn.src == isa::kPseudoFunc);
}

}  // namespace

std::string Verdicts::text() const {
    return fmt::format("kernel: {}\nskep: {}\n", one_line(kernel), one_line(skep));
}

struct Differential::Maps {
    object::ObjectSpec object;
    kernel_test::KernelObject in_kernel;
    Maps(const object::ObjectSpec& that, const btf::Btf& kernel)
        : object(that), in_kernel(object, kernel) {}
};

Differential::Differential(std::shared_ptr<const btf::Btf> kernel,
                           const platform::Platform& platform)
    : kernel_(std::move(kernel)), platform_(platform) {}
Differential::~Differential() = default;

kernel_test::KernelObject& Differential::in_kernel(const object::ObjectSpec& object) const {
    const auto same = [](const object::MapSpec& a, const object::MapSpec& b) {
        return a.type == b.type && a.key_size == b.key_size && a.value_size == b.value_size &&
               a.max_entries == b.max_entries && a.flags == b.flags;
    };
    if (!maps_ || object.btf != maps_->object.btf ||
        !std::ranges::equal(maps_->object.maps, object.maps, same))
        maps_ = std::make_unique<Maps>(object, *kernel_);
    return maps_->in_kernel;
}

bool may_load_without_capabilities(ProgType type) {
    if (type != ProgType::SocketFilter && type != ProgType::CgroupSkb) return false;
    const auto setting = read_file("/proc/sys/kernel/unprivileged_bpf_disabled");
    return setting && !setting->empty() && setting->front() == uint8_t{'0'};
}

Verdicts Differential::ask(const object::ObjectSpec& object, Loader loader, bool with_log) const {
    Verdicts verdicts;
    const object::ProgSpec& prog = object.progs[0];
    const auto verdict =
        verifier::verify(object, prog, platform_,
                         {.privileged = loader != Loader::None,
                          .perfmon = loader == Loader::Root,
                          .log = with_log,
                          .cpus = static_cast<uint32_t>(sysconf(_SC_NPROCESSORS_CONF)),
                          .kernel_btf = kernel_.get()});
    if (verdict && with_log) verdicts.skep.log = verdict->log;
    verdicts.skep.kind =
        verdict && verdict->accepted ? Answer::Kind::Accepted : Answer::Kind::Refused;
    if (!verdict)
        verdicts.skep.reason = verdict.error().message;
    else if (!verdict->accepted)
        verdicts.skep.reason = fmt::format("{}: {}", verdict->insn, verdict->reason);

    kernel_test::KernelObject& kernel = in_kernel(object);
    for (const object::Reference& reference : prog.references) (void)kernel.map_fd(reference.index);
    std::optional<kernel_test::WithoutCapabilities> fewer;
    constexpr uint64_t kSeeing = uint64_t{1} << CAP_PERFMON | uint64_t{1} << CAP_SYS_ADMIN;
    constexpr uint64_t kLoading = uint64_t{1} << CAP_BPF | uint64_t{1} << CAP_NET_ADMIN;
    if (loader == Loader::Bpf) fewer.emplace(kSeeing);
    if (loader == Loader::None) fewer.emplace(kSeeing | kLoading);
    auto loaded = kernel.load(prog, {.log_level = with_log ? 2u : 0u});
    if (with_log) verdicts.kernel.log = loaded.log;
    if (!loaded.accepted() && loaded.unanswered.empty())
        // A log takes time: only for those that it is needed of.
        loaded = verdicts.skep.accepted() ? kernel.load(prog, {.log_level = 1}) : std::move(loaded);
    verdicts.kernel.kind = loaded.accepted()           ? Answer::Kind::Accepted
                           : loaded.unanswered.empty() ? Answer::Kind::Refused
                                                       : Answer::Kind::None;
    if (!loaded.accepted()) verdicts.kernel.reason = reason_in(loaded.log);
    verdicts.prog = std::move(loaded.prog);
    return verdicts;
}

std::vector<isa::Insn> without(const std::vector<isa::Insn>& insns, size_t from, size_t count) {
    std::vector<isa::Insn> out;
    const auto moved = [&](int64_t at) {
        if (at <= int64_t(from)) return at;
        return at < int64_t(from + count) ? int64_t(from) : at - int64_t(count);
    };
    for (size_t i = 0; i < insns.size(); i++) {
        if (i >= from && i < from + count) continue;
        isa::Insn insn = insns[i];
        const bool second_half = i > 0 && insns[i - 1].is_wide() && insn.opcode == 0;
        const int64_t here = moved(int64_t(i));
        if (!second_half && is_jump(insn) && is_gotol(insn))
            insn.imm = int32_t(moved(int64_t(i) + 1 + insn.imm) - here - 1);
        else if (!second_half && is_jump(insn))
            insn.off = int16_t(moved(int64_t(i) + 1 + insn.off) - here - 1);
        else if (!second_half && refers_in_program(insn))
            insn.imm = int32_t(moved(int64_t(i) + 1 + insn.imm) - here - 1);
        out.push_back(insn);
    }
    return out;
}

template <typename Keep>
object::ObjectSpec Differential::shrink(const object::ObjectSpec& object, const Keep& keep) {
    object::ObjectSpec best = object;
    for (size_t count : {16u, 8u, 4u, 3u, 2u, 1u, 4u, 2u, 1u}) {
        for (size_t from = best.progs[0].insns.size(); from-- > 0;) {
            const auto& insns = best.progs[0].insns;
            if (from + count > insns.size()) continue;
            std::vector<isa::Insn> fewer = without(insns, from, count);
            if (fewer.empty()) continue;
            object::ObjectSpec candidate =
                make_object(best.progs[0].type, std::move(fewer), best.maps);
            if (keep(candidate)) best = std::move(candidate);
        }
    }
    return best;
}

object::ObjectSpec Differential::minimise(const object::ObjectSpec& object, Loader loader) const {
    const Verdicts wanted = ask(object, loader);
    return shrink(object, [&](const object::ObjectSpec& candidate) {
        const Verdicts now = ask(candidate, loader);
        return now.unsafe() == wanted.unsafe() && now.too_strict() == wanted.too_strict() &&
               words(now.kernel.reason) == words(wanted.kernel.reason);
    });
}

Differential::Runs Differential::run(const object::ObjectSpec& object, const Verdicts& verdicts,
                                     uint64_t seed) const {
    Runs runs;
    if (!verdicts.prog || !verdicts.skep.accepted()) return runs;
    BothRuns both(object);
    runs.problem = both.compare(in_kernel(object), verdicts.prog.get(), seed);
    runs.ran = both.ran();
    runs.compared = both.compared();
    return runs;
}

object::ObjectSpec Differential::minimise_run(const object::ObjectSpec& object,
                                              uint64_t seed) const {
    const std::string wanted = run(object, ask(object), seed).problem;
    return shrink(object, [&](const object::ObjectSpec& candidate) {
        const Runs now = run(candidate, ask(candidate), seed);
        return words(now.problem) == words(wanted);
    });
}

}  // namespace skep::verifier_test
