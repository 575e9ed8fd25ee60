// SPDX-License-Identifier: Apache-2.0
#include "skep/map.hpp"

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "platform/types.hpp"
#include "runtime/backend.hpp"

namespace skep {

namespace {

using runtime::MapBackend;

Result<void> check_size(const MapBackend& map, std::string_view what, size_t given, size_t wanted) {
    if (given == wanted) return {};
    return fail(ErrorCode::Usage, "map '{}': a {} has {} bytes, not {}", printable(map.info().name),
                what, wanted, given);
}

Result<void> check_key(const MapBackend& map, size_t size) {
    return check_size(map, "key", size, map.info().key_size);
}

Result<void> check_value(const MapBackend& map, size_t size) {
    return check_size(map, "value", size, map.value_bytes());
}

Result<void> check_elements(const MapBackend& map, std::span<const Element> elements, bool values) {
    for (const Element& one : elements) {
        SKEP_TRY(check_key(map, one.key.size()));
        if (values) SKEP_TRY(check_value(map, one.value.size()));
    }
    return {};
}

}  // namespace

const MapInfo& Map::info() const {
    return backend_->info();
}

bool Map::per_cpu() const {
    const MapType type = info().type;
    return type == MapType::PercpuHash || type == MapType::PercpuArray ||
           type == MapType::LruPercpuHash || type == MapType::PercpuCgroupStorage;
}

size_t Map::value_bytes() const {
    return backend_->value_bytes();
}

Result<bool> Map::lookup(Key key, std::span<uint8_t> value, uint64_t flags) const {
    SKEP_TRY(check_key(*backend_, key.size()));
    SKEP_TRY(check_value(*backend_, value.size()));
    return backend_->lookup(key, value, flags);
}

Result<void> Map::update(Key key, Key value, uint64_t flags) {
    SKEP_TRY(check_key(*backend_, key.size()));
    SKEP_TRY(check_value(*backend_, value.size()));
    return backend_->update(key, value, flags);
}

Result<bool> Map::erase(Key key) {
    SKEP_TRY(check_key(*backend_, key.size()));
    return backend_->erase(key);
}

Result<bool> Map::take(Key key, std::span<uint8_t> value) {
    SKEP_TRY(check_key(*backend_, key.size()));
    SKEP_TRY(check_value(*backend_, value.size()));
    return backend_->take(key, value);
}

Result<bool> Map::next_key(Key key, std::span<uint8_t> next) const {
    if (!key.empty()) SKEP_TRY(check_key(*backend_, key.size()));
    SKEP_TRY(check_key(*backend_, next.size()));
    return backend_->next_key(key, next);
}

Result<std::vector<Element>> Map::elements() const {
    return backend_->elements();
}

Result<void> Map::for_each(const std::function<bool(Key, Key)>& visit) const {
    std::vector<uint8_t> key(info().key_size), next(info().key_size), value(value_bytes());
    if (key.empty()) return {};
    bool more = SKEP_TRY(backend_->next_key({}, next));
    while (more) {
        key.swap(next);
        if (SKEP_TRY(backend_->lookup(key, value, 0)) && !visit(key, value)) break;
        more = SKEP_TRY(backend_->next_key(key, next));
    }
    return {};
}

Result<size_t> Map::update_all(std::span<const Element> elements, uint64_t flags) {
    SKEP_TRY(check_elements(*backend_, elements, true));
    return backend_->update_all(elements, flags);
}

Result<size_t> Map::erase_all(std::span<const Element> elements) {
    SKEP_TRY(check_elements(*backend_, elements, false));
    return backend_->erase_all(elements);
}

Result<void> Map::set_prog(uint32_t index, const Program& prog) {
    return backend_->set_prog(index, *prog.backend());
}

Result<void> Map::set_map(Key key, const Map& inner, uint64_t flags) {
    SKEP_TRY(check_key(*backend_, key.size()));
    return backend_->set_map(key, *inner.backend_, flags);
}

Result<void> Map::freeze() {
    return backend_->freeze();
}
Result<void> Map::pin(const std::string& name) {
    return backend_->pin(name);
}
Result<void> Map::unpin() {
    return backend_->unpin();
}
Result<void> Map::sync() {
    return backend_->sync();
}

Result<std::optional<uint64_t>> Map::sum_of(Key key) const {
    const size_t size = info().value_size;
    if (!per_cpu() || size > sizeof(uint64_t))
        return fail(ErrorCode::Usage, "map '{}' has no numbers to add up, one a CPU",
                    printable(info().name));
    std::vector<uint8_t> copies(value_bytes());
    if (!SKEP_TRY(lookup(key, copies))) return std::nullopt;
    uint64_t sum = 0;
    for (size_t at = 0; at + 8 <= copies.size(); at += 8) {
        uint64_t one = 0;
        std::memcpy(&one, copies.data() + at, size);
        sum += one;
    }
    return sum;
}

}  // namespace skep
