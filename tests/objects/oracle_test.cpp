// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <set>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "btf/dump_c.hpp"
#include "btf/dump_raw.hpp"
#include "elf/elf.hpp"
#include "tools.hpp"

// Other tools read the same objects: llvm-objdump the instructions, bpftool the types, and clang
// the C that we write from types.

namespace skep::object {

std::vector<std::string> all_objects() {
    std::vector<std::string> paths;
    const auto add = [&](const std::filesystem::path& folder) {
        std::error_code none;
        for (const auto& entry : std::filesystem::directory_iterator(folder, none))
            if (entry.path().extension() == ".o") paths.push_back(entry.path().string());
    };
    add(skep::testing::binary_dir() / "tests/objects");
    add(skep::testing::binary_dir() / "examples");
    add("/usr/lib/x86_64-linux-gnu/bpf");  // xdp-tools, libxdp1
    add("/usr/lib/aarch64-linux-gnu/bpf");
    add("/lib/udev/rc_keymaps/protocols");  // ir-keytable
    std::erase_if(paths, [](const std::string& path) { return path.ends_with("/linked_a.bpf.o"); });
    std::ranges::sort(paths);
    return paths;
}

namespace {

/// The instructions of each section as llvm-objdump prints their bytes.
std::map<std::string, Bytes> objdump(const std::string& path) {
    std::map<std::string, Bytes> sections;
    Bytes* current = nullptr;
    const std::string text =
        output_of("llvm-objdump-19 -d --triple=bpfel " + path + " 2>/dev/null");
    for (const std::string_view line : split(text, '\n')) {
        constexpr std::string_view kHeading = "Disassembly of section ";
        if (line.starts_with(kHeading)) {
            current = &sections[std::string(
                line.substr(kHeading.size(), line.size() - kHeading.size() - 1))];
            continue;
        }
        const size_t colon = line.find(":\t");
        if (!current || colon == std::string_view::npos) continue;
        const std::string_view bytes = line.substr(colon + 2);
        append(*current, ByteView(from_hex(bytes.substr(0, bytes.find('\t'))).value()));
    }
    return sections;
}

/// Without what a reader or loader settles: calls, map references, relocated values.
isa::Insn plain(isa::Insn insn) {
    if (insn.opcode == 0x85 || insn.is_wide()) {
        insn.src = 0;
        insn.imm = 0;
    }
    return insn;
}

TEST(Oracle, InstructionsAreThoseOfLlvmObjdump) {
    if (!have_command("llvm-objdump-19")) SKEP_SKIP("llvm-objdump-19 is not installed");
    size_t compared = 0;
    for (const std::string& path : all_objects()) {
        const ObjectSpec object = read_or_fail(path);
        const auto bytes = read_file(path);
        const auto elf = elf::Elf::parse(*bytes);
        ASSERT_TRUE(elf) << path;
        const auto sections = objdump(path);
        for (const ProgSpec& prog : object.progs)
            for (const Subprog& subprog : prog.subprogs) {
                const auto symbol =
                    std::ranges::find(elf->symbols(), subprog.name, &elf::Symbol::name);
                ASSERT_NE(symbol, elf->symbols().end()) << subprog.name;
                const auto section =
                    sections.find(std::string(elf->sections()[symbol->section].name));
                ASSERT_NE(section, sections.end()) << path;
                for (uint64_t i = 0; i < symbol->size / 8; i++) {
                    const auto theirs = load<isa::Insn>(section->second, symbol->value + 8 * i);
                    ASSERT_TRUE(theirs) << path << " " << subprog.name;
                    isa::Insn ours = prog.insns[subprog.insn + i];
                    const bool second_half = i > 0 && prog.insns[subprog.insn + i - 1].is_wide();
                    ASSERT_EQ(ours.opcode, theirs->opcode) << path << " " << prog.name << " " << i;
                    if (!second_half) {
                        ASSERT_EQ(plain(ours), plain(*theirs))
                            << path << " " << prog.name << " " << i;
                    }
                    compared++;
                }
            }
    }
    EXPECT_GT(compared, 500u);
}

TEST(Oracle, TypesAreThoseOfBpftool) {
    if (!have_command("bpftool")) SKEP_SKIP("bpftool is not installed");
    size_t compared = 0;
    for (const std::string& path : all_objects()) {
        const auto bytes = read_file(path);
        const auto elf = elf::Elf::parse(*bytes);
        const elf::Section* section = elf ? elf->find(".BTF") : nullptr;
        if (!section) continue;
        const auto btf = btf::Btf::parse(Bytes(section->data.begin(), section->data.end()));
        ASSERT_TRUE(btf) << path << ": " << btf.error().message;
        EXPECT_EQ(btf::dump_raw(**btf), output_of("bpftool btf dump file " + path + " format raw"))
            << path;
        compared++;
    }
    EXPECT_GE(compared, 15u);
}

// The C dump, compiled by clang, must have the layout that BTF describes. Sizes are asserted for
// all types. For members, clang's own BTF is compared: it describes what a variable points to. That
// takes clang time that grows with the square of the variables, so for a kernel's 10,000 types it
// is done for those with bitfields and for a share of the others.

std::string with_checks(const btf::Btf& btf, const std::string& header) {
    std::string source = "#define BPF_NO_PRESERVE_ACCESS_INDEX\n" + header;
    const uint32_t share = btf.type_count() > 1000 ? 16 : 1;
    std::set<std::string_view> seen;
    for (uint32_t id = 1; id < btf.type_count(); id++) {
        const btf::Type type = btf.type(id);
        const char* keyword = type.kind() == btf::Kind::Struct  ? "struct"
                              : type.kind() == btf::Kind::Union ? "union"
                              : type.is_enum()                  ? "enum"
                                                                : nullptr;
        // Only the first of several types with one name keeps it.
        if (!keyword || type.name().empty() || !seen.insert(type.name()).second) continue;
        if (type.is_enum() && type.count() == 0) continue;
        source += fmt::format("_Static_assert(sizeof({0} {1}) == {2}, \"{1}\");\n", keyword,
                              type.name(), type.size());
        if ((type.is_composite() && type.flag()) || id % share == 0)
            source += fmt::format("{} {} *pointer_{};\n", keyword, type.name(), id);
    }
    return source;
}

class LayoutComparison {
  public:
    LayoutComparison(const btf::Btf& original, const btf::Btf& compiled)
        : original_(original), compiled_(compiled) {}

    void compare(uint32_t original_id, uint32_t compiled_id, const std::string& where) {
        const btf::Type a = original_.resolve(original_id), b = compiled_.resolve(compiled_id);
        types_++;
        ASSERT_EQ(a.kind(), b.kind()) << where;
        ASSERT_EQ(original_.size_of(a.id()), compiled_.size_of(b.id())) << where;
        if (a.is_enum()) return compare_enums(a, b, where);
        if (!a.is_composite()) return;
        ASSERT_EQ(a.count(), b.count()) << where;
        for (uint32_t i = 0; i < a.count(); i++) {
            const btf::Member x = a.member(i), y = b.member(i);
            const std::string inner = fmt::format("{}.{}", where, x.name);
            ASSERT_EQ(x.name, y.name) << where;
            ASSERT_EQ(x.bit_offset, y.bit_offset) << inner;
            ASSERT_EQ(x.bitfield_size, y.bitfield_size) << inner;
            const btf::Type member = original_.resolve(x.type);
            if (member.is_composite() && member.name().empty()) compare(x.type, y.type, inner);
        }
    }

    size_t types() const { return types_; }

  private:
    static void compare_enums(const btf::Type& a, const btf::Type& b, const std::string& where) {
        ASSERT_EQ(a.count(), b.count()) << where;
        for (uint32_t i = 0; i < a.count(); i++)
            ASSERT_EQ(a.enumerator(i).value, b.enumerator(i).value) << where;
    }

    const btf::Btf& original_;
    const btf::Btf& compiled_;
    size_t types_ = 0;
};

/// Compiles the dump and compares every named struct, union and enum. Returns how many types.
size_t check_dump(const btf::Btf& btf) {
    const auto header = btf::dump_c(btf);
    EXPECT_TRUE(header) << header.error().message;
    if (!header) return 0;
    const skep::testing::ScratchDir scratch;
    const std::string source = with_checks(btf, *header);
    EXPECT_TRUE(write_file(scratch.file("dump.c"), bytes_of(std::string_view(source))));
    output_of(fmt::format("clang-19 -target bpf -g -O2 -Werror -c {} -o {} 2>&1",
                          scratch.file("dump.c"), scratch.file("dump.o")));
    const auto object = read_file(scratch.file("dump.o"));
    EXPECT_TRUE(object);
    if (!object) return 0;
    const auto elf = elf::Elf::parse(*object);
    const elf::Section* section = elf->find(".BTF");
    const auto compiled = btf::Btf::parse(Bytes(section->data.begin(), section->data.end()));
    EXPECT_TRUE(compiled) << compiled.error().message;

    LayoutComparison comparison(btf, **compiled);
    for (uint32_t id = 1; id < (*compiled)->type_count(); id++) {
        const btf::Type var = (*compiled)->type(id);
        if (var.kind() != btf::Kind::Var || !var.name().starts_with("pointer_")) continue;
        const auto original = parse_uint(var.name().substr(8));
        const uint32_t pointee = (*compiled)->resolve(var.ref()).ref();
        comparison.compare(uint32_t(*original), pointee,
                           std::string(btf.type(uint32_t(*original)).name()));
    }
    return comparison.types();
}

TEST(Oracle, ClangCompilesTheDumpOfTrickyTypesToTheSameLayout) {
    const ObjectSpec object = read_or_fail(object_path("types"));
    ASSERT_TRUE(object.btf);
    EXPECT_GE(check_dump(*object.btf), 12u);
}

TEST(Oracle, ClangCompilesTheDumpOfTheKernelToTheSameLayout) {
    const char* path = "/sys/kernel/btf/vmlinux";
    if (!std::filesystem::exists(path)) SKEP_SKIP("this kernel publishes no BTF");
    const auto btf = btf::Btf::load(path);
    ASSERT_TRUE(btf) << btf.error().message;
    EXPECT_GE(check_dump(**btf), 1000u);
}

}  // namespace
}  // namespace skep::object
