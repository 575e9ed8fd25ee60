// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>

#include "kernel/bpf.hpp"
#include "kernel/map.hpp"

// Many elements by one system call: 34 ns an element instead of a call each. Not every type has the
// commands, and not every kernel for the types that do: then it is done one by one.

namespace skep::kernel {

namespace {

/// The kernel's ENOTSUPP, which no header of user space has.
constexpr int kEnotsupp = 524;

/// The command is not there for this type or on this kernel.
bool no_batch(int error_number) {
    return error_number == kEnotsupp || error_number == EOPNOTSUPP || error_number == EINVAL;
}

void append_entries(std::vector<MapEntry>& entries, const Bytes& keys, const Bytes& values,
                    size_t key_size, size_t value_size, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const auto* key = keys.data() + i * key_size;
        const auto* value = values.data() + i * value_size;
        entries.push_back({Bytes(key, key + key_size), Bytes(value, value + value_size)});
    }
}

}  // namespace

Result<std::optional<std::vector<MapEntry>>> Map::read_batch(bool take) const {
    constexpr uint32_t kMost = 1u << 16;
    uint32_t room = std::clamp(info_.max_entries, 1u, 4096u);
    // A cursor of a hash is 4 bytes, of other types a key.
    Bytes cursor(std::max<size_t>(info_.key_size, 4)), after(cursor.size());
    std::vector<MapEntry> entries;
    for (bool first = true;;) {
        Bytes keys(size_t{room} * info_.key_size), values(size_t{room} * user_value_size_);
        MapBatch batch{.in_batch = first ? nullptr : cursor.data(),
                       .out_batch = after.data(),
                       .keys = keys.data(),
                       .values = values.data(),
                       .count = room};
        const Result<bool> more = map_lookup_batch(fd_.get(), batch, take);
        const int error_number = more ? 0 : more.error().sys_errno;
        if (first && no_batch(error_number)) return std::nullopt;
        // One bucket has more than fits: nothing was read, and nothing lost.
        if (error_number == ENOSPC && room < kMost) {
            room *= 4;
            continue;
        }
        if (!more) return std::unexpected(error("batch lookup", error_number));
        append_entries(entries, keys, values, info_.key_size, user_value_size_, batch.count);
        if (!*more) return entries;
        cursor = after;
        first = false;
    }
}

Result<std::vector<MapEntry>> Map::entries() const {
    if (info_.key_size == 0)
        return std::unexpected(error("a map without keys has nothing to list", EINVAL));
    if (auto entries = SKEP_TRY(read_batch(false))) return std::move(*entries);
    std::vector<MapEntry> entries;
    std::optional<Bytes> key = SKEP_TRY(next_key(std::nullopt));
    // A key that is deleted under the iteration starts it over; the map's size bounds that.
    for (uint64_t seen = 0; key && seen <= 2 * uint64_t{info_.max_entries}; seen++) {
        if (auto value = SKEP_TRY(lookup(*key))) entries.push_back({*key, std::move(*value)});
        key = SKEP_TRY(next_key(*key));
    }
    return entries;
}

Result<std::vector<MapEntry>> Map::take_all() const {
    if (auto entries = SKEP_TRY(read_batch(true))) return std::move(*entries);
    std::vector<MapEntry> entries;
    if (info_.key_size == 0) {  // queue, stack
        while (auto value = SKEP_TRY(lookup_and_delete({})))
            entries.push_back({{}, std::move(*value)});
        return entries;
    }
    while (const auto key = SKEP_TRY(next_key(std::nullopt))) {
        if (auto value = SKEP_TRY(lookup_and_delete(*key)))
            entries.push_back({*key, std::move(*value)});
    }
    return entries;
}

Result<size_t> Map::update_batch(const std::vector<MapEntry>& entries, uint64_t flags) const {
    Bytes keys, values;
    for (const MapEntry& entry : entries) {
        SKEP_TRY(check_key(entry.key));
        SKEP_TRY(check_value(entry.value));
        append(keys, ByteView(entry.key));
        append(values, ByteView(entry.value));
    }
    if (entries.empty()) return size_t{0};
    MapBatch batch{.keys = keys.data(),
                   .values = values.data(),
                   .count = static_cast<uint32_t>(entries.size()),
                   .elem_flags = flags};
    const Result<void> done = map_update_batch(fd_.get(), batch);
    if (done) return entries.size();
    const int error_number = done.error().sys_errno;
    if (!no_batch(error_number))
        return std::unexpected(
            error(fmt::format("update of element {} of {}",
                              std::min<size_t>(batch.count, entries.size()), entries.size()),
                  error_number));
    for (size_t i = 0; i < entries.size(); i++)
        if (auto one = update(entries[i].key, entries[i].value, flags); !one)
            return std::unexpected(
                error(fmt::format("update of element {} of {}", i, entries.size()),
                      one.error().sys_errno));
    return entries.size();
}

Result<size_t> Map::erase_batch(const std::vector<Bytes>& keys) const {
    // BPF_MAP_DELETE_BATCH stops at the first key that is not there; deleting what is there is what
    // callers want, so it goes on behind that one.
    Bytes packed;
    for (const Bytes& key : keys) {
        SKEP_TRY(check_key(key));
        append(packed, ByteView(key));
    }
    size_t done = 0, deleted = 0;
    while (done < keys.size()) {
        MapBatch batch{.keys = packed.data() + done * info_.key_size,
                       .count = static_cast<uint32_t>(keys.size() - done)};
        const Result<void> result = map_delete_batch(fd_.get(), batch);
        const int error_number = result ? 0 : result.error().sys_errno;
        if (error_number != 0 && error_number != ENOENT) {
            if (!no_batch(error_number))
                return std::unexpected(error("batch delete", error_number));
            deleted += SKEP_TRY(erase(keys[done]))
            ? 1 : 0;
            done++;
            continue;
        }
        deleted += batch.count;
        done += batch.count;
        if (error_number == ENOENT) done++;
    }
    return deleted;
}

}  // namespace skep::kernel
