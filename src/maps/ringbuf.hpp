// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "maps/map.hpp"
#include "maps/ring.hpp"

namespace skep::maps {

/// What ringbuf and user_ringbuf answer to the commands for maps of elements: -ENOTSUPP.
class RingMap : public Map {
  public:
    void* lookup(const void*, uint32_t) final { return nullptr; }
    int update(const void*, const void*, uint64_t, uint32_t) final { return -kEnotsupp; }
    int erase(const void*) final { return -kEnotsupp; }

  protected:
    RingMap(const MapDef& def, Ring ring) : Map(def), ring_(std::move(ring)) {}
    int read_out(const void*, void*, uint64_t) final { return -kEnotsupp; }
    int write_in(const void*, const void*, uint64_t) final { return -kEnotsupp; }
    int next(const void*, void*) final { return -kEnotsupp; }

    Ring ring_;
};

// ringbuf: programs write, user space reads.
class Ringbuf final : public RingMap {
  public:
    static bool serves(MapType type) { return type == MapType::Ringbuf; }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    /// Helper 131: null where `flags` is not 0 or there is no room.
    void* reserve(uint64_t size, uint64_t flags) { return flags ? nullptr : ring_.reserve(size); }
    /// Helpers 132 and 133. False, and nothing done, where `record` is not one that is reserved and
    /// not yet submitted (a verified program never gets there).
    bool submit(void* record, uint64_t flags) {
        return ring_.commit(static_cast<uint8_t*>(record), flags, false);
    }
    bool discard(void* record, uint64_t flags) {
        return ring_.commit(static_cast<uint8_t*>(record), flags, true);
    }
    /// Helper 130.
    int output(const void* data, uint64_t size, uint64_t flags);
    /// Helper 134.
    uint64_t query(uint64_t what) const { return ring_.query(what); }

    /// For one consuming thread: hands over the records that are ready; `record` returns true to
    /// stop. Returns how many it handed over.
    size_t consume(FunctionRef<bool(std::span<const uint8_t>)> record) {
        return ring_.consume(record);
    }
    bool wait(std::chrono::milliseconds timeout) { return ring_.wait(timeout); }
    void on_wakeup(std::function<void()> wake) { ring_.on_wakeup(std::move(wake)); }
    /// Reservations (and outputs) that failed for want of room.
    uint64_t lost() const { return ring_.lost(); }

    std::span<uint8_t> value_at(const void* address, size_t size) override {
        return ring_.record_at(address, size);
    }

  private:
    using RingMap::RingMap;
};

// user_ringbuf: user space writes, programs read.
class UserRingbuf final : public RingMap {
  public:
    static bool serves(MapType type) { return type == MapType::UserRingbuf; }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    // User space's side, as libbpf's user_ring_buffer__*: any number of threads.
    void* reserve(uint64_t size) { return ring_.reserve(size); }
    bool submit(void* record) { return ring_.commit(static_cast<uint8_t*>(record), 0, false); }
    bool discard(void* record) { return ring_.commit(static_cast<uint8_t*>(record), 0, true); }

    /// Helper 209: hands over at most 128 Ki samples until `sample` returns true. Returns their
    /// number, or -EINVAL (unknown flags), -EBUSY (another program is draining).
    int64_t drain(FunctionRef<bool(std::span<const uint8_t>)> sample, uint64_t flags);

    std::span<uint8_t> value_at(const void*, size_t) override { return {}; }

  private:
    using RingMap::RingMap;
    std::atomic<bool> draining_ = false;
};

}  // namespace skep::maps
