// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "btf/btf.hpp"

// Types as C spells them, which is inside out: `int (*table[4])(void)`.
//
//     btf::c_type(btf, id)                   // "struct task_struct *"
//     btf::c_declaration(btf, id, "comm")    // "char comm[16]"

namespace skep::btf {

/// The type alone; anonymous structs, unions and enums as "struct {...}".
std::string c_type(const Btf& btf, uint32_t type);

/// A declaration of `name`, without the semicolon. Of a FUNC's prototype: "int main(int argc)".
std::string c_declaration(const Btf& btf, uint32_t type, std::string_view name);

/// `name` if it is a C identifier, else with '_' for each character that is not allowed in one.
std::string c_identifier(std::string_view name);

/// The C name of an Int or Float: its own where that is made of C's keywords, else by size.
std::string c_number_type(const Type& type);

/// Builds declarations over a function that spells what is not a pointer, array, function or
/// qualifier: numbers, structs, unions, enums, typedefs, void. Hostile BTF can describe types whose
/// spelling is endless or exponential, so a Declarator stops after a depth and an amount of work;
/// exhausted() tells.
class Declarator {
  public:
    using SpellBase = std::function<std::string(const Type&)>;
    Declarator(const Btf& btf, SpellBase spell_base, size_t budget)
        : btf_(btf), spell_base_(std::move(spell_base)), budget_(budget) {}

    std::string declare(uint32_t type, std::string name);
    bool exhausted() const { return budget_ == 0; }

  private:
    std::string parameters(const Type& proto);

    const Btf& btf_;
    SpellBase spell_base_;
    size_t budget_;
    int depth_ = 0;
};

}  // namespace skep::btf
