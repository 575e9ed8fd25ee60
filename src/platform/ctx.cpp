// SPDX-License-Identifier: Apache-2.0
#include "platform/ctx.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "platform/attach_bits.hpp"
#include "platform/types.hpp"

namespace skep::platform {
namespace {

enum class CtxStruct : uint8_t {
#define CTX_STRUCT(name, size) name,
#include "platform/ctx.def"
};

constexpr CtxField kFields[] = {
#define CTX_FIELD(structure, name, offset, element, count, kind) \
    {#name, offset, element, count, CtxKind::kind},
#include "platform/ctx.def"
};

constexpr CtxStruct kOwners[] = {
#define CTX_FIELD(structure, name, offset, element, count, kind) CtxStruct::structure,
#include "platform/ctx.def"
};

consteval std::span<const CtxField> fields_of(CtxStruct structure) {
    const auto* begin = std::ranges::find(kOwners, structure);
    const auto* end =
        std::find_if(begin, std::end(kOwners), [&](CtxStruct o) { return o != structure; });
    return {&kFields[begin - kOwners], static_cast<size_t>(end - begin)};
}

constexpr CtxLayout kLayouts[] = {
#define CTX_STRUCT(name, size) {#name, size, fields_of(CtxStruct::name)},
#include "platform/ctx.def"
};

// Fields of one struct, bit i for its i-th.
using FieldBits = uint64_t;

// The fields of a list as a CTX_READ row has it ("data, data_end"); an unknown name does not
// compile.
consteval FieldBits field_bits(CtxStruct structure, std::string_view names) {
    const std::span<const CtxField> fields = fields_of(structure);
    if (fields.size() > 64) throw "more fields than FieldBits has bits";
    FieldBits bits = 0;
    while (!names.empty()) {
        const size_t comma = std::min(names.find(", "), names.size());
        const auto found = std::ranges::find(fields, names.substr(0, comma), &CtxField::name);
        if (found == fields.end()) throw "the struct has no such field";
        bits |= FieldBits{1} << (found - fields.begin());
        names.remove_prefix(std::min(comma + 2, names.size()));
    }
    return bits;
}

enum class CtxSet : uint8_t {
    None,
    Skb,
    SkbMark,
    SkbData,
    SkbSock,
    SkbTstamp,
    SkbTc,
    SkbFlow,
    SkbCb,
    SkbCgroup,
    SkbLwt,
    SkbStream,
    Xdp,
    XdpDevmap,
    Sock,
    SockCreate,
    SockBind4,
    SockBind6,
    SockBind,
    Addr,
    Addr4,
    Addr6,
    AddrSource4,
    AddrSource6,
    SockOps,
    SkMsg,
    Reuseport,
    SkLookup,
    Device,
    Sysctl,
    Sockopt,
    Setsockopt,
    Getsockopt,
    PerfEvent,
    Netfilter,
    Regs,
    RawTracepoint,
    RawTracepointWritable,
};

enum class Mode : uint8_t { Full, Head, Narrow, Half, NarrowWide, FullWide, Port };

struct RuleRow {
    CtxStruct structure;
    CtxSet set;
    Mode mode;
    bool write;
    FieldBits fields;
};

constexpr RuleRow kRules[] = {
#define CTX_READ(structure, set, mode, ...)                \
    {CtxStruct::structure, CtxSet::set, Mode::mode, false, \
     field_bits(CtxStruct::structure, #__VA_ARGS__)},
#define CTX_WRITE(structure, set, mode, ...)              \
    {CtxStruct::structure, CtxSet::set, Mode::mode, true, \
     field_bits(CtxStruct::structure, #__VA_ARGS__)},
#include "platform/ctx.def"
};

struct ProgRow {
    ProgType type;
    AttachBits attach;
    CtxStruct structure;
    std::array<CtxSet, 8> sets;
};

constexpr auto kProgRows = [] {
    using enum AttachType;
    constexpr AttachBits any = kAnyAttach;
    using Sets = std::array<CtxSet, 8>;
    return std::to_array<ProgRow>({
#define PROG_CTX(type, attach, structure, ...)          \
    {ProgType::type, attach, CtxStruct::structure, [] { \
         using enum CtxSet;                             \
         return Sets{__VA_ARGS__};                      \
     }()},
#include "platform/ctx.def"
    });
}();

struct Area {
    ProgType type;
    uint32_t from, to;
    bool writable;
};

constexpr Area kAreas[] = {
#define PROG_CTX_AREA(type, from, to, writable) {ProgType::type, from, to, writable},
#include "platform/ctx.def"
};

const ProgRow* find_prog(ProgType type, AttachType attach) {
    const AttachBits bit = attach_bit_of(type, attach);
    for (const ProgRow& row : kProgRows)
        if (row.type == type && (row.attach & bit) != 0) return &row;
    return nullptr;
}

// Whether `size` bytes at `offset`, which lies in `field`, are a way in which `mode` reaches it.
bool fits(const CtxField& field, Mode mode, uint32_t offset, uint32_t size) {
    const uint32_t inside = (offset - field.offset) % field.element;
    if (size == field.element) return inside == 0;
    if (size > field.element) {
        if (mode == Mode::Port) return size == 4 && offset == field.offset;
        const bool wide = mode == Mode::NarrowWide || mode == Mode::FullWide;
        return wide && size == 8 && offset % 8 == 0 && offset + size <= field.end();
    }
    switch (mode) {
        case Mode::Full:
        case Mode::FullWide: return false;
        case Mode::Head: return inside == 0;
        case Mode::Half: return size >= 2 && inside % size == 0;
        case Mode::Narrow:
        case Mode::NarrowWide:
        case Mode::Port: return inside % size == 0;
    }
    return false;
}

CtxAccess refuse(const CtxField* field, std::string why) {
    return {.kind = CtxKind::Scalar, .field = field, .refused = std::move(why)};
}

CtxAccess area_access(const Area& area, int64_t offset, uint32_t size, bool write) {
    if (offset < area.from || offset + size > area.to)
        return refuse(nullptr, fmt::format("the context of {} programs is bytes {} to {}",
                                           to_string(area.type), area.from, area.to - 1));
    if (write && !area.writable)
        return refuse(nullptr,
                      fmt::format("{} programs cannot write their context", to_string(area.type)));
    if (offset % size != 0) return refuse(nullptr, "access to the context is not aligned");
    return {};
}

}  // namespace

const CtxLayout* ctx_layout(ProgType type) {
    for (const ProgRow& row : kProgRows)
        if (row.type == type) return &kLayouts[static_cast<size_t>(row.structure)];
    return nullptr;
}

const CtxField* find_field(const CtxLayout& layout, uint32_t offset) {
    for (const CtxField& field : layout.fields)
        if (offset >= field.offset && offset < field.end()) return &field;
    return nullptr;
}

CtxAccess ctx_access(ProgType type, AttachType attach, int64_t offset, uint32_t size, bool write) {
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return refuse(nullptr, "a context is accessed 1, 2, 4 or 8 bytes at a time");
    for (const Area& area : kAreas)
        if (area.type == type) return area_access(area, offset, size, write);
    const ProgRow* prog = find_prog(type, attach);
    if (!prog)
        return refuse(nullptr,
                      fmt::format("{} programs have no struct as their context", to_string(type)));
    const CtxLayout& layout = kLayouts[static_cast<size_t>(prog->structure)];
    if (offset < 0 || offset >= layout.size)
        return refuse(nullptr, fmt::format("offset {} is outside struct {} of {} bytes", offset,
                                           layout.name, layout.size));

    const auto at = static_cast<uint32_t>(offset);
    const CtxField* reached = nullptr;  // a field here that such programs may access, if not so
    for (const RuleRow& rule : kRules) {
        if (rule.structure != prog->structure || rule.write != write) continue;
        if (std::ranges::find(prog->sets, rule.set) == prog->sets.end()) continue;
        for (size_t i = 0; i < layout.fields.size(); ++i) {
            const CtxField& field = layout.fields[i];
            if ((rule.fields >> i & 1) == 0 || at < field.offset || at >= field.end()) continue;
            if (fits(field, rule.mode, at, size))
                return {.kind = field.kind, .field = &field, .refused = {}};
            reached = &field;
        }
    }
    const std::string_view verb = write ? "write" : "read";
    if (reached)
        return refuse(reached,
                      fmt::format("{} programs cannot {} {} bytes at offset {} of {}.{}",
                                  to_string(type), verb, size, offset, layout.name, reached->name));
    const CtxField* field = find_field(layout, at);
    if (field)
        return refuse(field, fmt::format("{} programs cannot {} {}.{}", to_string(type), verb,
                                         layout.name, field->name));
    return refuse(nullptr, fmt::format("struct {} has no field at offset {}", layout.name, offset));
}

}  // namespace skep::platform
