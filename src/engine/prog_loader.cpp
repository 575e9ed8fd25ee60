// SPDX-License-Identifier: Apache-2.0
#include "engine/prog_loader.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/calls.hpp"
#include "engine/coverage.hpp"
#include "engine/ctx_table.hpp"
#include "engine/embedded_types.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/jit/optimise.hpp"
#include "engine/jit/tiering.hpp"
#include "engine/mocks.hpp"
#include "engine/ops.hpp"
#include "engine/reachable.hpp"
#include "engine/verified_ops.hpp"
#include "isa/decode.hpp"
#include "maps/array.hpp"
#include "object/settle.hpp"
#include "platform/platform.hpp"
#include "verifier/verify.hpp"

namespace skep::engine {

namespace {

constexpr std::string_view kElsewhere = "run it in the kernel, which has more of them";

uint64_t unreachable_call(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.fault(Fault::Kind::BadCall,
                   "a call that was expected to be dead code: what it calls, or the field that a "
                   "CO-RE relocation asked for, does not exist here");
}

/// Whatever a program takes the address of is a function, whether the object names it or not.
void know_function(std::vector<object::Subprog>& subprogs, uint32_t insn) {
    const auto at = std::ranges::lower_bound(subprogs, insn, {}, &object::Subprog::insn);
    if (at == subprogs.end() || at->insn != insn)
        subprogs.insert(at, {.name = fmt::format("func_{}", insn), .insn = insn});
}

Error not_here(std::string message) {
    return Error{ErrorCode::Unsupported, std::move(message), std::string(kElsewhere), 0};
}

}  // namespace

Result<std::shared_ptr<const Prog>> ProgLoader::load(const object::ProgSpec& spec) {
    SKEP_TRY(isa::validate(spec.insns));
    std::shared_ptr<Prog> prog(new Prog());
    prog->spec_ = spec;
    prog->btf_ = object_.btf;
    prog->maps_ = &maps_;
    prog->timers_ = &timers_;
    prog->ctx_ = &ctx_table(prog->kind());
    if (prog->spec_.subprogs.empty())
        prog->spec_.subprogs.push_back({.name = spec.name, .insn = 0});
    prog->ops_ = SKEP_TRY(make_ops(spec.insns));
    for (const object::Reference& reference : spec.references)
        SKEP_TRY(resolve_map(*prog, reference));
    SKEP_TRY(resolve_calls(*prog));
    SKEP_TRY(verify(*prog));
    if (options_.traced)
        for (Op& op : prog->ops_) op.code += kOpCodes;
    if (options_.coverage) prog->coverage_ = std::make_unique<Coverage>(spec.insns, prog->ops_);
    if (options_.jit != Jit::Off && prog->unchecked_ && !options_.traced && !options_.coverage)
        SKEP_TRY(compile(*prog));
    return prog;
}

namespace {

/// What a function that ends in a tail call returns is what the other program does: the rules of
/// Linux 6.18 do not see that, so nothing may be built on them.
bool tail_calls_in_function(const Prog& prog) {
    const std::vector<isa::Insn>& insns = prog.spec().insns;
    size_t main_end = insns.size();
    for (size_t i = 0; i < insns.size(); i += insns[i].slots())
        if (const auto target = isa::function_target(insns[i], i); target && *target > 0)
            main_end = std::min(main_end, size_t(*target));
    return std::any_of(prog.ops().begin() + ptrdiff_t(main_end), prog.ops().end(),
                       [](const Op& op) { return OpCode(op.code) == OpCode::TailCall; });
}

}  // namespace

/// A program that cannot become machine code is interpreted.
Result<void> ProgLoader::compile(Prog& prog) const {
    auto native = jit::NativeCode::compile(prog);
    if (!native) {
        prog.why_not_native_ = native.error().message;
        return {};
    }
    prog.baseline_ = std::move(*native);
    prog.baseline_published_ = SKEP_TRY(jit::publish(prog, *prog.baseline_));
    prog.native_ = prog.baseline_.get();
    if (options_.jit == Jit::Optimising) prog.improve(jit::optimise(prog));
    if (options_.jit != Jit::Auto) return {};
    prog.longest_run_ = prog.verdict_->longest_path;
    prog.runs_until_hot_ = jit::kRunsUntilHot;
    return {};
}

Result<void> ProgLoader::verify(Prog& prog) const {
    std::string& why_not = prog.why_not_verified_;
    // Programs of type syscall are run by whoever embeds the engine (runtime/hook.cpp).
    if (platform::embedded_hook(prog.spec_.type) == platform::HookKind::None &&
        prog.spec_.type != ProgType::Syscall) {
        why_not = fmt::format("the engine has no events for programs of type {}",
                              to_string(prog.spec_.type));
        return {};
    }
    const verifier::Options options{.facts = true, .kernel_btf = &embedded_types()};
    prog.verdict_ = std::make_shared<const verifier::Verdict>(
        SKEP_TRY(verifier::verify(object_, prog.spec_, platform::embedded(), options)));
    const verifier::Verdict& verdict = *prog.verdict_;
    if (!verdict.accepted)
        why_not =
            fmt::format("the verifier refuses instruction {}: {}", verdict.insn,
                        std::string_view(verdict.reason).substr(0, verdict.reason.find('\n')));
    else if (tail_calls_in_function(prog))
        why_not = "a function of it makes a tail call";
    else
        why_not.clear();
    if (!prog.verified()) return {};
    // What a mock returns is nothing that the verifier knows.
    prog.unchecked_ = !options_.checked && options_.mocked.empty();
    if (prog.unchecked_)
        prog.ctx_bytes_ = rewrite_verified(prog.ops_, verdict, *prog.ctx_);
    else
        rewrite_probes(prog.ops_, verdict);
    return {};
}

Result<void> ProgLoader::resolve_map(Prog& prog, const object::Reference& reference) const {
    const object::MapSpec& spec = object_.maps[reference.index];
    maps::Map* map = maps_[reference.index];
    if (!map)
        return std::unexpected(
            not_here(fmt::format("it uses map '{}' of type {}, which the embedded engine does not "
                                 "have",
                                 printable(spec.name), to_string(spec.type))));
    Op& op = prog.ops_[reference.insn];
    if (reference.kind == object::Reference::Kind::Map) {
        op.imm = reinterpret_cast<uint64_t>(map);
        return {};
    }
    auto* array = map->as<maps::ArrayMap>();
    if (!array)
        return malformed("it takes the address of a value of map '{}', which is no array",
                         printable(spec.name));
    const auto values = array->direct_value();
    if (reference.addend < 0 || uint64_t(reference.addend) > values.size())
        return malformed("it refers to byte {} of map '{}', which has {}", reference.addend,
                         printable(spec.name), values.size());
    op.imm = reinterpret_cast<uint64_t>(values.data()) + uint64_t(reference.addend);
    return {};
}

Result<void> ProgLoader::resolve_calls(Prog& prog) const {
    const std::vector<bool> reachable = reachable_insns(prog.spec_.insns);
    prog.calls_.push_back({.fn = unreachable_call});
    for (uint32_t i = 0; i < prog.spec_.insns.size(); i++) {
        const isa::Insn& insn = prog.spec_.insns[i];
        Op& op = prog.ops_[i];
        if (op.code == uint16_t(OpCode::Lddw)) {
            if (insn.src == isa::kPseudoFunc) {
                know_function(prog.spec_.subprogs, uint32_t(op.imm));
                op.imm = reinterpret_cast<uint64_t>(&prog.ops_[op.imm]);
            } else if (insn.src != isa::kPseudoImm && insn.src != isa::kPseudoMapFd &&
                       insn.src != isa::kPseudoMapValue)
                return std::unexpected(not_here(
                    fmt::format("instruction {}: it refers to the kernel's variable with BTF id {}",
                                i, insn.imm)));
            i++;
            continue;
        }
        if (op.code == uint16_t(OpCode::CallHelper) || op.code == uint16_t(OpCode::TailCall)) {
            const auto call = helper_call(prog, uint32_t(insn.imm));
            if (!call && reachable[i]) return std::unexpected(Error(call.error()));
            if (op.code == uint16_t(OpCode::CallHelper) || !call) {
                op.code = uint16_t(OpCode::CallHelper);
                op.imm = call ? *call : 0;
            }
        } else if (op.code == uint16_t(OpCode::CallKfunc)) {
            const auto call = kfunc_call(prog, uint32_t(insn.imm));
            if (!call && reachable[i]) return std::unexpected(Error(call.error()));
            op.imm = call ? *call : 0;
        }
        i += uint32_t(insn.slots()) - 1;
    }
    return {};
}

Result<uint32_t> ProgLoader::helper_call(Prog& prog, uint32_t number) const {
    if (number == uint32_t(btf::kPoisonedHelper) || number >= uint32_t(object::kPoisonedKfunc))
        return 0;
    const auto id = platform::HelperId(number);
    const platform::HelperProto* proto = platform::embedded_helper(prog.kind(), id);
    if (std::ranges::count(options_.mocked, id) != 0 && mocked_helper(id)) {
        if (!proto) proto = &platform::helper_proto(id);
        prog.calls_.push_back({.fn = mocked_helper(id), .proto = proto});
        return uint32_t(prog.calls_.size() - 1);
    }
    if (!proto) {
        const platform::HelperInfo* info = platform::find_helper(number);
        if (!info) return malformed("it calls helper {}, which does not exist", number);
        if (!platform::embedded_has_helper(id))
            return std::unexpected(not_here(fmt::format(
                "it calls bpf_{}(), which the embedded engine does not have", info->name)));
        return std::unexpected(
            not_here(fmt::format("it calls bpf_{}(), which programs of type {} cannot have here",
                                 info->name, to_string(prog.spec_.type))));
    }
    prog.calls_.push_back({.fn = helper_fn(id), .proto = proto});
    SKEP_CHECK(prog.calls_.back().fn);
    return uint32_t(prog.calls_.size() - 1);
}

Result<uint32_t> ProgLoader::kfunc_call(Prog& prog, uint32_t id) const {
    const std::string_view name = embedded_types().type(id).name();
    const platform::KfuncInfo* info = platform::find_embedded_kfunc(name);
    if (!info)
        return std::unexpected(not_here(
            fmt::format("it calls the kernel function '{}' (BTF id {}), which the embedded "
                        "engine does not have",
                        printable(name), id)));
    prog.calls_.push_back({.fn = kfunc_fn(info->id), .kfunc = info});
    SKEP_CHECK(prog.calls_.back().fn);
    return uint32_t(prog.calls_.size() - 1);
}

}  // namespace skep::engine
