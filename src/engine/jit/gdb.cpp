// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/gdb.hpp"

#include <algorithm>
#include <mutex>

#include "elf/elf_builder.hpp"

namespace {

using Entry = skep::engine::jit::GdbEntry::Entry;

enum class Action : uint32_t { None, Register, Unregister };
struct Descriptor {  // struct jit_descriptor
    uint32_t version;
    Action action;
    Entry* relevant;
    Entry* first;
};

}  // namespace

// GDB looks for these names.
extern "C" {
extern Descriptor __jit_debug_descriptor;
Descriptor __jit_debug_descriptor = {1, Action::None, nullptr, nullptr};
void __jit_debug_register_code();
[[gnu::noinline]] void __jit_debug_register_code() {
    asm volatile("" ::: "memory");  // not to be left out
}
}

namespace skep::engine::jit {

namespace {

// DWARF 4.
constexpr uint8_t kTagCompileUnit = 0x11, kTagSubprogram = 0x2e;
constexpr uint8_t kName = 0x03, kStmtList = 0x10, kLowPc = 0x11, kHighPc = 0x12, kLanguage = 0x13;
constexpr uint8_t kFormAddr = 0x01, kFormData2 = 0x05, kFormData8 = 0x07, kFormString = 0x08,
                  kFormSecOffset = 0x17;
constexpr uint16_t kC99 = 0x0c;
constexpr uint8_t kUnitAbbrev = 1, kFunctionAbbrev = 2;

void append_text(Bytes& out, std::string_view text) {
    append(out, bytes_of(text));
    out.push_back(0);
}

void append_uleb(Bytes& out, uint64_t value) {
    do {
        const uint8_t low = value & 0x7f;
        value >>= 7;
        out.push_back(uint8_t(low | (value ? 0x80 : 0)));
    } while (value);
}

void append_sleb(Bytes& out, int64_t value) {
    for (;;) {
        const uint8_t low = value & 0x7f;
        value >>= 7;
        const bool last = (value == 0 && !(low & 0x40)) || (value == -1 && (low & 0x40));
        out.push_back(uint8_t(low | (last ? 0 : 0x80)));
        if (last) return;
    }
}

uint64_t address_of(const uint8_t* at) {
    return reinterpret_cast<uint64_t>(at);
}

/// A unit of DWARF: its length, then the rest.
Bytes unit(const Bytes& body) {
    Bytes out;
    append(out, uint32_t(body.size()));
    append(out, body);
    return out;
}

Bytes abbreviations() {
    return {kUnitAbbrev,
            kTagCompileUnit,
            1,
            kName,
            kFormString,
            kLanguage,
            kFormData2,
            kStmtList,
            kFormSecOffset,
            kLowPc,
            kFormAddr,
            kHighPc,
            kFormData8,
            0,
            0,
            kFunctionAbbrev,
            kTagSubprogram,
            0,
            kName,
            kFormString,
            kLowPc,
            kFormAddr,
            kHighPc,
            kFormData8,
            0,
            0,
            0};
}

Bytes info(const CodeMap& map) {
    Bytes out;
    append(out, uint16_t{4});
    append(out, uint32_t{0});  // where the abbreviations are
    out.push_back(8);          // bytes of an address
    out.push_back(kUnitAbbrev);
    append_text(out, map.lines.empty() ? "bpf" : map.lines[0].file);
    append(out, kC99);
    append(out, uint32_t{0});  // where the lines are
    append(out, address_of(map.code.data()));
    append(out, uint64_t{map.code.size()});
    for (const CodeMap::Symbol& symbol : map.symbols) {
        out.push_back(kFunctionAbbrev);
        append_text(out, symbol.name);
        append(out, address_of(symbol.begin));
        append(out, uint64_t{symbol.size});
    }
    out.push_back(0);
    return unit(out);
}

/// The line number program: an address, a line, a row; nothing clever.
Bytes line_rows(const CodeMap& map, const std::vector<std::string_view>& files) {
    constexpr uint8_t kExtended = 0, kCopy = 1, kAdvancePc = 2, kAdvanceLine = 3, kSetFile = 4;
    constexpr uint8_t kEndSequence = 1, kSetAddress = 2;
    Bytes out;
    int64_t line = 1;
    size_t file = 0;
    const uint8_t* at = nullptr;
    for (const CodeMap::Line& row : map.lines) {
        if (!at) {
            out.insert(out.end(), {kExtended, 9, kSetAddress});
            append(out, address_of(row.begin));
        } else {
            out.push_back(kAdvancePc);
            append_uleb(out, uint64_t(row.begin - at));
        }
        at = row.begin;
        const size_t its = size_t(std::ranges::find(files, row.file) - files.begin());
        if (its != file) {
            out.push_back(kSetFile);
            append_uleb(out, its + 1);
            file = its;
        }
        out.push_back(kAdvanceLine);
        append_sleb(out, int64_t{row.line} - line);
        line = row.line;
        out.push_back(kCopy);
    }
    if (at) {
        out.push_back(kAdvancePc);
        append_uleb(out, uint64_t(map.code.data() + map.code.size() - at));
        out.insert(out.end(), {kExtended, 1, kEndSequence});
    }
    return out;
}

Bytes lines(const CodeMap& map) {
    std::vector<std::string_view> files;
    for (const CodeMap::Line& line : map.lines)
        if (std::ranges::find(files, line.file) == files.end()) files.push_back(line.file);
    Bytes header;
    // Shortest instruction, operations in one, is a statement, line base and range.
    header.insert(header.end(), {1, 1, 1, uint8_t(-5), 14});
    header.push_back(13);  // the first special opcode; before it, how many operands each has
    header.insert(header.end(), {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1});
    header.push_back(0);  // no directories
    for (const std::string_view file : files) {
        append_text(header, file);
        header.insert(header.end(), {0, 0, 0});  // directory, time, length
    }
    header.push_back(0);
    Bytes out;
    append(out, uint16_t{4});
    append(out, uint32_t(header.size()));
    append(out, header);
    append(out, line_rows(map, files));
    return unit(out);
}

std::mutex lock;  // of the list

void tell(Action action, Entry* entry) {
    __jit_debug_descriptor.action = action;
    __jit_debug_descriptor.relevant = entry;
    __jit_debug_register_code();
    __jit_debug_descriptor.action = Action::None;
}

}  // namespace

Bytes debug_object(const CodeMap& map) {
    elf::ElfBuilder builder(EM_X86_64);
    const uint32_t text =
        builder.section(".text", SHT_NOBITS, SHF_ALLOC | SHF_EXECINSTR, {}, 0, 0, map.code.size());
    builder.place(text, address_of(map.code.data()));
    builder.section(".debug_abbrev", SHT_PROGBITS, 0, abbreviations());
    builder.section(".debug_info", SHT_PROGBITS, 0, info(map));
    builder.section(".debug_line", SHT_PROGBITS, 0, lines(map));
    for (const CodeMap::Symbol& symbol : map.symbols)
        builder.symbol(symbol.name, text, uint64_t(symbol.begin - map.code.data()), symbol.size,
                       STB_GLOBAL, STT_FUNC);
    return builder.finish();
}

GdbEntry::GdbEntry(Bytes object) : object_(std::move(object)) {
    entry_.object = reinterpret_cast<const char*>(object_.data());
    entry_.size = object_.size();
    const std::lock_guard guard(lock);
    entry_.next = __jit_debug_descriptor.first;
    if (entry_.next) entry_.next->previous = &entry_;
    __jit_debug_descriptor.first = &entry_;
    tell(Action::Register, &entry_);
}

GdbEntry::~GdbEntry() {
    const std::lock_guard guard(lock);
    (entry_.previous ? entry_.previous->next : __jit_debug_descriptor.first) = entry_.next;
    if (entry_.next) entry_.next->previous = entry_.previous;
    tell(Action::Unregister, &entry_);
}

}  // namespace skep::engine::jit
