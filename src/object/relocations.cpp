// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include <algorithm>

#include "base/text.hpp"
#include "object/source.hpp"

// Relocations of code: each names an instruction and a symbol, and becomes a Target. What lies in
// between (libbpf's bpf_program__record_reloc()):
//   - a symbol may be a variable or function itself, or its section, and then the instruction's imm
//     says how far into it: bytes for lddw, instructions less one for a call
//   - code that no function covers belonged to a weak function that a linker dropped

namespace skep::object {

namespace {

constexpr uint64_t kInsnSize = sizeof(isa::Insn);

// BPF ELF relocation types that patch instructions: R_BPF_64_64 and R_BPF_64_32.
constexpr uint32_t kRelocWide = 1;
constexpr uint32_t kRelocCall = 10;

class Resolver {
  public:
    Resolver(const Source& source, const ObjectSpec& spec) : source_(source), spec_(spec) {}

    Result<Target> resolve(const isa::Insn& insn, const elf::Symbol& symbol) const {
        const bool call = insn.opcode == (uint8_t{isa::kJmp} | isa::kCall);
        if (!call && !insn.is_wide())
            return malformed("opcode 0x{:02x} cannot refer to a symbol", insn.opcode);
        if (symbol.undefined()) return external(symbol, call);
        if (symbol.section >= source_.roles.size())
            return malformed("it is in no section; is the variable initialised?");
        if (call) return call_target(insn, symbol);
        switch (source_.role(symbol.section)) {
            case Role::Code: return function_address(insn, symbol);
            case Role::Data:
            case Role::Rodata:
            case Role::Bss:
            case Role::Arena: return data_target(insn, symbol);
            case Role::Maps:
            case Role::LegacyMaps: return map_target(insn, symbol);
            default:
                return malformed("programs cannot refer to section '{}'",
                                 printable(source_.elf.sections()[symbol.section].name));
        }
    }

  private:
    Result<Target> external(const elf::Symbol& symbol, bool call) const {
        const auto found = source_.extern_index.find(symbol.name);
        if (found == source_.extern_index.end()) {
            Error error{ErrorCode::Malformed, "it is not defined anywhere",
                        "declare it __ksym or __kconfig, or link the object that defines it with "
                        "'bpftool gen object'",
                        0};
            if (!source_.btf) error.hint = "compile with -g: externs need BTF";
            return std::unexpected(std::move(error));
        }
        const Extern& external = spec_.externs[found->second];
        const bool is_function = external.kind == Extern::Kind::KsymFunc;
        if (call && !is_function) return malformed("it is a variable and cannot be called");
        return Target{Target::Kind::Extern, 0, found->second};
    }

    Result<Target> function(uint32_t section, int64_t insn, Target::Kind kind) const {
        const Function* found = source_.function_at(section, uint64_t(insn));
        if (!found)
            return malformed("no function starts at instruction {} of section '{}'", insn,
                             printable(source_.elf.sections()[section].name));
        return Target{kind, 0, source_.index_of(*found)};
    }

    Result<Target> call_target(const isa::Insn& insn, const elf::Symbol& symbol) const {
        if (insn.src != isa::kCallLocal)
            return malformed("the call is of kind {}, not to a function", uint8_t(insn.src));
        if (symbol.value % kInsnSize != 0) return malformed("it is not at an instruction");
        return function(symbol.section, int64_t(symbol.value / kInsnSize) + insn.imm + 1,
                        Target::Kind::Call);
    }

    Result<Target> function_address(const isa::Insn& insn, const elf::Symbol& symbol) const {
        const int64_t offset = int64_t(symbol.value) + insn.imm;
        if (offset % int64_t(kInsnSize) != 0) return malformed("it is not at an instruction");
        return function(symbol.section, offset / int64_t(kInsnSize), Target::Kind::FunctionAddress);
    }

    Result<Target> data_target(const isa::Insn& insn, const elf::Symbol& symbol) const {
        const auto found = source_.data_map.find(symbol.section);
        if (found == source_.data_map.end()) return malformed("its section is empty");
        return Target{Target::Kind::MapValue, 0, found->second, int64_t(symbol.value) + insn.imm};
    }

    Result<Target> map_target(const isa::Insn& insn, const elf::Symbol& symbol) const {
        const uint64_t offset = symbol.value + uint64_t(int64_t{insn.imm});
        const auto found = source_.map_at.find({symbol.section, offset});
        if (found == source_.map_at.end())
            return malformed("no map is defined at byte {} of section '{}'", offset,
                             printable(source_.elf.sections()[symbol.section].name));
        return Target{Target::Kind::Map, 0, found->second};
    }

    const Source& source_;
    const ObjectSpec& spec_;
};

/// The function that holds instruction `insn` of a section, or null.
Function* containing(std::vector<Function>& functions, uint32_t section, uint64_t insn) {
    const auto after = std::ranges::upper_bound(
        functions, std::pair{section, insn}, {},
        [](const Function& f) { return std::pair{f.section, uint64_t{f.start}}; });
    if (after == functions.begin()) return nullptr;
    Function& function = *std::prev(after);
    const bool inside = function.section == section && insn < function.start + function.count;
    return inside ? &function : nullptr;
}

Result<void> read_section(Source& source, const Resolver& resolver, const elf::Section& table) {
    const elf::Section& code = source.elf.sections()[table.info];
    for (const elf::Relocation& relocation : SKEP_TRY(source.elf.relocations(table))) {
        const elf::Symbol& symbol = source.elf.symbols()[relocation.symbol];
        if (relocation.offset % kInsnSize != 0 || relocation.offset >= code.data.size())
            return malformed("section '{}': relocation at byte {} is not at an instruction",
                             printable(code.name), relocation.offset);
        const uint64_t insn = relocation.offset / kInsnSize;
        Function* function = containing(source.functions, code.index, insn);
        if (!function) continue;
        const auto context = [&] {
            return fmt::format("function '{}', instruction {}: reference to '{}'",
                               printable(function->name), insn - function->start,
                               source.elf.describe(symbol));
        };
        if (relocation.type != kRelocWide && relocation.type != kRelocCall)
            return malformed("{}: relocation type {} is not known", context(), relocation.type);
        auto target = resolver.resolve(*load<isa::Insn>(code.data, relocation.offset), symbol);
        if (!target) return std::unexpected(std::move(target.error()).in(context()));
        target->insn = uint32_t(insn - function->start);
        function->targets.push_back(*target);
    }
    return {};
}

}  // namespace

Result<void> read_relocations(Source& source, const ObjectSpec& spec) {
    const Resolver resolver(source, spec);
    for (const elf::Section& section : source.elf.sections()) {
        if ((section.type != SHT_REL && section.type != SHT_RELA)) continue;
        if (source.role(section.info) != Role::Code) continue;
        SKEP_TRY(read_section(source, resolver, section));
    }
    for (Function& function : source.functions) {
        std::ranges::stable_sort(function.targets, {}, &Target::insn);
        const auto twice = std::ranges::adjacent_find(function.targets, {}, &Target::insn);
        if (twice != function.targets.end())
            return malformed("function '{}': two relocations of instruction {}",
                             printable(function.name), twice->insn);
    }
    return {};
}

}  // namespace skep::object
