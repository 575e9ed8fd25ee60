// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "isa/asm_operands.hpp"
#include "isa/assemble.hpp"

// What the assembler has put out so far: instructions, labels, and the branches whose label is
// still to come.

namespace skep::isa {

class AsmProgram {
  public:
    /// Instructions appended from now on belong to this line; their errors point at this token.
    void begin_statement(const Token& first) { statement_ = first; }

    Parsed<void> emit(const Insn& insn);
    Parsed<void> emit_wide(const Insn& first, uint64_t imm);
    /// A jump or call: the distance goes into off, or into imm for gotol, calls and addresses.
    Parsed<void> emit_branch(const Insn& insn, const AsmTarget& target);

    Parsed<void> define_label(const Token& name_token, std::string_view name);
    /// "1:", which may be defined any number of times.
    void define_local(uint64_t number);
    void declare_global(const Token& name) { globals_.push_back(name); }

    /// Resolves what is left, and is then empty.
    Parsed<Assembly> finish(const HelperNumber& helper);

  private:
    struct Label {
        uint32_t insn;
        uint32_t line;
        bool function;
    };
    struct Fixup {
        uint32_t insn;
        AsmTarget target;
    };

    uint32_t size() const { return static_cast<uint32_t>(result_.insns.size()); }
    void append(const Insn& insn);
    Parsed<void> check_last(size_t slots);
    std::string unique_name(const AsmTarget& target) const;
    Parsed<void> patch(const Fixup& fixup, int64_t distance);
    Parsed<void> resolve(const Fixup& fixup, const HelperNumber& helper);
    Parsed<void> mark_globals();

    Assembly result_;
    Token statement_;
    std::unordered_map<std::string, Label> labels_;
    std::unordered_map<uint64_t, uint32_t> locals_;  ///< how often "1:" has been defined
    bool has_named_label_ = false;
    std::vector<Token> globals_;
    std::vector<Fixup> fixups_;
};

}  // namespace skep::isa
