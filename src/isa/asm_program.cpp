// SPDX-License-Identifier: Apache-2.0
#include "isa/asm_program.hpp"

#include <algorithm>

#include "isa/decode.hpp"

namespace skep::isa {
namespace {

bool is_call(const Insn& insn) {
    return insn.opcode == (kJmp | kCall);
}

/// Does its distance take all 32 bits of imm? It takes off otherwise.
bool distance_is_imm(const Insn& insn) {
    return is_call(insn) || insn.is_wide() || insn.opcode == (kJmp32 | kJa);
}

/// No name in the source contains '#', which begins a comment.
std::string local_name(std::string_view number, uint32_t count) {
    return fmt::format("{}#{}", number, count);
}

}  // namespace

void AsmProgram::append(const Insn& insn) {
    result_.insns.push_back(insn);
    result_.lines.push_back(statement_.line);
}

Parsed<void> AsmProgram::check_last(size_t slots) {
    if (auto legal = check(result_.insns, result_.insns.size() - slots); !legal)
        return error_at(statement_, "{}", legal.error().message);
    return {};
}

Parsed<void> AsmProgram::emit(const Insn& insn) {
    append(insn);
    return check_last(1);
}

Parsed<void> AsmProgram::emit_wide(const Insn& first, uint64_t imm) {
    append(first);
    result_.insns.back().imm = static_cast<int32_t>(imm);
    append({.imm = static_cast<int32_t>(imm >> 32)});
    return check_last(2);
}

Parsed<void> AsmProgram::emit_branch(const Insn& insn, const AsmTarget& target) {
    Fixup fixup{size(), target};
    SKEP_TRY(insn.is_wide() ? emit_wide(insn, 0) : emit(insn));
    if (target.label.empty()) return patch(fixup, target.distance);
    if (target.token.kind == Token::Kind::LocalRef) fixup.target.label = unique_name(target);
    fixups_.push_back(std::move(fixup));
    return {};
}

std::string AsmProgram::unique_name(const AsmTarget& target) const {
    const auto found = locals_.find(target.token.value);
    const uint32_t count = found == locals_.end() ? 0 : found->second;
    return local_name(std::to_string(target.token.value),
                      count + (target.label.ends_with('f') ? 1 : 0));
}

Parsed<void> AsmProgram::define_label(const Token& name_token, std::string_view name) {
    const bool first = !std::exchange(has_named_label_, true);
    const auto [label, is_new] =
        labels_.try_emplace(std::string(name), Label{size(), name_token.line, first});
    if (!is_new)
        return error_at(name_token, "label '{}' is defined in line {} already", printable(name),
                        label->second.line);
    return {};
}

void AsmProgram::define_local(uint64_t number) {
    const uint32_t count = ++locals_[number];
    labels_[local_name(std::to_string(number), count)] = {size(), statement_.line, false};
}

Parsed<void> AsmProgram::patch(const Fixup& fixup, int64_t distance) {
    Insn& insn = result_.insns[fixup.insn];
    if (distance_is_imm(insn)) {
        if (distance < INT32_MIN || distance > INT32_MAX)
            return error_at(fixup.target.token, "the distance does not fit into 32 bits");
        insn.imm = static_cast<int32_t>(distance);
        return {};
    }
    if (distance < INT16_MIN || distance > INT16_MAX)
        return with_hint(error_at(fixup.target.token,
                                  "{} instructions are too far for a 16-bit distance", distance),
                         "gotol goes anywhere");
    insn.off = static_cast<int16_t>(distance);
    return {};
}

Parsed<void> AsmProgram::resolve(const Fixup& fixup, const HelperNumber& helper) {
    Insn& insn = result_.insns[fixup.insn];
    if (const auto found = labels_.find(fixup.target.label); found != labels_.end()) {
        Label& label = found->second;
        label.function |= is_call(insn) || insn.is_wide();
        return patch(fixup, int64_t{label.insn} - int64_t{fixup.insn} - 1);
    }
    if (is_call(insn) && helper) {
        if (const auto number = helper(fixup.target.label)) {
            insn.src = kCallHelper;
            insn.imm = *number;
            return {};
        }
    }
    std::vector<std::string_view> names;
    for (const auto& [name, label] : labels_) names.push_back(name);
    std::ranges::sort(names);
    return with_hint(
        error_at(fixup.target.token, "there is no label{} {}",
                 is_call(insn) && helper ? " and no helper" : "", describe(fixup.target.token)),
        did_you_mean(fixup.target.label, names));
}

Parsed<void> AsmProgram::mark_globals() {
    for (const Token& name : globals_) {
        const auto label = labels_.find(std::string(name.text));
        if (label == labels_.end()) return error_at(name, "there is no label {}", describe(name));
        label->second.function = true;
    }
    return {};
}

Parsed<Assembly> AsmProgram::finish(const HelperNumber& helper) {
    for (const Fixup& fixup : fixups_) SKEP_TRY(resolve(fixup, helper));
    SKEP_TRY(mark_globals());
    for (const auto& [name, label] : labels_) {
        if (label.function) result_.functions.push_back({name, label.insn});
    }
    std::ranges::sort(result_.functions, {}, [](const AsmFunction& function) {
        return std::pair(function.insn, std::string_view(function.name));
    });
    return std::exchange(result_, {});
}

}  // namespace skep::isa
