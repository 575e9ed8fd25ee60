// SPDX-License-Identifier: Apache-2.0
#include "verifier/foreign_object.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "base/file.hpp"
#include "btf/btf.hpp"
#include "object/read.hpp"

namespace skep::verifier_test {

namespace {

constexpr uint32_t kMapBytes = 20;     // type, key size, value size, entries, flags
constexpr uint32_t kRelocation64 = 1;  // R_BPF_64_64

/// Rewrites an object's bytes; whatever does not fit is left alone for the reader to refuse.
class Adapter {
  public:
    explicit Adapter(Bytes bytes) : bytes_(std::move(bytes)) {}

    Bytes run() {
        if (!load(header_, 0) || header_.e_shentsize != sizeof(Elf64_Shdr))
            return std::move(bytes_);
        for (uint32_t i = 0; i < header_.e_shnum; i++) {
            Elf64_Shdr section{};
            if (!load(section, header_at(i))) return std::move(bytes_);
            sections_.push_back(section);
        }
        for (uint32_t i = 0; i < sections_.size(); i++) {
            if (sections_[i].sh_type == SHT_RELA) drop_addends(i);
            if (sections_[i].sh_type == SHT_SYMTAB) {
                shorten_maps(sections_[i]);
                make_functions(sections_[i]);
            }
            if (name_of(sections_[i]) == ".BTF") drop_pinning(sections_[i]);
        }
        return std::move(bytes_);
    }

  private:
    template <typename T>
    bool load(T& value, uint64_t offset) const {
        if (offset > bytes_.size() || bytes_.size() - offset < sizeof value) return false;
        std::memcpy(&value, bytes_.data() + offset, sizeof value);
        return true;
    }
    template <typename T>
    void store(const T& value, uint64_t offset) {
        if (offset > bytes_.size() || bytes_.size() - offset < sizeof value) return;
        std::memcpy(bytes_.data() + offset, &value, sizeof value);
    }
    uint64_t header_at(uint32_t i) const { return header_.e_shoff + sizeof(Elf64_Shdr) * i; }

    std::string_view name_of(const Elf64_Shdr& section) const {
        if (header_.e_shstrndx >= sections_.size()) return {};
        const uint64_t at = sections_[header_.e_shstrndx].sh_offset + section.sh_name;
        if (at >= bytes_.size()) return {};
        const char* text = reinterpret_cast<const char*>(bytes_.data()) + at;
        return {text, strnlen(text, bytes_.size() - at)};
    }

    void drop_addends(uint32_t index) {
        Elf64_Shdr section = sections_[index];
        const uint64_t count = section.sh_size / sizeof(Elf64_Rela);
        for (uint64_t i = 0; i < count; i++) {
            Elf64_Rela entry{};
            if (!load(entry, section.sh_offset + i * sizeof entry)) return;
            uint32_t type = ELF64_R_TYPE(entry.r_info);
            if (type == 0) type = kRelocation64;
            const Elf64_Rel plain{entry.r_offset, ELF64_R_INFO(ELF64_R_SYM(entry.r_info), type)};
            store(plain, section.sh_offset + i * sizeof plain);
        }
        section.sh_type = SHT_REL;
        section.sh_size = count * sizeof(Elf64_Rel);
        section.sh_entsize = sizeof(Elf64_Rel);
        store(section, header_at(index));
    }

    /// A definition reaches to the next one, or to the end of its section.
    void shorten_maps(const Elf64_Shdr& symbols) {
        std::set<std::pair<uint32_t, uint64_t>> starts;
        for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= symbols.sh_size; at += sizeof(Elf64_Sym)) {
            Elf64_Sym symbol{};
            if (!load(symbol, symbols.sh_offset + at) || symbol.st_shndx >= sections_.size())
                continue;
            if (name_of(sections_[symbol.st_shndx]) == "maps")
                starts.emplace(symbol.st_shndx, symbol.st_value);
        }
        for (auto start = starts.begin(); start != starts.end(); ++start) {
            const Elf64_Shdr& section = sections_[start->first];
            const auto next = std::next(start);
            const bool last = next == starts.end() || next->first != start->first;
            const uint64_t end = last ? section.sh_size : next->second;
            for (uint64_t i = start->second + kMapBytes; i < end; i++)
                store(uint8_t{0}, section.sh_offset + i);
        }
    }

    /// Old compilers leave symbols of functions without type and size.
    void make_functions(const Elf64_Shdr& symbols) {
        std::map<std::pair<uint32_t, uint64_t>, uint64_t> at;  // section and place -> symbol
        for (uint64_t i = 0; i + sizeof(Elf64_Sym) <= symbols.sh_size; i += sizeof(Elf64_Sym)) {
            Elf64_Sym symbol{};
            if (!load(symbol, symbols.sh_offset + i) || symbol.st_shndx >= sections_.size())
                continue;
            if (!(sections_[symbol.st_shndx].sh_flags & SHF_EXECINSTR)) continue;
            if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) return;
            if (ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL)
                at.try_emplace({symbol.st_shndx, symbol.st_value}, i);
        }
        for (auto entry = at.begin(); entry != at.end(); ++entry) {
            const auto next = std::next(entry);
            const bool last = next == at.end() || next->first.first != entry->first.first;
            Elf64_Sym symbol{};
            load(symbol, symbols.sh_offset + entry->second);
            symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
            symbol.st_size =
                (last ? sections_[symbol.st_shndx].sh_size : next->first.second) - symbol.st_value;
            store(symbol, symbols.sh_offset + entry->second);
        }
    }

    /// `pinning` is a pointer to an array of as many elements as the way to pin says.
    void drop_pinning(const Elf64_Shdr& section) {
        if (section.sh_offset + section.sh_size > bytes_.size()) return;
        const auto begin = bytes_.begin() + ptrdiff_t(section.sh_offset);
        const auto types = btf::Btf::parse(Bytes(begin, begin + ptrdiff_t(section.sh_size)));
        if (!types) return;
        for (uint32_t id = 1; id < (*types)->type_count(); id++) {
            const btf::Type type = (*types)->type(id);
            if (type.kind() != btf::Kind::Struct) continue;
            for (uint32_t i = 0; i < type.count(); i++) {
                const btf::Member member = type.member(i);
                if (member.name != "pinning") continue;
                if (const auto by_name = pointer_to_one(**types))
                    store(*by_name, section.sh_offset + (*types)->record_offset(type) + 12 +
                                        uint64_t{12} * i + 4);
            }
        }
    }

    /// The id of a pointer to an array of 1: LIBBPF_PIN_BY_NAME.
    static std::optional<uint32_t> pointer_to_one(const btf::Btf& types) {
        for (uint32_t id = 1; id < types.type_count(); id++) {
            const btf::Type type = types.type(id);
            if (type.kind() != btf::Kind::Ptr) continue;
            const btf::Type array = types.type(type.ref());
            if (array.kind() == btf::Kind::Array && array.array().count == 1) return id;
        }
        return std::nullopt;
    }

    Bytes bytes_;
    Elf64_Ehdr header_{};
    std::vector<Elf64_Shdr> sections_;
};

void guess_type(object::ProgSpec& prog, const std::string& path) {
    const auto has = [](std::string_view text, std::string_view part) {
        return text.find(part) != std::string_view::npos;
    };
    const std::string_view file = std::string_view(path).substr(path.rfind('/') + 1);
    if (has(path, "rc_keymaps"))
        prog.type = ProgType::LircMode2;
    else if (has(prog.section, "xdp") || has(file, "xdp"))
        prog.type = ProgType::Xdp;
    else if (has(prog.section, "kprobe"))
        prog.type = ProgType::Kprobe;
    else
        prog.type = ProgType::SchedCls;
}

void set_sizes(object::MapSpec& map) {
    switch (map.type) {
        case MapType::PerfEventArray: break;
        case MapType::StackTrace:
            if (map.value_size == 0) map.value_size = 127 * 8;
            [[fallthrough]];
        default:
            if (map.max_entries == 0 && map.type != MapType::SkStorage &&
                map.type != MapType::TaskStorage && map.type != MapType::InodeStorage &&
                map.type != MapType::CgrpStorage && map.type != MapType::CgroupStorage &&
                map.type != MapType::PercpuCgroupStorage && map.type != MapType::StructOps)
                map.max_entries = map.type == MapType::Ringbuf ? 4096 : 64;
    }
}

}  // namespace

Result<object::ObjectSpec> read_any_object(const std::string& path) {
    const Bytes bytes = Adapter(SKEP_TRY(read_file(path))).run();
    object::ObjectSpec object = SKEP_TRY(object::read_object(bytes, path));
    for (object::ProgSpec& prog : object.progs)
        if (prog.type == ProgType::Unspec) guess_type(prog, path);
    for (object::MapSpec& map : object.maps) set_sizes(map);
    return object;
}

}  // namespace skep::verifier_test
