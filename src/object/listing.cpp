// SPDX-License-Identifier: Apache-2.0
#include "object/listing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"
#include "isa/disasm.hpp"
#include "object/describe.hpp"
#include "platform/helpers.hpp"

namespace skep::object {

namespace {

std::string_view file_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

class Lister {
  public:
    Lister(const ObjectSpec& object, const ProgSpec& prog) : object_(object), prog_(prog) {}

    std::string run() {
        for (size_t i = 0; i < prog_.insns.size();) {
            if (const Subprog* subprog = subprog_at(prog_, uint32_t(i))) {
                if (i > 0) out_ += '\n';
                out_ += signature(object_, *subprog) + ":\n";
            }
            put_source(i);
            fmt::format_to(std::back_inserter(out_), "{:8}:\t", i);
            const size_t slots = isa::append_text(out_, prog_.insns, i);
            if (const std::string text = remark(i); !text.empty()) out_ += "  # " + text;
            out_ += '\n';
            i += slots;
        }
        return std::move(out_);
    }

  private:
    /// The line that this instruction begins, unless it is the one shown last.
    void put_source(size_t insn) {
        while (next_line_ < prog_.lines.size() && prog_.lines[next_line_].insn <= insn) {
            const LineInfo& line = prog_.lines[next_line_++];
            std::string shown = fmt::format(
                "; {}:{}: {}\n", printable(file_name(object_.btf->string(line.file_off))),
                line.line, printable(trim(object_.btf->string(line.line_off))));
            if (line.insn != insn || shown == last_line_) continue;
            out_ += shown;
            last_line_ = std::move(shown);
        }
    }

    std::string remark(size_t insn) {
        std::vector<std::string> remarks;
        while (next_reference_ < prog_.references.size() &&
               prog_.references[next_reference_].insn <= insn) {
            const Reference& reference = prog_.references[next_reference_++];
            if (reference.insn == insn) remarks.push_back(describe(object_, reference));
        }
        if (std::string called = remarks.empty() ? callee(insn) : ""; !called.empty())
            remarks.push_back(std::move(called));
        for (const btf::CoreRelo& relo :
             std::ranges::equal_range(prog_.core_relos, uint32_t(insn), {}, &btf::CoreRelo::insn)) {
            const auto source = btf::describe(*object_.btf, relo);
            remarks.push_back(fmt::format("{} {}", to_string(relo.kind),
                                          source ? source->text : source.error().message));
        }
        return fmt::format("{}", fmt::join(remarks, "; "));
    }

    /// The helper or function that a call, or the address of a function, leads to.
    std::string callee(size_t index) const {
        const isa::Insn& insn = prog_.insns[index];
        const bool call = insn.opcode == (uint8_t{isa::kJmp} | isa::kCall);
        if (call && insn.src == isa::kCallHelper) {
            const platform::HelperInfo* helper = platform::find_helper(uint32_t(insn.imm));
            return helper ? fmt::format("bpf_{}", helper->name) : "";
        }
        const bool address = insn.is_wide() && insn.src == isa::kPseudoFunc;
        if (!address && !(call && insn.src == isa::kCallLocal)) return {};
        const Subprog* subprog = subprog_at(prog_, uint32_t(int64_t(index) + insn.imm + 1));
        return subprog ? printable(subprog->name) : "";
    }

    const ObjectSpec& object_;
    const ProgSpec& prog_;
    std::string out_;
    std::string last_line_;
    size_t next_line_ = 0;
    size_t next_reference_ = 0;
};

}  // namespace

std::string listing(const ObjectSpec& object, const ProgSpec& prog) {
    return Lister(object, prog).run();
}

}  // namespace skep::object
