// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "btf/btf.hpp"
#include "btf/ext.hpp"
#include "elf/elf.hpp"
#include "object/spec.hpp"

// Inside of read_object(): the ELF file with what its sections, symbols and functions mean, as the
// steps of reading hand it on to each other. Views into the ELF bytes; lives for one call.

namespace skep::object {

/// What a section is to a BPF object.
enum class Role : uint8_t {
    Ignored,
    Code,
    Data,
    Rodata,
    Bss,
    Arena,
    Maps,        ///< ".maps": BTF-defined
    LegacyMaps,  ///< "maps": struct bpf_map_def
    StructOps,
};

/// What a relocation of an instruction refers to, once symbols are understood.
struct Target {
    enum class Kind : uint8_t { Map, MapValue, Extern, Call, FunctionAddress };
    Kind kind;
    uint32_t insn;   ///< in its function
    uint32_t index;  ///< into maps, externs or functions
    int64_t addend = 0;
};

/// A piece of code that a symbol delimits: a program, or a subprogram of any number of them.
struct Function {
    std::string_view name = {};
    uint32_t section = 0;
    uint32_t start = 0;  ///< in instructions, from the section's start
    uint32_t count = 0;
    bool global = false;      ///< verified on its own: a global symbol that is not hidden
    bool is_program = false;  ///< an entry point, not only a subprogram
    uint32_t btf_type = 0;
    std::vector<Target> targets = {};  ///< ascending by insn
};

struct Source {
    explicit Source(elf::Elf parsed) : elf(std::move(parsed)) {}

    elf::Elf elf;
    std::vector<Role> roles;  ///< by section index
    std::shared_ptr<const btf::Btf> btf;
    btf::Ext ext;
    std::vector<Function> functions;  ///< ascending by (section, start)
    /// Maps that symbols refer to, by (section, offset): declared and struct_ops ones.
    std::map<std::pair<uint32_t, uint64_t>, uint32_t> map_at;
    std::unordered_map<uint32_t, uint32_t> data_map;  ///< section -> its map
    std::unordered_map<std::string_view, uint32_t> extern_index;
    std::unordered_map<std::string_view, uint32_t> symbol_index;  ///< of global symbols

    Role role(uint32_t section) const {
        return section < roles.size() ? roles[section] : Role::Ignored;
    }
    const elf::Symbol* find_global(std::string_view name) const;
    /// The function that starts exactly there, or null.
    const Function* function_at(uint32_t section, uint64_t insn) const;
    uint32_t index_of(const Function& function) const {
        return uint32_t(&function - functions.data());
    }
};

/// Whether the key size suits the map's type (and the inner map's).
Result<void> check_keys(const MapSpec& map);

// The steps, in order. Each adds to the source and to the spec that is being built.

/// Sections' roles, license and version.
Result<void> classify_sections(Source& source, ObjectSpec& spec);
/// .BTF and .BTF.ext, with what the compiler left open filled in from ELF (externs included).
Result<void> read_types(Source& source, ObjectSpec& spec);
Result<void> collect_externs(Source& source, ObjectSpec& spec);
/// .maps, as BTF describes it.
Result<void> read_declared_maps(Source& source, ObjectSpec& spec);
/// "maps", the array of structs from before BTF.
Result<void> read_legacy_maps(Source& source, ObjectSpec& spec);
/// .data, .rodata, .bss and their kin, .kconfig, .struct_ops.
Result<void> make_data_maps(Source& source, ObjectSpec& spec);
Result<void> find_functions(Source& source);
Result<void> read_relocations(Source& source, const ObjectSpec& spec);
/// Puts each program together with the subprograms that it uses.
Result<void> link_programs(const Source& source, ObjectSpec& spec);
/// What map-in-maps, prog arrays and struct_ops are initialised with.
Result<void> read_initial_slots(const Source& source, ObjectSpec& spec);

}  // namespace skep::object
