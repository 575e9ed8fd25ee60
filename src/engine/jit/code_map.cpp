// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/code_map.hpp"

#include <algorithm>

#include "btf/btf.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/prog.hpp"

namespace skep::engine::jit {

namespace {

std::string symbol_name(const Prog& prog, uint32_t insn) {
    std::string name = "bpf_prog_" + prog.name();
    for (const object::Subprog& subprog : prog.spec().subprogs)
        if (subprog.insn == insn && insn != 0) name += "_" + subprog.name;
    // In lists one name is a word.
    for (char& c : name)
        if (uint8_t(c) <= ' ' || uint8_t(c) >= 0x7f) c = '_';
    return name;
}

void add_lines(CodeMap& map, const Prog& prog, const NativeCode& code) {
    const std::vector<object::LineInfo>& lines = prog.spec().lines;
    if (!prog.btf() || lines.empty()) return;
    for (const NativeCode::Place& place : code.places()) {
        const auto after = std::ranges::upper_bound(lines, place.insn, {}, &object::LineInfo::insn);
        if (after == lines.begin()) continue;
        const object::LineInfo& line = *std::prev(after);
        const CodeMap::Line found{.begin = code.bytes().data() + place.offset,
                                  .file = prog.btf()->string(line.file_off),
                                  .line = line.line};
        if (!map.lines.empty() && map.lines.back().line == found.line &&
            map.lines.back().file == found.file)
            continue;
        map.lines.push_back(found);
    }
}

}  // namespace

CodeMap code_map(const Prog& prog, const NativeCode& code) {
    CodeMap map{.code = code.bytes(), .symbols = {}, .lines = {}};
    for (const NativeCode::Function& function : code.functions())
        map.symbols.push_back({.name = symbol_name(prog, function.insn),
                               .begin = code.bytes().data() + function.offset,
                               .size = 0});
    std::ranges::sort(map.symbols, {}, &CodeMap::Symbol::begin);
    const uint8_t* end = code.bytes().data() + code.bytes().size();
    for (auto symbol = map.symbols.rbegin(); symbol != map.symbols.rend(); ++symbol) {
        symbol->size = size_t(end - symbol->begin);
        end = symbol->begin;
    }
    add_lines(map, prog, code);
    return map;
}

}  // namespace skep::engine::jit
