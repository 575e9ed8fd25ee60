// SPDX-License-Identifier: Apache-2.0
#include "maps/hash_map.hpp"

#include <linux/bpf.h>
#include <sys/random.h>

#include "base/bytes.hpp"

namespace skep::maps {

namespace {

using Lock = HashElements::Lock;

bool is_lru(MapType type) {
    return type == MapType::LruHash || type == MapType::LruPercpuHash;
}
bool is_percpu(MapType type) {
    return type == MapType::PercpuHash || type == MapType::LruPercpuHash;
}

int check_presence(bool present, uint64_t flags) {
    if (present && (flags & ~uint64_t{BPF_F_LOCK}) == BPF_NOEXIST) return -EEXIST;
    if (!present && (flags & ~uint64_t{BPF_F_LOCK}) == BPF_EXIST) return -ENOENT;
    return 0;
}

/// The kernel divides an LRU map with lists for each CPU evenly among them.
uint32_t rounded_entries(const MapDef& def) {
    if (!(def.flags & BPF_F_NO_COMMON_LRU)) return def.max_entries;
    const uint32_t cpus = possible_cpus();
    const uint64_t up = (uint64_t{def.max_entries} + cpus - 1) / cpus * cpus;
    return static_cast<uint32_t>(up <= UINT32_MAX ? up : def.max_entries / cpus * cpus);
}

uint64_t random_seed() {
    uint64_t seed = kOdd2;
    (void)!getrandom(&seed, sizeof seed, 0);
    return seed;
}

}  // namespace

Result<std::unique_ptr<Map>> make_hash_map(const MapDef& given) {
    MapDef def = given;
    def.max_entries = rounded_entries(given);
    const uint64_t seed = def.flags & BPF_F_ZERO_SEED ? 0 : random_seed();
    switch (def.key_size) {
        case 4: return HashMap<WordKey<uint32_t>>::create(def, seed);
        case 8: return HashMap<WordKey<uint64_t>>::create(def, seed);
        case 16: return HashMap<PairKey>::create(def, seed);
        default: return HashMap<BytesKey>::create(def, seed);
    }
}

template <typename Policy>
Result<std::unique_ptr<Map>> HashMap<Policy>::create(const MapDef& def, uint64_t seed) {
    const auto value_size = static_cast<uint32_t>(align_up(def.value_size, 8));
    Table table =
        SKEP_TRY(Table::create(Policy(def.key_size), def.max_entries,
                               is_percpu(def.type) ? 0 : value_size, is_lru(def.type), seed));
    Reserved percpu;
    if (is_percpu(def.type)) {
        const uint64_t run = align_up(uint64_t{value_size} * table.elements().count(), kPageSize);
        percpu = SKEP_TRY(Reserved::create(run * possible_cpus()));
    }
    return std::unique_ptr<Map>(new HashMap(def, std::move(table), std::move(percpu)));
}

template <typename Policy>
HashMap<Policy>::HashMap(const MapDef& def, Table table, Reserved percpu)
    : Map(def), lru_(is_lru(def.type)), table_(std::move(table)), percpu_(std::move(percpu)) {
    if (is_percpu(def.type)) {
        values_ = percpu_.data();
        value_stride_ = align_up(def.value_size, 8);
        cpu_stride_ = align_up(value_stride_ * table_.elements().count(), kPageSize);
    } else {
        values_ = table_.value(0);
        value_stride_ = table_.elements().element_size();
        cpu_stride_ = 0;
    }
}

template <typename Policy>
HashMap<Policy>::~HashMap() {
    if (!layout_.has_owned()) return;
    for (Place place = table_.scan(0, 0); place; place = table_.scan(place.bucket, place.slot + 1))
        release(place.element);
}

// -- writing ------------------------------------------------------------------------------------

template <typename Policy>
int HashMap<Policy>::update(const void* key, const void* value, uint64_t flags, uint32_t cpu) {
    if (percpu() || lru_) {
        if (flags > BPF_EXIST) return -EINVAL;
    } else {
        if ((flags & ~uint64_t{BPF_F_LOCK}) > BPF_EXIST) return -EINVAL;
        if ((flags & BPF_F_LOCK) && !layout_.has_lock()) return -EINVAL;
    }
    return store(key, value, flags, cpu);
}

template <typename Policy>
int HashMap<Policy>::write_in(const void* key, const void* value, uint64_t flags) {
    return update(key, value, flags, percpu() ? kAllCpus : 0);
}

template <typename Policy>
int HashMap<Policy>::store(const void* key, const void* value, uint64_t flags, uint32_t cpu) {
    const Key wanted = table_.load(key);
    const uint32_t hash = table_.hash(wanted);
    HashElements& elements = table_.elements();
    HashElements::Stripe& stripe = elements.stripe(hash);
    uint32_t found = kNone;  // an element from elsewhere, where our stripe had none
    for (;;) {
        {
            const Lock lock(stripe);
            const Place place = table_.find(wanted, hash);
            const int error = check_presence(static_cast<bool>(place), flags);
            if (!place && !error && found == kNone) found = elements.take(stripe);
            if (error || place) {
                if (found != kNone) elements.give(stripe, found);
                if (place && !error) overwrite(stripe, place, wanted, hash, value, flags, cpu);
                return error;
            }
            if (found != kNone) {
                fill(found, wanted, hash, value, cpu);
                table_.insert(found, hash);
                return 0;
            }
        }
        // Others' elements are behind others' locks, of which we take one at a time.
        found = lru_ ? evict() : elements.steal();
        if (found == kNone) return lru_ ? -ENOMEM : -E2BIG;
    }
}

template <typename Policy>
void HashMap<Policy>::overwrite(HashElements::Stripe& stripe, const Place& place, Key key,
                                uint32_t hash, const void* value, uint64_t flags, uint32_t cpu) {
    uint8_t* live = this->value(place.element, 0);
    if (percpu()) {
        copy_percpu_in(place.element, value, cpu);
        if (lru_) touch(place.element);
    } else if (flags & BPF_F_LOCK) {
        layout_.copy_locked(live, value, live);
    } else {
        const uint32_t element = std::exchange(stripe.spare, place.element);
        fill(element, key, hash, value, cpu);
        if (lru_) touch(element);
        table_.replace(place, element);
        release(place.element);
    }
}

/// A free element becomes that of `key`. The value first: whoever sees the key sees the value.
template <typename Policy>
void HashMap<Policy>::fill(uint32_t element, Key key, uint32_t hash, const void* value,
                           uint32_t cpu) {
    HashElements& elements = table_.elements();
    elements.begin_write(element);
    if (!percpu()) {
        layout_.copy(this->value(element, 0), value);
    } else {
        for (uint32_t other = 0; cpu != kAllCpus && other < possible_cpus(); ++other)
            if (other != cpu) layout_.clear_content(this->value(element, other));
        copy_percpu_in(element, value, cpu);
    }
    if (lru_) elements.mark(element).store(0, std::memory_order_relaxed);
    table_.write_key(element, key, hash);
    elements.end_write(element);
}

template <typename Policy>
void HashMap<Policy>::copy_percpu_in(uint32_t element, const void* value, uint32_t cpu) {
    if (cpu != kAllCpus) {
        layout_.copy(this->value(element, cpu), value);
        return;
    }
    const auto* in = static_cast<const uint8_t*>(value);
    for (uint32_t each = 0; each < possible_cpus(); ++each, in += value_stride_) {
        uint8_t* to = this->value(element, each);
        layout_.copy(to, in);
        copy_words(to + def_.value_size, in + def_.value_size, value_stride_ - def_.value_size);
    }
}

template <typename Policy>
int HashMap<Policy>::erase(const void* key) {
    const Key wanted = table_.load(key);
    const uint32_t hash = table_.hash(wanted);
    HashElements::Stripe& stripe = table_.elements().stripe(hash);
    const Lock lock(stripe);
    const Place place = table_.find(wanted, hash);
    if (!place) return -ENOENT;
    table_.remove(place, hash);
    release(place.element);
    table_.elements().give(stripe, place.element);
    return 0;
}

template <typename Policy>
int HashMap<Policy>::take_out(const void* key, void* value, uint64_t flags) {
    const Key wanted = table_.load(key);
    const uint32_t hash = table_.hash(wanted);
    HashElements::Stripe& stripe = table_.elements().stripe(hash);
    const Lock lock(stripe);
    const Place place = table_.find(wanted, hash);
    if (!place) return -ENOENT;
    copy_out(place.element, value, flags);
    table_.remove(place, hash);
    release(place.element);
    table_.elements().give(stripe, place.element);
    return 0;
}

template <typename Policy>
void HashMap<Policy>::release(uint32_t element) {
    if (!layout_.has_owned()) return;
    for (uint32_t cpu = 0; cpu < (percpu() ? possible_cpus() : 1); ++cpu)
        release_special(value(element, cpu));
}

/// Takes the first element that no program has looked up since the hand last came by. Twice round
/// finds one, unless all are in the hands of other writers. Under no lock.
template <typename Policy>
uint32_t HashMap<Policy>::evict() {
    HashElements& elements = table_.elements();
    const uint32_t free = elements.steal();
    if (free != kNone) return free;
    const uint32_t count = elements.count();
    for (uint64_t steps = 0; steps < 2 * uint64_t{count} + possible_cpus(); ++steps) {
        const uint32_t element = hand_.fetch_add(1, std::memory_order_relaxed) % count;
        std::atomic<uint32_t>& mark = elements.mark(element);
        if (mark.load(std::memory_order_relaxed)) {
            mark.store(0, std::memory_order_relaxed);
            continue;
        }
        const uint32_t hash = elements.hash(element).load(std::memory_order_relaxed);
        const Lock lock(elements.stripe(hash));
        if (elements.hash(element).load(std::memory_order_relaxed) != hash) continue;
        const Place place = table_.find_element(element, hash);
        if (!place) continue;  // free, or a spare
        table_.remove(place, hash);
        release(element);
        return element;
    }
    return elements.steal();
}

// -- reading ------------------------------------------------------------------------------------

template <typename Policy>
void* HashMap<Policy>::lookup_slowly(const void* key, uint32_t cpu) {
    const Key wanted = table_.load(key);
    const Place place = table_.find(wanted, table_.hash(wanted));
    if (!place) return nullptr;
    if (lru_) touch(place.element);
    return value(place.element, cpu);
}

template <typename Policy>
void* HashMap<Policy>::lookup_percpu(const void* key, uint32_t cpu) {
    return percpu() && cpu < possible_cpus() ? lookup(key, cpu) : nullptr;
}

template <typename Policy>
int64_t HashMap<Policy>::for_each(Visit visit, uint64_t flags, uint32_t cpu) {
    if (flags) return -EINVAL;
    int64_t visited = 0;
    for (Place place = table_.scan(0, 0); place;
         place = table_.scan(place.bucket, place.slot + 1)) {
        ++visited;
        if (visit(table_.key(place.element), value(place.element, cpu))) break;
    }
    return visited;
}

template <typename Policy>
std::span<uint8_t> HashMap<Policy>::value_at(const void* address, size_t size) {
    const uint64_t offset = static_cast<const uint8_t*>(address) - values_;
    const uint32_t count = table_.elements().count();
    const uint64_t run = percpu() ? cpu_stride_ : value_stride_ * count;
    if (offset >= run * (percpu() ? possible_cpus() : 1)) return {};
    const uint64_t element = offset % run / value_stride_;
    const uint64_t inside = offset % run % value_stride_;
    if (element >= count || inside > def_.value_size || size > def_.value_size - inside) return {};
    return {values_ + (offset - inside), def_.value_size};
}

template <typename Policy>
size_t HashMap<Policy>::user_value_size() const {
    return percpu() ? value_stride_ * possible_cpus() : def_.value_size;
}

template <typename Policy>
void HashMap<Policy>::copy_out(uint32_t element, void* value, uint64_t flags) {
    auto* out = static_cast<uint8_t*>(value);
    for (uint32_t cpu = 0; cpu < (percpu() ? possible_cpus() : 1); ++cpu, out += value_stride_) {
        uint8_t* live = this->value(element, cpu);
        if (percpu()) {
            copy_words(out, live, value_stride_);
        } else if (flags & BPF_F_LOCK) {
            layout_.copy_locked(out, live, live);
        } else {
            layout_.copy(out, live);
        }
        layout_.clear_special(out);
    }
}

/// Does not touch LRU marks: a walk by user space must not make everything look used.
template <typename Policy>
int HashMap<Policy>::read_out(const void* key, void* value, uint64_t flags) {
    const Key wanted = table_.load(key);
    const uint32_t hash = table_.hash(wanted);
    for (;;) {
        const Place place = table_.find(wanted, hash);
        if (!place) return -ENOENT;
        const uint32_t generation =
            table_.elements().generation(place.element).load(std::memory_order_acquire);
        copy_out(place.element, value, flags);
        // Recycled while we copied: then what we have may be half another element's.
        if (table_.still(place, generation)) return 0;
    }
}

template <typename Policy>
int HashMap<Policy>::next(const void* key, void* next) {
    Place place;
    if (key) {
        const Key wanted = table_.load(key);
        const Place current = table_.find(wanted, table_.hash(wanted));
        place = current ? table_.scan(current.bucket, current.slot + 1) : table_.scan(0, 0);
    } else {
        place = table_.scan(0, 0);
    }
    for (; place; place = table_.scan(place.bucket, place.slot + 1))
        if (table_.copy_key(place, next)) return 0;
    return -ENOENT;
}

template class HashMap<WordKey<uint32_t>>;
template class HashMap<WordKey<uint64_t>>;
template class HashMap<PairKey>;
template class HashMap<BytesKey>;

}  // namespace skep::maps
