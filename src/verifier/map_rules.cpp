// SPDX-License-Identifier: Apache-2.0
// Which maps go with which helpers and programs: check_map_func_compatibility() and
// check_map_prog_compatibility() of Linux 6.18.
#include "platform/helper_maps.hpp"
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

using platform::HelperId;

// Where no socket can be locked, programs may change socket maps.
bool may_update_sockmap(const Analysis& a, HelperId func) {
    if (func != HelperId::map_update_elem && func != HelperId::map_delete_elem) return false;
    switch (a.prog.type) {
        case ProgType::Tracing: return a.prog.attach_type == AttachType::TraceIter;
        case ProgType::SockOps: return func == HelperId::map_delete_elem;
        case ProgType::SocketFilter:
        case ProgType::SchedCls:
        case ProgType::SchedAct:
        case ProgType::Xdp:
        case ProgType::SkReuseport:
        case ProgType::FlowDissector:
        case ProgType::SkLookup: return true;
        default: return false;
    }
}

bool is_tracing(ProgType type) {
    return type == ProgType::Kprobe || type == ProgType::Tracepoint ||
           type == ProgType::PerfEvent || type == ProgType::RawTracepoint ||
           type == ProgType::RawTracepointWritable;
}

bool allowed_for_sleepable(MapType type) {
    switch (type) {
        case MapType::Hash:
        case MapType::LruHash:
        case MapType::Array:
        case MapType::PercpuHash:
        case MapType::PercpuArray:
        case MapType::LruPercpuHash:
        case MapType::ArrayOfMaps:
        case MapType::HashOfMaps:
        case MapType::Ringbuf:
        case MapType::UserRingbuf:
        case MapType::InodeStorage:
        case MapType::SkStorage:
        case MapType::TaskStorage:
        case MapType::CgrpStorage:
        case MapType::Queue:
        case MapType::Stack:
        case MapType::Arena: return true;
        default: return false;
    }
}

}  // namespace

bool check_map_func_compatibility(Analysis& a, const MapInfo* map, HelperId func) {
    if (!map) return true;
    const MapType type = map->type();
    bool ok = platform::helper_takes_map(func, type);
    const bool changes = func == HelperId::map_update_elem || func == HelperId::map_delete_elem;
    if (ok && (type == MapType::Sockmap || type == MapType::Sockhash) && changes) {
        ok = may_update_sockmap(a, func);
        if (!ok) a.log("cannot update sockmap in this context\n");
    }
    return ok || a.refuse(Rule::MapType, "cannot pass map_type {} into func {}", uint32_t(type),
                          helper_label(func));
}

bool check_map_prog_compatibility(Analysis& a, MapInfo& map) {
    const ProgType prog = a.prog.type;
    const Record* record = record_of_map(a, map);
    map.record = record;
    if (map.inner) map.inner->record = record_of_map(a, *map.inner);
    if (record && record->malformed)
        return a.refuse(Rule::MapField,
                        "map '{}' cannot be created: its special fields are invalid",
                        map.spec->name);
    if (record) {
        if (record->has(FieldKind::ListHead | FieldKind::RbRoot) && is_tracing(prog))
            return a.refuse(Rule::MapField,
                            "tracing progs cannot use bpf_{{list_head,rb_root}} yet");
        if (record->has(FieldKind::AnyLock)) {
            if (prog == ProgType::SocketFilter)
                return a.refuse(Rule::MapField, "socket filter progs cannot use bpf_spin_lock yet");
            if (is_tracing(prog))
                return a.refuse(Rule::MapField, "tracing progs cannot use bpf_spin_lock yet");
        }
        // Since 6.18 tracing programs may have timers: how they are called is looked at instead.
    }
    if (map.type() == MapType::StructOps)
        return a.refuse(Rule::MapType, "bpf_struct_ops map cannot be used in prog");
    if (a.prog.sleepable && !allowed_for_sleepable(map.type()))
        return a.refuse(
            Rule::MapType,
            "Sleepable programs can only use array, hash, ringbuf and local storage maps");
    return true;
}

bool map_needs_uid(const MapInfo& map) {
    const auto* record = static_cast<const Record*>(map.record);
    return record && record->has(FieldKind::Timer | FieldKind::Workqueue | FieldKind::TaskWork);
}

bool may_point_to_lock(Analysis& a, const RegState& reg) {
    const Record* record = record_of(a, reg);
    return record && record->has(FieldKind::AnyLock);
}

bool elides_null(MapType type) {
    return type == MapType::Array || type == MapType::PercpuArray;
}

std::optional<int64_t> constant_map_key(Analysis& a, const RegState& key, uint32_t key_size,
                                        bool& failed) {
    if (!a.privileged || !a.is_kernel_at_least(platform::KernelVersion("6.14"))) return {};
    if (key.type != kPtrToStack || !key.value.is_constant()) return {};
    const int64_t offset = key.off + int64_t(key.value.constant_value());
    const FuncState& frame = a.stack_owner(key);
    const size_t slot = size_t(slot_index(int(offset)));
    if (offset >= 0 || slot >= frame.stack.size()) return {};
    const StackSlot& stack = frame.stack[slot];
    const int first = int(-offset - 1) % kSlotBytes;

    // The key must lie in the slot from here on, all of one kind.
    const auto run_of = [&](SlotType type) {
        uint32_t count = 0;
        for (int i = first; i >= 0 && stack.bytes[size_t(i)] == type; --i) ++count;
        return count;
    };
    if (run_of(SlotType::Zero) >= key_size) return 0;
    if (!stack.spilled || stack.spilled->type != kScalar) return {};
    if (run_of(SlotType::Spill) != key_size || !stack.spilled->value.is_constant()) return {};
    const int64_t value = int64_t(stack.spilled->value.constant_value());
    failed = !a.mark_chain_precision_slot(key.frameno, int(slot));
    return value;
}

}  // namespace skep::verifier
