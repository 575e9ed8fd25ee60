// SPDX-License-Identifier: Apache-2.0
#include "verifier/explain.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "isa/disasm.hpp"
#include "object/describe.hpp"
#include "platform/helpers.hpp"

namespace skep::verifier {

namespace {

using object::ObjectSpec;
using object::ProgSpec;

std::string_view file_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

/// Source text on one line: inline assembly has tabs, and backslashes at its line ends.
std::string tidy(std::string_view text) {
    std::string out;
    for (const char c : trim(text)) {
        const char plain = c == '\t' ? ' ' : c;
        if (plain != ' ' || out.empty() || out.back() != ' ') out += plain;
    }
    while (out.ends_with('\\') || out.ends_with(' ')) out.pop_back();
    return printable(out);
}

/// Some of the kernel's messages are two lines.
std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : trim(text)) out += c == '\n' ? std::string("; ") : std::string(1, c);
    return printable(out);
}

/// What follows '#': whom a call calls, what an address is of.
std::string remark(const ObjectSpec& object, const ProgSpec& prog, uint32_t index) {
    const isa::Insn& insn = prog.insns[index];
    for (const object::Reference& reference : prog.references)
        if (reference.insn == index) return object::describe(object, reference);
    const bool call = insn.opcode == (uint8_t{isa::kJmp} | isa::kCall);
    if (call && insn.src == isa::kCallHelper) {
        const platform::HelperInfo* helper = platform::find_helper(uint32_t(insn.imm));
        return helper ? fmt::format("bpf_{}", helper->name) : "";
    }
    const bool address = insn.is_wide() && insn.src == isa::kPseudoFunc;
    if (!address && !(call && insn.src == isa::kCallLocal)) return {};
    const object::Subprog* subprog =
        object::subprog_at(prog, uint32_t(int64_t{index} + insn.imm + 1));
    return subprog ? printable(subprog->name) : "";
}

std::string kfunc_name(const btf::Btf* kernel, uint32_t id) {
    if (!kernel) return fmt::format("kfunc {}", id);
    return std::string(kernel->type(id).name());
}

/// Steps as a listing: each source line once, its instructions and what they mean below.
class StepWriter {
  public:
    StepWriter(const ObjectSpec& object, const ProgSpec& prog) : object_(object), prog_(prog) {}

    void put(uint32_t insn, std::string_view note) {
        const auto source = source_line(object_, prog_, insn);
        if (source && source != shown_) {
            const std::string file = source->file == file_ ? "" : source->file;
            fmt::format_to(std::back_inserter(out), "{:>6} | {}{}\n", source->line, source->text,
                           file.empty() ? "" : fmt::format("    ({})", file));
            file_ = source->file;
            shown_ = source;
        }
        if (insn >= prog_.insns.size()) return;
        const std::string code =
            fmt::format("{}: {}", insn, instruction_text(object_, prog_, insn));
        fmt::format_to(std::back_inserter(out), "       |   {}\n", code);
        if (!note.empty()) fmt::format_to(std::back_inserter(out), "       |     -> {}\n", note);
    }

    std::string out;

  private:
    const ObjectSpec& object_;
    const ProgSpec& prog_;
    std::optional<SourceLine> shown_;
    std::string file_;
};

}  // namespace

std::optional<SourceLine> source_line(const ObjectSpec& object, const ProgSpec& prog,
                                      uint32_t insn) {
    if (!object.btf) return std::nullopt;
    const auto behind = std::ranges::upper_bound(prog.lines, insn, {}, &object::LineInfo::insn);
    if (behind == prog.lines.begin()) return std::nullopt;
    const object::LineInfo& line = *(behind - 1);
    for (const object::Subprog& subprog : prog.subprogs)
        if (subprog.insn > line.insn && subprog.insn <= insn) return std::nullopt;
    return SourceLine{
        .file = printable(file_name(object.btf->string(line.file_off))),
        .line = line.line,
        .text = tidy(object.btf->string(line.line_off)),
    };
}

std::string instruction_text(const ObjectSpec& object, const ProgSpec& prog, uint32_t insn) {
    std::string text;
    if (insn >= prog.insns.size()) return text;
    isa::append_text(text, prog.insns, insn);
    if (const std::string more = remark(object, prog, insn); !more.empty()) text += "  # " + more;
    return text;
}

std::string explain(const ObjectSpec& object, const ProgSpec& prog, const Verdict& verdict) {
    const RuleInfo& rule = rule_info(verdict.rule);
    std::string out = fmt::format("{}\n\n", rule.explanation);
    StepWriter place(object, prog);
    place.put(verdict.insn, verdict.path.empty() ? "" : verdict.path.back().note);
    out += place.out;
    if (verdict.path.size() > 1) {
        out += "\nhow the program gets there:\n";
        StepWriter steps(object, prog);
        for (size_t i = 0; i + 1 < verdict.path.size(); i++)
            steps.put(verdict.path[i].insn, verdict.path[i].note);
        out += steps.out;
    }
    if (!verdict.busiest.empty()) {
        out +=
            fmt::format("\nwhere the work went ({} instructions in all):\n", verdict.insns_visited);
        StepWriter places(object, prog);
        for (const BusyPlace& busy : verdict.busiest)
            places.put(busy.insn, fmt::format("paths came here {} times, {} states kept",
                                              busy.visits, busy.states));
        out += places.out;
    }
    out += fmt::format("\nto fix it: {}\n", rule.fix);
    out += fmt::format("the kernel's words: {}\n", one_line(verdict.reason));
    return out;
}

std::string cause_key(const ObjectSpec& object, const ProgSpec& prog, const Verdict& verdict) {
    const auto source = source_line(object, prog, verdict.insn);
    const std::string where = source
                                  ? fmt::format("{}:{}:{}", source->file, source->line,
                                                isa::width_bytes(prog.insns[verdict.insn].size()))
                                  : fmt::format("{}:{}", prog.name, verdict.insn);
    return fmt::format("{}@{}", rule_info(verdict.rule).id, where);
}

std::vector<std::string> called_names(const Verdict& verdict, const btf::Btf* kernel) {
    std::vector<std::string> names;
    for (const uint32_t id : verdict.helpers) {
        const platform::HelperInfo* helper = platform::find_helper(id);
        names.push_back(helper ? std::string(helper->name) : fmt::format("helper {}", id));
    }
    for (const uint32_t id : verdict.kfuncs) names.push_back(kfunc_name(kernel, id));
    return names;
}

std::vector<std::string> map_names(const ObjectSpec& object, const Verdict& verdict) {
    std::vector<std::string> names;
    for (const uint32_t index : verdict.maps)
        if (index < object.maps.size()) names.push_back(printable(object.maps[index].name));
    return names;
}

void verdict_json(JsonWriter& json, const ObjectSpec& object, const ProgSpec& prog,
                  const Verdict& verdict, std::string_view kernel, uint64_t nanoseconds) {
    const auto put_source = [&](uint32_t insn) {
        json.key("source");
        const auto source = source_line(object, prog, insn);
        if (!source) {
            json.null();
            return;
        }
        json.begin_object().key("file").value(source->file).key("line").value(source->line);
        json.key("text").value(source->text).end_object();
    };
    json.begin_object().key("prog").value(prog.name).key("kernel").value(kernel);
    json.key("accepted").value(verdict.accepted);
    if (verdict.accepted) {
        json.key("reason").null().key("insn").null().key("source").null();
    } else {
        json.key("reason").value(verdict.reason).key("insn").value(verdict.insn);
        put_source(verdict.insn);
    }
    json.key("path").begin_array();
    for (const Step& step : verdict.path) {
        json.begin_object().key("insn").value(step.insn);
        json.key("text").value(instruction_text(object, prog, step.insn));
        put_source(step.insn);
        json.key("note").value(step.note).end_object();
    }
    json.end_array();
    if (!verdict.busiest.empty()) {
        json.key("busiest").begin_array();
        for (const BusyPlace& busy : verdict.busiest) {
            json.begin_object().key("insn").value(busy.insn);
            put_source(busy.insn);
            json.key("visits").value(busy.visits).key("states").value(busy.states).end_object();
        }
        json.end_array();
    }
    json.key("insns_visited").value(verdict.insns_visited);
    json.key("peak_states").value(verdict.peak_states);
    json.key("stack_depth").value(verdict.stack_depth);
    json.key("ns").value(nanoseconds).end_object();
}

}  // namespace skep::verifier
