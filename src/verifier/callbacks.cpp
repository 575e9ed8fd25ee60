// SPDX-License-Identifier: Apache-2.0
// What the functions get that helpers call back: one setter a helper. Registers that are not set
// stay uninitialised.
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

constexpr ReturnValueRange kZeroOrOne{0, 1, false};

void set_map(RegState& reg, RegType type, const MapInfo* map) {
    reg.set_pointer(type);
    reg.map = map;
}

void set_sync_callback(FuncState& callee) {
    callee.in_callback_fn = true;
    callee.callback_ret_range = kZeroOrOne;
}

bool supports_for_each(MapType type) {
    switch (type) {
        case MapType::Array:
        case MapType::PercpuArray:
        case MapType::Hash:
        case MapType::LruHash:
        case MapType::PercpuHash:
        case MapType::LruPercpuHash: return true;
        default: return false;
    }
}

}  // namespace

// (struct bpf_map *map, void *key, void *value, void *ctx)
bool set_map_elem_callback(Analysis& a, const FuncState& caller, FuncState& callee, uint32_t) {
    const MapInfo* map = caller.regs[1].map;
    if (!supports_for_each(map->type()))
        return a.refuse(Rule::MapType, "callback function not allowed for map");
    callee.regs[1] = caller.regs[1];
    set_map(callee.regs[2], kPtrToMapKey, map);
    set_map(callee.regs[3], kPtrToMapValue, map);
    callee.regs[4] = caller.regs[3];
    set_sync_callback(callee);
    return true;
}

// (u64 index, void *ctx)
bool set_loop_callback(Analysis&, const FuncState& caller, FuncState& callee, uint32_t) {
    callee.regs[1].set_unknown();
    callee.regs[2] = caller.regs[3];
    set_sync_callback(callee);
    return true;
}

// (struct bpf_map *map, void *key, void *value)
bool set_timer_callback(Analysis&, const FuncState& caller, FuncState& callee, uint32_t) {
    const MapInfo* map = caller.regs[1].map;
    set_map(callee.regs[1], kConstPtrToMap, map);
    set_map(callee.regs[2], kPtrToMapKey, map);
    set_map(callee.regs[3], kPtrToMapValue, map);
    callee.in_async_callback_fn = true;
    callee.callback_ret_range = {0, 0, false};
    return true;
}

// (struct task_struct *task, struct vm_area_struct *vma, void *ctx)
bool set_find_vma_callback(Analysis& a, const FuncState& caller, FuncState& callee, uint32_t) {
    callee.regs[1] = caller.regs[1];
    callee.regs[2].set_pointer(kPtrToBtfId);
    callee.regs[2].btf = a.kernel_btf;
    callee.regs[2].btf_id = kernel_struct_id(a, "vm_area_struct");
    callee.regs[3] = caller.regs[4];
    set_sync_callback(callee);
    return true;
}

// (const struct bpf_dynptr *dynptr, void *ctx)
bool set_user_ringbuf_callback(Analysis& a, const FuncState& caller, FuncState& callee, uint32_t) {
    callee.regs[0].clear();
    callee.regs[1].set_pointer(kConstPtrToDynptr);
    callee.regs[1].id = a.next_id();
    callee.regs[1].dynptr = DynptrType::Local;
    callee.regs[1].dynptr_first_slot = true;
    callee.regs[2] = caller.regs[3];
    set_sync_callback(callee);
    return true;
}

// (struct bpf_map *map, void *key, void *value), may sleep
bool set_task_work_callback(Analysis&, const FuncState& caller, FuncState& callee, uint32_t) {
    // The map is the third argument, the field in its value the second.
    const MapInfo* map = caller.regs[3].map;
    set_map(callee.regs[1], kConstPtrToMap, map);
    set_map(callee.regs[2], kPtrToMapKey, map);
    set_map(callee.regs[3], kPtrToMapValue, map);
    callee.in_async_callback_fn = true;
    callee.callback_ret_range = {};
    return true;
}

}  // namespace skep::verifier
