// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include "base/text.hpp"
#include "object/source.hpp"

// Initialisers of maps: relocations of .maps and .struct_ops. `.values = {[2] = &inner}` leaves one
// for each element that is not null, against the inner map or the program; a struct_ops variable
// has one for each function pointer.

namespace skep::object {

namespace {

constexpr uint64_t kPointer = 8;

class SlotReader {
  public:
    SlotReader(const Source& source, ObjectSpec& spec) : source_(source), spec_(spec) {
        for (const Function& function : source.functions) {
            prog_index_.push_back(uint32_t(next_prog_));
            next_prog_ += function.is_program;
        }
    }

    Result<void> read(const elf::Section& table) {
        const elf::Section& section = source_.elf.sections()[table.info];
        for (const elf::Relocation& relocation : SKEP_TRY(source_.elf.relocations(table))) {
            const elf::Symbol& symbol = source_.elf.symbols()[relocation.symbol];
            auto ok = read_slot(section, relocation.offset, symbol);
            if (!ok)
                return std::unexpected(
                    std::move(ok.error())
                        .in(fmt::format("section '{}', byte {}: reference to '{}'",
                                        printable(section.name), relocation.offset,
                                        source_.elf.describe(symbol))));
        }
        return {};
    }

  private:
    Result<void> read_slot(const elf::Section& section, uint64_t offset,
                           const elf::Symbol& symbol) {
        auto after = source_.map_at.upper_bound({section.index, offset});
        if (after == source_.map_at.begin() || (--after)->first.first != section.index)
            return malformed("it belongs to no map");
        MapSpec& map = spec_.maps[after->second];
        const uint64_t inside = offset - after->first.second;
        // A symbol may be the section, with the rest of the way in the bytes that it patches.
        const auto addend = load<uint64_t>(section.data, offset);
        if (!addend) return malformed("it lies outside the section");
        const uint64_t value = symbol.value + *addend;

        InitialSlot slot{uint32_t(inside), 0};
        if (map.type == MapType::StructOps) {
            if (inside + kPointer > map.value_size) return malformed("it belongs to no map");
            slot.index = SKEP_TRY(program(symbol, value));
        } else {
            slot.slot = SKEP_TRY(slot_of(map, inside));
            slot.index = SKEP_TRY(map.type == MapType::ProgArray ? program(symbol, value)
                                                                 : inner_map(symbol, value));
        }
        map.initial_slots.push_back(slot);
        return {};
    }

    /// Which element of 'values' lies at this byte of the map's variable.
    Result<uint32_t> slot_of(const MapSpec& map, uint64_t inside) const {
        const auto in_map = map.type == MapType::ArrayOfMaps || map.type == MapType::HashOfMaps;
        if (!in_map && map.type != MapType::ProgArray)
            return malformed("map '{}' takes no initial values", map.name);
        if (map.type == MapType::HashOfMaps && map.key_size != 4)
            return malformed("map '{}': initial values need keys of 4 bytes", map.name);
        const auto values = values_offset(map.name);
        if (!values || inside < *values || (inside - *values) % kPointer != 0)
            return malformed("map '{}': it is no element of 'values'", map.name);
        return uint32_t((inside - *values) / kPointer);
    }

    std::optional<uint64_t> values_offset(std::string_view map_name) const {
        const auto var = source_.btf->find(map_name, btf::Kind::Var);
        if (!var) return std::nullopt;
        const btf::Type definition = source_.btf->resolve(var->ref());
        if (!definition.is_composite() || definition.count() == 0) return std::nullopt;
        const btf::Member last = definition.member(definition.count() - 1);
        if (last.name != "values") return std::nullopt;
        return last.bit_offset / 8;
    }

    Result<uint32_t> inner_map(const elf::Symbol& symbol, uint64_t value) const {
        const auto found = source_.map_at.find({symbol.section, value});
        if (found == source_.map_at.end() || source_.role(symbol.section) != Role::Maps)
            return malformed("it is no map of section '.maps'");
        return found->second;
    }

    Result<uint32_t> program(const elf::Symbol& symbol, uint64_t value) const {
        const Function* function = source_.function_at(symbol.section, value / sizeof(isa::Insn));
        if (!function || !function->is_program || value % sizeof(isa::Insn) != 0)
            return malformed("it is no program");
        return prog_index_[source_.index_of(*function)];
    }

    const Source& source_;
    ObjectSpec& spec_;
    std::vector<uint32_t> prog_index_;  // by function; meaningful for programs
    size_t next_prog_ = 0;
};

}  // namespace

Result<void> read_initial_slots(const Source& source, ObjectSpec& spec) {
    SlotReader reader(source, spec);
    for (const elf::Section& section : source.elf.sections()) {
        if (section.type != SHT_REL && section.type != SHT_RELA) continue;
        const Role role = source.role(section.info);
        if (role == Role::Maps || role == Role::StructOps) SKEP_TRY(reader.read(section));
    }
    return {};
}

}  // namespace skep::object
