// SPDX-License-Identifier: Apache-2.0
#include "maps/map.hpp"

#include "engine/helpers.hpp"
#include "maps/local_storage.hpp"
#include "maps/map_of_maps.hpp"

// Helpers on maps, and on the special fields of their values.

namespace skep::engine {

namespace {

using platform::HelperId;

maps::Map* as_map(uint64_t value) {
    return reinterpret_cast<maps::Map*>(value);
}
const void* as_pointer(uint64_t value) {
    return reinterpret_cast<const void*>(value);
}
uint64_t as_result(int result) {
    return uint64_t(int64_t{result});
}

uint64_t map_lookup_elem(Execution& x, uint64_t map, uint64_t key, uint64_t, uint64_t, uint64_t) {
    void* found = as_map(map)->lookup(as_pointer(key), x.cpu());
    if (found && as_map(map)->as<maps::MapOfMaps>())
        x.memory().add_map(static_cast<maps::Map*>(found));
    return reinterpret_cast<uint64_t>(found);
}

uint64_t map_update_elem(Execution& x, uint64_t map, uint64_t key, uint64_t value, uint64_t flags,
                         uint64_t) {
    return as_result(as_map(map)->update(as_pointer(key), as_pointer(value), flags, x.cpu()));
}

uint64_t map_delete_elem(Execution&, uint64_t map, uint64_t key, uint64_t, uint64_t, uint64_t) {
    return as_result(as_map(map)->erase(as_pointer(key)));
}

uint64_t map_lookup_percpu_elem(Execution&, uint64_t map, uint64_t key, uint64_t cpu, uint64_t,
                                uint64_t) {
    return reinterpret_cast<uint64_t>(as_map(map)->lookup_percpu(as_pointer(key), uint32_t(cpu)));
}

uint64_t map_push_elem(Execution&, uint64_t map, uint64_t value, uint64_t flags, uint64_t,
                       uint64_t) {
    return as_result(as_map(map)->push(as_pointer(value), flags));
}

uint64_t map_pop_elem(Execution&, uint64_t map, uint64_t value, uint64_t, uint64_t, uint64_t) {
    return as_result(as_map(map)->pop(reinterpret_cast<void*>(value)));
}

uint64_t map_peek_elem(Execution&, uint64_t map, uint64_t value, uint64_t, uint64_t, uint64_t) {
    return as_result(as_map(map)->peek(reinterpret_cast<void*>(value)));
}

// --- storage of the current task ---

/// What names the owner: its address in this event is not it, its thread id is.
std::optional<uint64_t> storage_owner(Execution& x, uint64_t task) {
    if (task != x.task().task_struct()) return std::nullopt;
    return uint32_t(x.task().pid_tgid());
}

uint64_t task_storage_get(Execution& x, uint64_t map, uint64_t task, uint64_t value, uint64_t flags,
                          uint64_t) {
    const auto owner = storage_owner(x, task);
    if (!owner) return 0;
    return reinterpret_cast<uint64_t>(
        as_map(map)->as<maps::LocalStorage>()->get(*owner, as_pointer(value), flags));
}

uint64_t task_storage_delete(Execution& x, uint64_t map, uint64_t task, uint64_t, uint64_t,
                             uint64_t) {
    const auto owner = storage_owner(x, task);
    if (!owner) return errno_result(ENOENT);
    return as_result(as_map(map)->as<maps::LocalStorage>()->remove(*owner));
}

// --- locks ---

uint64_t spin_lock(Execution& x, uint64_t lock, uint64_t, uint64_t, uint64_t, uint64_t) {
    if (x.held_lock) return x.fault(Fault::Kind::BadArgument, "a lock is held already", 1, lock);
    auto* word = reinterpret_cast<uint32_t*>(lock);
    while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) != 0)
        while (__atomic_load_n(word, __ATOMIC_RELAXED) != 0) __builtin_ia32_pause();
    x.held_lock = word;
    return 0;
}

uint64_t spin_unlock(Execution& x, uint64_t lock, uint64_t, uint64_t, uint64_t, uint64_t) {
    auto* word = reinterpret_cast<uint32_t*>(lock);
    if (x.held_lock != word)
        return x.fault(Fault::Kind::BadArgument, "this lock is not held", 1, lock);
    x.held_lock = nullptr;
    __atomic_store_n(word, 0, __ATOMIC_RELEASE);
    return 0;
}

uint64_t kptr_xchg(Execution& x, uint64_t field, uint64_t pointer, uint64_t, uint64_t, uint64_t) {
    // No helper of this runtime gives out a reference that could be stored.
    if (pointer != 0)
        return x.fault(Fault::Kind::BadArgument, "bpf_kptr_xchg: this is no reference", 2, pointer);
    return __atomic_exchange_n(reinterpret_cast<uint64_t*>(field), pointer, __ATOMIC_SEQ_CST);
}

/// The runtime has no per-CPU kernel variables; the argument check lets nothing through.
uint64_t no_percpu_variable(Execution& x, uint64_t pointer, uint64_t, uint64_t, uint64_t,
                            uint64_t) {
    return x.fault(Fault::Kind::BadArgument, "there are no per-CPU variables here", 1, pointer);
}

constexpr HelperRow kRows[] = {
    {HelperId::map_lookup_elem, map_lookup_elem},
    {HelperId::map_update_elem, map_update_elem},
    {HelperId::map_delete_elem, map_delete_elem},
    {HelperId::map_lookup_percpu_elem, map_lookup_percpu_elem},
    {HelperId::map_push_elem, map_push_elem},
    {HelperId::map_pop_elem, map_pop_elem},
    {HelperId::map_peek_elem, map_peek_elem},
    {HelperId::task_storage_get, task_storage_get},
    {HelperId::task_storage_delete, task_storage_delete},
    {HelperId::spin_lock, spin_lock},
    {HelperId::spin_unlock, spin_unlock},
    {HelperId::kptr_xchg, kptr_xchg},
    {HelperId::per_cpu_ptr, no_percpu_variable},
    {HelperId::this_cpu_ptr, no_percpu_variable},
};

}  // namespace

std::span<const HelperRow> map_helpers() {
    return kRows;
}

}  // namespace skep::engine
