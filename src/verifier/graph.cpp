// SPDX-License-Identifier: Apache-2.0
#include "verifier/graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "verifier/explain.hpp"

namespace skep::verifier {

namespace {

using object::ObjectSpec;
using object::ProgSpec;

bool is_jump(const isa::Insn& insn) {
    return (insn.cls() == isa::kJmp || insn.cls() == isa::kJmp32) && insn.operation() != isa::kCall;
}

class Grapher {
  public:
    Grapher(const ObjectSpec& object, const ProgSpec& prog, const Verdict& verdict)
        : object_(object), prog_(prog), verdict_(verdict) {
        for (const Step& step : verdict.path) on_path_.insert(step.insn);
        find_leaders();
    }

    std::string run() {
        out_ = fmt::format(
            "digraph \"{}\" {{\n  node [shape=box fontname=monospace fontsize=10];\n"
            "  edge [fontname=monospace fontsize=9];\n",
            escaped(prog_.name));
        for (size_t i = 0; i < prog_.subprogs.size(); i++) put_function(i);
        for (const uint32_t leader : leaders_) put_edges(leader);
        return out_ + "}\n";
    }

  private:
    size_t size() const { return prog_.insns.size(); }

    void lead(int64_t insn) {
        if (insn >= 0 && insn < int64_t(size())) leaders_.insert(uint32_t(insn));
    }

    /// Where a jump at `index` leads when it is taken; -1 for none.
    int64_t target(uint32_t index) const {
        const isa::Insn& insn = prog_.insns[index];
        if (!is_jump(insn) || insn.operation() == isa::kExit) return -1;
        const bool wide = insn.cls() == isa::kJmp32 && insn.operation() == isa::kJa;
        return int64_t{index} + 1 + (wide ? insn.imm : insn.off);
    }

    void find_leaders() {
        for (const object::Subprog& subprog : prog_.subprogs) lead(subprog.insn);
        for (uint32_t i = 0; i < size(); i += uint32_t(prog_.insns[i].slots())) {
            if (!is_jump(prog_.insns[i])) continue;
            lead(int64_t{i} + 1);
            lead(target(i));
        }
    }

    uint32_t end_of(uint32_t leader) const {
        const auto next = leaders_.upper_bound(leader);
        return next == leaders_.end() ? uint32_t(size()) : *next;
    }

    /// The last instruction of the block.
    uint32_t last_of(uint32_t leader) const {
        uint32_t last = leader;
        for (uint32_t i = leader; i < end_of(leader); i += uint32_t(prog_.insns[i].slots()))
            last = i;
        return last;
    }

    static std::string escaped(std::string_view text) {
        std::string out;
        for (const char c : printable(text)) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        return out;
    }

    void put_function(size_t i) {
        const object::Subprog& subprog = prog_.subprogs[i];
        const uint32_t end =
            i + 1 < prog_.subprogs.size() ? prog_.subprogs[i + 1].insn : uint32_t(size());
        out_ +=
            fmt::format("  subgraph cluster_{} {{\n    label=\"{}\";\n", i, escaped(subprog.name));
        for (auto leader = leaders_.lower_bound(subprog.insn);
             leader != leaders_.end() && *leader < end; ++leader)
            put_block(*leader);
        out_ += "  }\n";
    }

    void put_block(uint32_t leader) {
        std::string label;
        std::optional<SourceLine> shown;
        bool red = false;
        for (uint32_t i = leader; i < end_of(leader); i += uint32_t(prog_.insns[i].slots())) {
            const auto source = source_line(object_, prog_, i);
            if (source && source != shown)
                label += fmt::format("{}: {}\\l", source->line, escaped(source->text));
            shown = source;
            label += fmt::format("  {}: {}\\l", i, escaped(instruction_text(object_, prog_, i)));
            red |= on_path_.contains(i) || (!verdict_.accepted && verdict_.insn == i);
        }
        const auto& facts = verdict_.facts.insns;
        const bool dead = leader < facts.size() && !facts[leader].reached;
        out_ += fmt::format("    b{} [label=\"{}{}\"{}];\n", leader, states(leader), label,
                            red    ? " color=red"
                            : dead ? " color=grey fontcolor=grey"
                                   : "");
    }

    /// What registers hold when the block is entered.
    std::string states(uint32_t leader) const {
        if (verdict_.facts.registers.size() < (size_t{leader} + 1) * 11) return {};
        std::string text;
        for (uint32_t reg = 0; reg < 10; reg++) {
            const RegisterFact& fact = verdict_.facts.reg(leader, reg);
            const ValueSet& value = fact.value;
            if (fact.kind == RegisterFact::Kind::Scalar && value.mask != UINT64_MAX)
                text += value.smin == value.smax
                            ? fmt::format("r{} = {}\\l", reg, value.smin)
                            : fmt::format("r{} in {}..{}\\l", reg, value.smin, value.smax);
            if (fact.kind == RegisterFact::Kind::Pointer)
                text += fmt::format("r{} -> {}{}\\l", reg, region_name(fact.region),
                                    fact.maybe_null ? " or null" : "");
        }
        return text.empty() ? text : text + "\\l";
    }

    static std::string_view region_name(Region region) {
        switch (region) {
            case Region::Stack: return "stack";
            case Region::Ctx: return "ctx";
            case Region::Packet: return "packet";
            case Region::MapValue: return "map value";
            case Region::Mem: return "memory";
            case Region::Kernel: return "kernel";
            case Region::Arena: return "arena";
            default: return "something";
        }
    }

    void put_edges(uint32_t leader) {
        const uint32_t last = last_of(leader);
        const isa::Insn& insn = prog_.insns[last];
        const int64_t to = target(last);
        const bool conditional = to >= 0 && insn.operation() != isa::kJa;
        if (to >= 0 && leaders_.contains(uint32_t(to)))
            out_ += fmt::format("  b{} -> b{}{};\n", leader, to,
                                conditional ? " [label=\"taken\"]" : "");
        const bool falls = !is_jump(insn) || conditional;
        const uint32_t next = end_of(leader);
        if (falls && next < size() && leaders_.contains(next) && !starts_function(next))
            out_ += fmt::format("  b{} -> b{};\n", leader, next);
    }

    bool starts_function(uint32_t insn) const {
        return std::ranges::find(prog_.subprogs, insn, &object::Subprog::insn) !=
               prog_.subprogs.end();
    }

    const ObjectSpec& object_;
    const ProgSpec& prog_;
    const Verdict& verdict_;
    std::set<uint32_t> leaders_;
    std::set<uint32_t> on_path_;
    std::string out_;
};

}  // namespace

std::string control_flow_graph(const ObjectSpec& object, const ProgSpec& prog,
                               const Verdict& verdict) {
    return Grapher(object, prog, verdict).run();
}

}  // namespace skep::verifier
