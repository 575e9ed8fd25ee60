// SPDX-License-Identifier: Apache-2.0
#include "apps/test/coverage_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "engine/coverage.hpp"

namespace skep::test {

namespace {

std::string file_name(const btf::Btf& btf, const object::LineInfo& info) {
    return printable(btf.string(info.file_off));
}

}  // namespace

size_t CoverageReport::File::lines_run() const {
    return size_t(std::ranges::count_if(lines, [](const auto& l) { return l.second.count > 0; }));
}

size_t CoverageReport::File::branches() const {
    size_t count = 0;
    for (const auto& [number, line] : lines) count += 2 * line.branches.size();
    return count;
}

size_t CoverageReport::File::branches_run() const {
    size_t count = 0;
    for (const auto& [number, line] : lines)
        for (const Branch& branch : line.branches)
            count += size_t(branch.taken > 0) + size_t(branch.not_taken > 0);
    return count;
}

size_t CoverageReport::File::functions_run() const {
    return size_t(
        std::ranges::count_if(functions, [](const auto& f) { return f.second.count > 0; }));
}

void CoverageReport::add(const std::string& path, const engine::Prog& prog) {
    const engine::Coverage* coverage = prog.coverage();
    const btf::Btf* btf = prog.btf();
    if (!coverage || !btf) return;
    const auto& lines = prog.spec().lines;
    std::map<Place, Count> seen;
    for (size_t i = 0; i < lines.size(); i++) {
        const object::LineInfo& info = lines[i];
        const size_t end = i + 1 < lines.size() ? lines[i + 1].insn : coverage->size();
        const Place place{file_name(*btf, info), info.line};
        if (place.line == 0) continue;  // nobody's: what the compiler has made up
        Count& line = seen[place];
        if (line.text.empty()) line.text = std::string(btf->string(info.line_off));
        for (uint32_t insn = info.insn; insn < std::min(end, coverage->size()); insn++) {
            line.count = std::max(line.count, coverage->runs(insn));
            if (!coverage->jumps(insn)) continue;
            Branch& branch = branches_[place][{path, prog.name(), insn}];
            branch.taken += coverage->taken(insn);
            branch.not_taken += coverage->runs(insn) - coverage->taken(insn);
        }
    }
    for (const auto& [place, count] : seen) {
        objects_.emplace(place.file, path);
        Count& total = lines_[place];
        if (total.text.empty()) total.text = count.text;
        total.count += count.count;
    }
    for (const object::Subprog& subprog : prog.spec().subprogs) {
        const auto after =
            std::ranges::upper_bound(lines, subprog.insn, {}, &object::LineInfo::insn);
        if (after == lines.begin() || subprog.insn >= coverage->size()) continue;
        Function& function = functions_[file_name(*btf, *std::prev(after))][subprog.name];
        function.line = std::prev(after)->line;
        function.count += coverage->runs(subprog.insn);
    }
}

std::map<std::string, CoverageReport::File> CoverageReport::files() const {
    std::map<std::string, File> files;
    for (const auto& [place, count] : lines_)
        files[place.file].lines[place.line] = {count.text, count.count};
    for (const auto& [place, jumps] : branches_)
        for (const auto& [jump, branch] : jumps)
            files[place.file].lines[place.line].branches.push_back(branch);
    for (const auto& [file, functions] : functions_) files[file].functions = functions;
    for (auto& [name, file] : files)
        if (const auto object = objects_.find(name); object != objects_.end())
            file.object = object->second;
    return files;
}

std::string CoverageReport::to_lcov() const {
    std::string out;
    const auto put = std::back_inserter(out);
    for (const auto& [name, file] : files()) {
        fmt::format_to(put, "TN:\nSF:{}\n", name);
        for (const auto& [function, at] : file.functions)
            fmt::format_to(put, "FN:{},{}\n", at.line, function);
        for (const auto& [function, at] : file.functions)
            fmt::format_to(put, "FNDA:{},{}\n", at.count, function);
        fmt::format_to(put, "FNF:{}\nFNH:{}\n", file.functions.size(), file.functions_run());
        for (const auto& [number, line] : file.lines)
            for (size_t i = 0; i < line.branches.size(); i++) {
                const Branch& branch = line.branches[i];
                const bool reached = branch.taken + branch.not_taken > 0;
                const auto count = [&](uint64_t times) {
                    return reached ? fmt::to_string(times) : std::string("-");
                };
                fmt::format_to(put, "BRDA:{0},{1},0,{2}\nBRDA:{0},{1},1,{3}\n", number, i,
                               count(branch.taken), count(branch.not_taken));
            }
        fmt::format_to(put, "BRF:{}\nBRH:{}\n", file.branches(), file.branches_run());
        for (const auto& [number, line] : file.lines)
            fmt::format_to(put, "DA:{},{}\n", number, line.count);
        fmt::format_to(put, "LF:{}\nLH:{}\nend_of_record\n", file.lines.size(), file.lines_run());
    }
    return out;
}

void CoverageReport::to_json(JsonWriter& json) const {
    json.begin_array();
    for (const auto& [name, file] : files()) {
        json.begin_object().key("file").value(name);
        json.key("lines").value(file.lines.size()).key("lines_run").value(file.lines_run());
        json.key("branches").value(file.branches());
        json.key("branches_run").value(file.branches_run());
        json.key("counts").begin_array();
        for (const auto& [number, line] : file.lines) {
            json.begin_object().key("line").value(number).key("count").value(line.count);
            if (!line.branches.empty()) {
                json.key("branches").begin_array();
                for (const Branch& branch : line.branches)
                    json.begin_array().value(branch.taken).value(branch.not_taken).end_array();
                json.end_array();
            }
            json.end_object();
        }
        json.end_array().end_object();
    }
    json.end_array();
}

}  // namespace skep::test
