// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "object/section_names.hpp"
#include "object/source.hpp"

// Linking: a program is its own function plus every subprogram that it reaches, each once, in the
// order of first use (libbpf's bpf_object__reloc_code(), so that instruction numbers in verifier
// logs are the same). Calls and function addresses become relative; what refers outside the program
// becomes a Reference; line info and CO-RE relocations move along with their code.

namespace skep::object {

namespace {

constexpr uint64_t kInsnSize = sizeof(isa::Insn);
/// Instructions of all programs together. Each program has its own copy of what it uses, so hostile
/// objects could ask for any amount; real ones have some 100,000.
constexpr size_t kMaxLinked = size_t{8} << 20;

/// Records of .BTF.ext by ELF section, ascending.
template <typename Record>
class Records {
  public:
    Records(const elf::Elf& elf, const std::vector<btf::ExtSection<Record>>& sections) {
        for (const auto& section : sections)
            if (const elf::Section* code = elf.find(section.name)) {
                auto& records = by_section_[code->index];
                records.insert(records.end(), section.records.begin(), section.records.end());
            }
        for (auto& [section, records] : by_section_)
            std::ranges::stable_sort(records, {}, &Record::offset);
    }

    std::span<const Record> of(const Function& function) const {
        const auto found = by_section_.find(function.section);
        if (found == by_section_.end()) return {};
        const auto at = [&](uint64_t insn) {
            return std::ranges::lower_bound(found->second, insn * kInsnSize, {}, &Record::offset);
        };
        return {at(function.start), at(uint64_t{function.start} + function.count)};
    }

  private:
    std::map<uint32_t, std::vector<Record>> by_section_;
};

class Linker {
  public:
    Linker(const Source& source, const ObjectSpec& spec)
        : source_(source),
          spec_(spec),
          lines_(source.elf, source.ext.lines),
          relocations_(source.elf, source.ext.relocations),
          placed_(source.functions.size(), kNotPlaced) {
        read_exception_callbacks();
    }

    Result<ProgSpec> link(const Function& entry) {
        ProgSpec prog = describe(entry);
        SKEP_TRY(add(prog, entry));
        const Function* callback = SKEP_TRY(exception_callback(entry));
        if (callback && placed_[source_.index_of(*callback)] == kNotPlaced)
            SKEP_TRY(add(prog, *callback));
        for (const uint32_t index : in_use_) placed_[index] = kNotPlaced;
        in_use_.clear();
        return prog;
    }

  private:
    static constexpr uint32_t kNotPlaced = UINT32_MAX;

    /// A placed function whose instructions are being searched for uses of others.
    struct Frame {
        const Function* function;
        uint32_t base;      // where it starts in the program
        uint32_t insn = 0;  // in the function, the next to look at
        size_t target = 0;  // the next of its targets
    };
    struct Use {
        uint32_t insn;  // in the program
        uint32_t function;
    };

    /// Places a function and, at first use, each that it needs, settling the calls on the way.
    Result<void> add(ProgSpec& prog, const Function& function) {
        std::vector<Frame> stack;
        place(prog, function, stack);
        while (!stack.empty()) {
            const auto next = SKEP_TRY(next_use(prog, stack.back()));
            if (!next) {
                stack.pop_back();
                continue;
            }
            if (placed_[next->function] == kNotPlaced)
                place(prog, source_.functions[next->function], stack);
            if (linked_ > kMaxLinked)
                return malformed(
                    "the programs need more than {} instructions, each with its copy "
                    "of shared functions",
                    kMaxLinked);
            isa::Insn& insn = prog.insns[next->insn];
            insn.imm = int32_t(placed_[next->function]) - int32_t(next->insn) - 1;
            if (insn.is_wide()) insn.src = isa::kPseudoFunc;
        }
        return {};
    }

    ProgSpec describe(const Function& entry) const {
        const std::string_view section = source_.elf.sections()[entry.section].name;
        const SectionMeaning meaning = interpret_section(section);
        return {.name = std::string(entry.name),
                .section = std::string(section),
                .type = meaning.type,
                .attach_type = meaning.attach_type,
                .attach_target = std::string(meaning.attach_target),
                .autoload = meaning.autoload,
                .sleepable = meaning.sleepable,
                .multi_buffer = meaning.multi_buffer};
    }

    /// Appends the function with everything that goes with its code.
    void place(ProgSpec& prog, const Function& function, std::vector<Frame>& stack) {
        const auto base = uint32_t(prog.insns.size());
        linked_ += function.count;
        placed_[source_.index_of(function)] = base;
        in_use_.push_back(source_.index_of(function));
        const ByteView code = source_.elf.sections()[function.section].data;
        prog.insns.resize(base + function.count);
        std::memcpy(prog.insns.data() + base, code.data() + function.start * kInsnSize,
                    function.count * kInsnSize);
        prog.subprogs.push_back(
            {std::string(function.name), base, function.btf_type, function.global});
        for (const Target& target : function.targets) refer(prog, base + target.insn, target);

        const auto moved = [&](uint32_t offset) {
            return uint32_t(offset / kInsnSize) - function.start + base;
        };
        for (const btf::LineRecord& line : lines_.of(function))
            prog.lines.push_back(
                {moved(line.offset), line.file, line.text, line.line(), line.column()});
        for (const btf::CoreRecord& relo : relocations_.of(function))
            prog.core_relos.push_back(
                {moved(relo.offset), relo.type, relo.access, btf::CoreKind(relo.kind)});
        stack.push_back({&function, base});
    }

    /// Marks the instruction as what it will be, and records what it waits for.
    void refer(ProgSpec& prog, uint32_t index, const Target& target) const {
        Reference reference{Reference::Kind::Map, index, target.index, target.addend};
        isa::Insn& insn = prog.insns[index];
        uint8_t src = isa::kPseudoMapFd;
        switch (target.kind) {
            case Target::Kind::Map: break;
            case Target::Kind::MapValue:
                reference.kind = Reference::Kind::MapValue;
                src = isa::kPseudoMapValue;
                break;
            case Target::Kind::Extern: {
                const Extern& external = spec_.externs[target.index];
                if (external.kind == Extern::Kind::Kconfig) {
                    reference = {Reference::Kind::MapValue, index, kconfig_map(),
                                 external.data_offset};
                    src = isa::kPseudoMapValue;
                } else if (insn.is_wide()) {
                    reference.kind = Reference::Kind::KsymVar;
                    src = isa::kPseudoImm;
                } else {
                    reference.kind = Reference::Kind::KsymFunc;
                    src = isa::kCallKfunc;
                }
                break;
            }
            default: return;  // calls and function addresses are settled by link()
        }
        insn.src = src & 0xf;
        insn.imm = reference.kind == Reference::Kind::KsymVar ? 0 : int32_t(reference.index);
        if (insn.is_wide()) prog.insns[index + 1].imm = int32_t(reference.addend);
        prog.references.push_back(reference);
    }

    uint32_t kconfig_map() const {
        const auto found =
            std::ranges::find(spec_.maps, MapSpec::Origin::Kconfig, &MapSpec::origin);
        return uint32_t(found - spec_.maps.begin());
    }

    /// The next instruction of the frame's function that uses a function of this object.
    Result<std::optional<Use>> next_use(const ProgSpec& prog, Frame& frame) const {
        const Function& function = *frame.function;
        while (frame.insn < function.count) {
            const uint32_t at = frame.insn++;
            const isa::Insn& insn = prog.insns[frame.base + at];
            const Target* target = nullptr;
            while (frame.target < function.targets.size() &&
                   function.targets[frame.target].insn < at)
                frame.target++;
            if (frame.target < function.targets.size() && function.targets[frame.target].insn == at)
                target = &function.targets[frame.target];
            if (insn.is_wide()) frame.insn++;
            if (target) {
                if (target->kind == Target::Kind::Call ||
                    target->kind == Target::Kind::FunctionAddress)
                    return Use{frame.base + at, target->index};
                continue;
            }
            const bool call = insn.opcode == (uint8_t{isa::kJmp} | isa::kCall);
            if (call && insn.src == isa::kCallLocal) return local_call(frame, at, insn);
            if (insn.is_wide() && insn.src == isa::kPseudoFunc)
                return malformed(
                    "function '{}', instruction {}: the address of a function without "
                    "a relocation",
                    printable(function.name), at);
        }
        return std::nullopt;
    }

    /// A call within one section needs no relocation: its imm already leads there.
    Result<std::optional<Use>> local_call(const Frame& frame, uint32_t at,
                                          const isa::Insn& insn) const {
        const Function& function = *frame.function;
        const int64_t where = int64_t{function.start} + at + insn.imm + 1;
        const Function* called = source_.function_at(function.section, uint64_t(where));
        if (!called)
            return malformed(
                "function '{}', instruction {}: a call to instruction {} of the "
                "section, where no function starts",
                printable(function.name), at, where);
        return Use{frame.base + at, source_.index_of(*called)};
    }

    /// What bpf_throw() ends in: named by a tag on the program (__exception_cb), called by nobody.
    Result<const Function*> exception_callback(const Function& entry) const {
        const auto tag = exception_callbacks_.find(entry.btf_type);
        if (tag == exception_callbacks_.end() || tag->second.empty()) return nullptr;
        const auto found = std::ranges::find(source_.functions, tag->second, &Function::name);
        if (found == source_.functions.end() || found->is_program)
            return malformed("program '{}': its exception callback '{}' does not exist",
                             printable(entry.name), printable(tag->second));
        return &*found;
    }

    void read_exception_callbacks() {
        constexpr std::string_view kPrefix = "exception_callback:";
        if (!source_.btf) return;
        for (uint32_t id = 1; id < source_.btf->type_count(); id++) {
            const btf::Type tag = source_.btf->type(id);
            if (tag.kind() != btf::Kind::DeclTag || !tag.name().starts_with(kPrefix)) continue;
            const auto [entry, first] =
                exception_callbacks_.emplace(tag.ref(), tag.name().substr(kPrefix.size()));
            if (!first) entry->second = {};  // two are for the verifier to refuse
        }
    }

    const Source& source_;
    const ObjectSpec& spec_;
    Records<btf::LineRecord> lines_;
    Records<btf::CoreRecord> relocations_;
    std::vector<uint32_t> placed_;  // by function: where in the current program
    std::vector<uint32_t> in_use_;
    std::map<uint32_t, std::string_view> exception_callbacks_;  // by the FUNC that is tagged
    size_t linked_ = 0;
};

}  // namespace

Result<void> link_programs(const Source& source, ObjectSpec& spec) {
    Linker linker(source, spec);
    for (const Function& function : source.functions)
        if (function.is_program) spec.progs.push_back(SKEP_TRY(linker.link(function)));
    return {};
}

}  // namespace skep::object
