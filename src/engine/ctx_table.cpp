// SPDX-License-Identifier: Apache-2.0
#include "engine/ctx_table.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

namespace skep::engine {

namespace {

/// Contexts without a struct (arguments, registers, records of tracepoints) are looked up so far;
/// what lies behind (the strings of a record) is for bpf_probe_read().
constexpr uint32_t kMaxContext = 1024;

CtxPointer pointer_of(platform::CtxKind kind) {
    switch (kind) {
        case platform::CtxKind::Scalar: return CtxPointer::None;
        case platform::CtxKind::Packet: return CtxPointer::Data;
        case platform::CtxKind::PacketEnd: return CtxPointer::DataEnd;
        case platform::CtxKind::PacketMeta: return CtxPointer::DataMeta;
        default: return CtxPointer::Null;
    }
}

}  // namespace

CtxTable::CtxTable(const platform::ProgKind& kind) {
    const platform::CtxLayout* layout = platform::ctx_layout(kind.type);
    const uint32_t size = layout ? layout->size : kMaxContext;
    loads_.resize(size);
    stores_.resize(size);
    pointers_.resize(size);
    narrow_.resize(size);
    if (layout && layout->name == "__sk_buff")
        for (const platform::CtxField& field : layout->fields)
            if (field.name == "tc_classid" || field.name == "tc_index" ||
                field.name == "queue_mapping")
                std::fill_n(narrow_.begin() + field.offset, field.element, true);
    for (uint32_t offset = 0; offset < size; offset++)
        for (const uint8_t width : {1, 2, 4, 8}) {
            const auto read = platform::ctx_access(kind.type, kind.attach, offset, width, false);
            if (read.allowed()) {
                loads_[offset] |= width;
                if (layout) pointers_[offset] = pointer_of(read.kind);
            }
            if (platform::ctx_access(kind.type, kind.attach, offset, width, true).allowed())
                stores_[offset] |= width;
        }
}

const CtxTable& ctx_table(const platform::ProgKind& kind) {
    static std::mutex mutex;
    static std::map<std::pair<ProgType, AttachType>, std::unique_ptr<CtxTable>> tables;
    const std::lock_guard lock(mutex);
    auto& table = tables[{kind.type, kind.attach}];
    if (!table) table = std::make_unique<CtxTable>(kind);
    return *table;
}

}  // namespace skep::engine
