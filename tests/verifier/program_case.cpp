// SPDX-License-Identifier: Apache-2.0
#include "verifier/program_case.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "btf/btf.hpp"
#include "btf/writer.hpp"
#include "isa/assemble.hpp"
#include "isa/disasm.hpp"
#include "platform/helpers.hpp"

namespace skep::verifier_test {

namespace {

Result<object::MapSpec> parse_map(std::string_view text, size_t number) {
    object::MapSpec map{.name = fmt::format("map{}", number)};
    std::vector<std::string_view> words;
    for (const std::string_view word : split(text, ' '))
        if (!word.empty()) words.push_back(word);
    if (words.empty()) return malformed("map: no type");
    const auto type = map_type_from(words[0]);
    if (!type) return malformed("map type '{}'", words[0]);
    map.type = *type;
    for (size_t i = 1; i + 1 < words.size(); i += 2) {
        const auto value = static_cast<uint32_t>(parse_uint(words[i + 1]).value_or(0));
        if (words[i] == "key") map.key_size = value;
        if (words[i] == "value") map.value_size = value;
        if (words[i] == "entries") map.max_entries = value;
        if (words[i] == "flags") map.flags = value;
    }
    return map;
}

std::optional<int32_t> helper_number(std::string_view name) {
    if (name.starts_with("bpf_")) name.remove_prefix(4);
    for (uint32_t id = 1; id < 256; id++)
        if (const auto* helper = platform::find_helper(id); helper && helper->name == name)
            return static_cast<int32_t>(id);
    return std::nullopt;
}

/// Types of functions: without them the kernel takes no program that has callbacks. One object for
/// all programs, so that it is loaded once.
constexpr uint32_t kFunctions = 16;
struct FunctionTypes {
    std::shared_ptr<const btf::Btf> btf;
    uint32_t first = 0;
};
const FunctionTypes& function_types() {
    static const FunctionTypes types = [] {
        btf::Writer writer;
        const uint32_t number = writer.add_int("int", 4, btf::Writer::Encoding::Signed);
        const uint32_t proto = writer.add_func_proto(number, {{"a", number}, {"b", number}});
        FunctionTypes out{.btf = {}, .first = writer.next_id()};
        for (uint32_t i = 0; i < kFunctions; i++)
            writer.add_func(fmt::format("f{}", i), proto, btf::Linkage::Static);
        if (auto parsed = btf::Btf::parse(writer.finish())) out.btf = *parsed;
        return out;
    }();
    return types;
}

}  // namespace

object::ObjectSpec make_object(ProgType type, std::vector<isa::Insn> insns,
                               std::vector<object::MapSpec> maps) {
    object::ObjectSpec object;
    object.name = "case";
    object.license = "GPL";
    object.maps = std::move(maps);
    object::ProgSpec prog{.name = "prog", .type = type};
    std::set<uint32_t> starts = {0};
    for (uint32_t i = 0; i < insns.size(); i += uint32_t(insns[i].slots())) {
        const isa::Insn& insn = insns[i];
        const bool call = insn.opcode == (uint8_t{isa::kJmp} | isa::kCall);
        const bool wide = insn.is_wide() && i + 1 < insns.size();
        if ((call && insn.src == isa::kCallLocal) || (wide && insn.src == isa::kPseudoFunc)) {
            const int64_t start = int64_t{i} + insn.imm + 1;
            if (start > 0 && start < int64_t(insns.size())) starts.insert(uint32_t(start));
        }
        if (!wide || size_t(insn.imm) >= object.maps.size()) continue;
        if (insn.src == isa::kPseudoMapFd)
            prog.references.push_back(
                {object::Reference::Kind::Map, i, static_cast<uint32_t>(insn.imm)});
        if (insn.src == isa::kPseudoMapValue)
            prog.references.push_back({object::Reference::Kind::MapValue, i,
                                       static_cast<uint32_t>(insn.imm), insns[i + 1].imm});
    }
    const FunctionTypes& types = function_types();
    const bool typed = starts.size() <= kFunctions;
    if (typed) object.btf = types.btf;
    for (const uint32_t start : starts)
        prog.subprogs.push_back(
            {.name = fmt::format("f{}", start),
             .insn = start,
             .btf_type_id = typed ? types.first + uint32_t(prog.subprogs.size()) : 0});
    prog.insns = std::move(insns);
    object.progs.push_back(std::move(prog));
    return object;
}

Result<ProgramCase> parse_case(std::string_view text) {
    ProgramCase out;
    ProgType type = ProgType::SocketFilter;
    std::vector<object::MapSpec> maps;
    for (std::string_view line : split(text, '\n')) {
        if (!line.starts_with("//")) continue;
        line = trim(line.substr(2));
        const size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        const std::string_view key = line.substr(0, colon), value = trim(line.substr(colon + 1));
        if (key == "type") {
            const auto found = prog_type_from(value);
            if (!found) return malformed("program type '{}'", value);
            type = *found;
        } else if (key == "map") {
            maps.push_back(SKEP_TRY(parse_map(value, maps.size())));
        } else if (key == "expect") {
            out.accepted = value.starts_with("accepted");
            if (const size_t more = value.find(':'); more != std::string_view::npos)
                out.message = trim(value.substr(more + 1));
        } else if (key == "capabilities") {
            out.perfmon = value != "bpf";
        } else if (key == "unprivileged") {
            out.privileged = false;
        }
    }
    auto assembly = isa::assemble(text, helper_number);
    if (!assembly) return malformed("{}", isa::render(assembly.error(), text, "case"));
    out.object = make_object(type, std::move(assembly->insns), std::move(maps));
    return out;
}

std::string case_text(const object::ObjectSpec& object, std::string_view remarks) {
    const object::ProgSpec& prog = object.progs[0];
    std::string out;
    for (const std::string_view line : split(remarks, '\n'))
        if (!line.empty()) out += fmt::format("// {}\n", line);
    out += fmt::format("// type: {}\n", to_string(prog.type));
    for (const object::MapSpec& map : object.maps)
        out += fmt::format("// map: {} key {} value {} entries {}{}\n", to_string(map.type),
                           map.key_size, map.value_size, map.max_entries,
                           map.flags ? fmt::format(" flags {}", map.flags) : "");
    // Jump targets as offsets, which the assembler reads as well.
    for (size_t i = 0; i < prog.insns.size();) {
        out += "    ";
        i += isa::append_text(out, prog.insns, i);
        out += '\n';
    }
    return out;
}

}  // namespace skep::verifier_test
