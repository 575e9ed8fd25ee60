// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "base/text.hpp"
#include "btf/btf.hpp"

// Sizes and alignments, computed once for every type when BTF is parsed. Each depends only on the
// types that it contains by value, so one depth-first walk does it; the same walk finds types that
// contain themselves, and bounds the nesting that later recursive code meets. The walk keeps its
// own stack: a hostile chain of a million consts must not exhaust the thread's.

namespace skep::btf {

namespace {

constexpr uint8_t kUnvisited = 0;
constexpr uint8_t kInProgress = 255;

/// How many types `type` contains by value, and which.
uint32_t part_count(const Type& type) {
    switch (type.kind()) {
        case Kind::Struct:
        case Kind::Union: return type.count();
        case Kind::Array:
        case Kind::Var: return 1;
        default: return type.is_modifier() ? 1 : 0;
    }
}

uint32_t part(const Type& type, uint32_t i) {
    if (type.is_composite()) return type.member(i).type;
    if (type.kind() == Kind::Array) return type.array().element;
    return type.ref();
}

uint8_t natural_alignment(uint32_t size) {
    return size == 0 ? 1 : uint8_t(1u << std::countr_zero(size | 16u));
}

}  // namespace

Type Btf::type(uint32_t id) const {
    static constexpr uint8_t kVoidRecord[12] = {};
    if (id < first_id_) return base_ ? base_->type(id) : Type(this, kVoidRecord, 0);
    if (id >= type_count()) return Type(this, kVoidRecord, 0);
    return Type(this, types_.data() + records_[id - first_id_], id);
}

const Btf::Layout& Btf::layout(uint32_t id) const {
    static constexpr Layout kVoidLayout{kUnsized, 1, 1};
    if (id < first_id_) return base_ ? base_->layout(id) : kVoidLayout;
    if (id >= type_count()) return kVoidLayout;
    return layouts_[id - first_id_];
}

std::optional<uint32_t> Btf::size_of(uint32_t id) const {
    const uint32_t size = layout(id).size;
    if (size == kUnsized) return std::nullopt;
    return size;
}

uint32_t Btf::align_of(uint32_t id) const {
    return layout(id).align;
}

Type Btf::resolve(uint32_t id) const {
    Type result = type(id);
    while (result.is_modifier()) result = type(result.ref());
    return result;
}

Result<void> Btf::lay_out_all() {
    layouts_.resize(records_.size());
    for (uint32_t id = first_id_; id < type_count(); id++)
        if (layout(id).nesting == kUnvisited) SKEP_TRY(lay_out(id));
    return {};
}

Result<void> Btf::lay_out(uint32_t root) {
    struct Frame {
        Type type;
        uint32_t next;
    };
    std::vector<Frame> stack;
    const auto enter = [&](uint32_t id) {
        layouts_[id - first_id_].nesting = kInProgress;
        stack.push_back({type(id), 0});
    };
    enter(root);
    while (!stack.empty()) {
        Frame& top = stack.back();
        const uint32_t parts = part_count(top.type);
        uint8_t state = kUnvisited + 1;
        uint32_t id = 0;
        while (top.next < parts) {
            id = part(top.type, top.next);
            state = layout(id).nesting;
            if (state == kUnvisited || state == kInProgress) break;
            top.next++;
        }
        if (state == kInProgress)
            return malformed("BTF type [{}] {} '{}' contains itself", id,
                             to_string(type(id).kind()), printable(type(id).name()));
        if (state == kUnvisited) {
            enter(id);
            continue;
        }
        const Layout done = SKEP_TRY(compute_layout(top.type));
        layouts_[top.type.id() - first_id_] = done;
        stack.pop_back();
    }
    return {};
}

/// Once the layouts of all parts are known. BTF does not say what is packed; it is inferred from a
/// member off its natural alignment, a bitfield across two units of its type, or a size that is no
/// multiple of the alignment (libbpf 1.4's btf__align_of() looks at the first and the last).
Result<Btf::Layout> Btf::compute_layout(const Type& type) const {
    Layout result;
    for (uint32_t i = 0, parts = part_count(type); i < parts; i++)
        result.nesting = std::max(result.nesting, layout(part(type, i)).nesting);
    if (++result.nesting > kMaxNesting)
        return malformed("BTF type [{}] {} nests more than {} types", type.id(),
                         to_string(type.kind()), kMaxNesting);

    switch (type.kind()) {
        case Kind::Int:
        case Kind::Float:
        case Kind::Enum:
        case Kind::Enum64:
            result.size = type.size();
            result.align = natural_alignment(type.size());
            break;
        case Kind::Ptr: result.size = result.align = 8; break;
        case Kind::Struct:
        case Kind::Union: {
            result.size = type.size();
            bool packed = false;
            for (const Member member : type.members()) {
                const Layout& inner = layout(member.type);
                result.align = std::max(result.align, inner.align);
                if (member.bitfield_size == 0)
                    packed |= member.bit_offset % (8u * inner.align) != 0;
                else if (inner.size != 0 && inner.size <= 16)
                    packed |= member.bit_offset % (8 * inner.size) + member.bitfield_size >
                              8 * inner.size;
            }
            if (packed || result.size % result.align != 0) result.align = 1;
            break;
        }
        case Kind::Array: {
            const Array array = type.array();
            const Layout& element = layout(array.element);
            result.align = element.align;
            result.size = kUnsized;
            if (element.size == kUnsized) break;
            const uint64_t size = uint64_t{element.size} * array.count;
            if (size >= kUnsized)
                return malformed("BTF type [{}] ARRAY of {} bytes is too large", type.id(), size);
            result.size = uint32_t(size);
            break;
        }
        case Kind::Datasec: result.size = type.size(); break;
        case Kind::Var:
        case Kind::Typedef:
        case Kind::Volatile:
        case Kind::Const:
        case Kind::Restrict:
        case Kind::TypeTag:
            result.size = layout(type.ref()).size;
            result.align = layout(type.ref()).align;
            break;
        default: result.size = kUnsized; break;
    }
    return result;
}

}  // namespace skep::btf
