// SPDX-License-Identifier: Apache-2.0
#include "cli/asm_object.hpp"

#include <elf.h>

#include <algorithm>

#include "base/text.hpp"
#include "elf/elf_builder.hpp"
#include "isa/decode.hpp"

namespace skep::cli {

namespace {

// What clang calls R_BPF_64_64 (an lddw's immediate) and R_BPF_64_32 (a call's).
constexpr uint32_t kRelocWide = 1, kRelocCall = 10;

class ObjectWriter {
  public:
    ObjectWriter(const isa::Assembly& assembly, const AsmObjectOptions& options)
        : assembly_(assembly), options_(options), insns_(assembly.insns) {
        functions_ = assembly.functions;
        if (functions_.empty() || functions_.front().insn != 0)
            functions_.insert(functions_.begin(), {"prog", 0});
        // Two labels of one instruction: the first names the function.
        const auto same = std::ranges::unique(functions_, {}, &isa::AsmFunction::insn);
        functions_.erase(same.begin(), same.end());
    }

    Result<Bytes> run() {
        const auto split = functions_.size() > 1 ? functions_[1].insn : uint32_t(insns_.size());
        SKEP_TRY(detach_references());
        const uint32_t main = code(options_.section, {0, split});
        const uint32_t text =
            functions_.size() > 1 ? code(".text", {split, uint32_t(insns_.size())}) : 0;
        for (size_t i = 0; i < functions_.size(); i++) add_symbol(i, i == 0 ? main : text, split);
        add_relocations(options_.section, main, {0, split});
        if (text) add_relocations(".text", text, {split, uint32_t(insns_.size())});
        Bytes license(options_.license.begin(), options_.license.end());
        license.push_back(0);
        elf_.section("license", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, std::move(license));
        return elf_.finish();
    }

  private:
    struct Range {
        uint32_t begin, end;
    };
    struct Use {
        uint32_t insn;
        size_t function;
    };

    size_t function_of(uint32_t insn) const {
        const auto next = std::ranges::upper_bound(functions_, insn, {}, &isa::AsmFunction::insn);
        return size_t(next - functions_.begin()) - 1;
    }

    /// Calls and addresses of functions become relocations, as after the split nothing else tells
    /// how far they lead.
    Result<void> detach_references() {
        for (uint32_t i = 0; i < insns_.size(); i += uint32_t(insns_[i].slots())) {
            isa::Insn& insn = insns_[i];
            if (const auto target = isa::jump_target(insn, i);
                target && function_of(uint32_t(*target)) != function_of(i))
                return malformed("line {}: a jump from function '{}' into '{}'", assembly_.lines[i],
                                 printable(functions_[function_of(i)].name),
                                 printable(functions_[function_of(uint32_t(*target))].name));
            const auto target = isa::function_target(insn, i);
            if (!target) continue;
            const size_t function = function_of(uint32_t(*target));
            if (functions_[function].insn != uint32_t(*target))
                return malformed("line {}: a call into the middle of function '{}'",
                                 assembly_.lines[i], printable(functions_[function].name));
            if (function == 0)
                return malformed("line {}: a call of the program itself", assembly_.lines[i]);
            uses_.push_back({i, function});
            insn.imm = insn.is_wide() ? 0 : -1;
            if (insn.is_wide()) insn.src = 0;
        }
        return {};
    }

    uint32_t code(const std::string& name, Range range) {
        const isa::InsnView part(insns_.data() + range.begin, range.end - range.begin);
        return elf_.section(name, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, isa::encode(part));
    }

    void add_symbol(size_t function, uint32_t section, uint32_t split) {
        const uint32_t begin = functions_[function].insn;
        const uint32_t end = function + 1 < functions_.size() ? functions_[function + 1].insn
                                                              : uint32_t(insns_.size());
        symbols_.push_back(elf_.symbol(functions_[function].name, section,
                                       8 * uint64_t{function == 0 ? begin : begin - split},
                                       8 * uint64_t{end - begin}, STB_GLOBAL, STT_FUNC));
    }

    void add_relocations(const std::string& name, uint32_t section, Range range) {
        std::vector<elf::ElfBuilder::Rel> entries;
        for (const Use& use : uses_)
            if (use.insn >= range.begin && use.insn < range.end)
                entries.push_back({8 * uint64_t{use.insn - range.begin}, symbols_[use.function],
                                   insns_[use.insn].is_wide() ? kRelocWide : kRelocCall});
        if (!entries.empty()) elf_.relocations(".rel" + name, section, entries);
    }

    const isa::Assembly& assembly_;
    const AsmObjectOptions& options_;
    std::vector<isa::Insn> insns_;
    std::vector<isa::AsmFunction> functions_;
    std::vector<Use> uses_;
    std::vector<uint32_t> symbols_;
    elf::ElfBuilder elf_;
};

}  // namespace

Result<Bytes> assembled_object(const isa::Assembly& assembly, const AsmObjectOptions& options) {
    return ObjectWriter(assembly, options).run();
}

}  // namespace skep::cli
