// SPDX-License-Identifier: Apache-2.0
#include <absl/container/flat_hash_map.h>
#include <fmt/core.h>
#include <linux/bpf.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/table.hpp"
#include "maps/array.hpp"
#include "maps/map.hpp"
#include "maps/ringbuf.hpp"

// What an operation on a map costs, in ns, against absl::flat_hash_map or a plain array in turns
// with it, with the same keys in the same random order. Lookups go through the virtual call that
// the interpreter makes.

namespace {

using namespace skep;
using namespace skep::maps;

constexpr int kRounds = 5;
constexpr size_t kOperations = 1 << 18;
constexpr size_t kPiece = 1 << 12;

template <typename T>
std::span<const T> piece(const std::vector<T>& all, size_t begin, size_t end) {
    return std::span(all).subspan(begin, end - begin);
}

template <typename T>
void keep(const T& value) {
    __asm__ volatile("" : : "r"(value) : "memory");
}

/// Does operations of these numbers.
using Work = std::function<void(size_t begin, size_t end)>;

struct Cost {
    double ours, peer;
};

/// ns per operation of two ways to do the same, in turns; the second may be empty. Measured in
/// short pieces, of which the fastest tenth counts: those that nothing else has interrupted.
Cost measure(const Work& ours, const Work& peer) {
    const auto all_pieces = [](const Work& work, std::vector<double>& pieces) {
        for (size_t at = 0; work && at < kOperations; at += kPiece) {
            const auto begin = std::chrono::steady_clock::now();
            work(at, at + kPiece);
            const std::chrono::duration<double, std::nano> time =
                std::chrono::steady_clock::now() - begin;
            pieces.push_back(time.count() / kPiece);
        }
    };
    const auto fast = [](std::vector<double>& pieces) {
        if (pieces.empty()) return 0.0;
        const auto tenth = pieces.begin() + static_cast<ptrdiff_t>(pieces.size() / 10);
        std::ranges::nth_element(pieces, tenth);
        return *tenth;
    };
    std::vector<double> of_ours, of_peer;
    for (int round = 0; round < kRounds; ++round) {
        all_pieces(ours, of_ours);
        all_pieces(peer, of_peer);
    }
    return {fast(of_ours), fast(of_peer)};
}

double measure(const Work& work) {
    return measure(work, {}).ours;
}

std::unique_ptr<Map> make(const MapDef& def) {
    auto map = Map::create(def);
    if (!map) {
        fmt::print(stderr, "{}\n", map.error().to_string());
        std::exit(1);
    }
    return std::move(*map);
}

Table table({"MAP", "OPERATION", ">ELEMENTS", ">NS", ">PEER NS", ">RATIO", "PEER"});

void row(const std::string& map, const std::string& operation, size_t elements, Cost cost,
         const char* name) {
    const auto [ours, peer] = cost;
    table.row({map, operation, elements ? std::to_string(elements) : "",
               fmt::format("{:.1f}", ours), peer > 0 ? fmt::format("{:.1f}", peer) : "",
               peer > 0 ? fmt::format("{:.2f}", ours / peer) : "", name});
}

void row(const std::string& map, const std::string& operation, size_t elements, double ns) {
    row(map, operation, elements, {ns, 0}, "");
}

/// `count` distinct keys, and kOperations of them in random order.
template <typename Key>
struct Keys {
    std::vector<Key> all, order;

    explicit Keys(size_t count) {
        std::mt19937_64 random(count);
        for (size_t i = 0; i < count; ++i)
            all.push_back(static_cast<Key>(i * 0x9e3779b97f4a7c15 >> (64 - 8 * sizeof(Key))));
        for (size_t i = 0; i < kOperations; ++i) order.push_back(all[random() % count]);
    }
};

template <typename Key>
void bench_hash(MapType type, const char* name, size_t count) {
    const Keys<Key> keys(count);
    const auto map = make({.type = type,
                           .key_size = sizeof(Key),
                           .value_size = 8,
                           .max_entries = static_cast<uint32_t>(count)});
    absl::flat_hash_map<Key, uint64_t> peer;
    peer.reserve(count);
    const uint64_t one = 1;
    for (const Key& key : keys.all) {
        map->update(&key, &one, BPF_ANY, 0);
        peer[key] = 1;
    }
    uint64_t sum = 0;
    const auto compare = [&](const std::string& operation, const Work& ours, const Work& theirs) {
        row(name, operation, count, measure(ours, theirs), "flat_hash_map");
    };
    compare(
        fmt::format("lookup, {}-byte key", sizeof(Key)),
        [&](size_t begin, size_t end) {
            for (const Key& key : piece(keys.order, begin, end))
                if (const auto* value = static_cast<uint64_t*>(map->lookup(&key, 0))) sum += *value;
        },
        [&](size_t begin, size_t end) {
            for (const Key& key : piece(keys.order, begin, end))
                if (const auto found = peer.find(key); found != peer.end()) sum += found->second;
        });
    keep(sum);
    compare(
        "update",
        [&](size_t begin, size_t end) {
            for (const Key& key : piece(keys.order, begin, end))
                map->update(&key, &one, BPF_ANY, 0);
        },
        [&](size_t begin, size_t end) {
            for (const Key& key : piece(keys.order, begin, end)) peer[key] = one;
        });
    compare(
        "delete + insert",
        [&](size_t begin, size_t end) {
            for (const Key& key : piece(keys.order, begin, end)) {
                map->erase(&key);
                map->update(&key, &one, BPF_ANY, 0);
            }
        },
        [&](size_t begin, size_t end) {
            for (const Key& key : piece(keys.order, begin, end)) {
                peer.erase(key);
                peer[key] = one;
            }
        });
}

void bench_missing(size_t count) {
    const Keys<uint64_t> keys(count);
    const auto map = make({.type = MapType::Hash,
                           .key_size = 8,
                           .value_size = 8,
                           .max_entries = static_cast<uint32_t>(count)});
    absl::flat_hash_map<uint64_t, uint64_t> peer;
    for (const uint64_t key : keys.all) {
        map->update(&key, &key, BPF_ANY, 0);
        peer[key] = key;
    }
    uint64_t found = 0;
    const Cost cost = measure(
        [&](size_t begin, size_t end) {
            for (const uint64_t key : piece(keys.order, begin, end)) {
                const uint64_t other = ~key;
                found += map->lookup(&other, 0) != nullptr;
            }
        },
        [&](size_t begin, size_t end) {
            for (const uint64_t key : piece(keys.order, begin, end)) found += peer.contains(~key);
        });
    keep(found);
    row("hash", "lookup, absent", count, cost, "flat_hash_map");
}

void bench_lru(size_t count) {
    const auto map = make({.type = MapType::LruHash,
                           .key_size = 8,
                           .value_size = 8,
                           .max_entries = static_cast<uint32_t>(count)});
    uint64_t next = 0;
    for (; next < count; ++next) map->update(&next, &next, BPF_ANY, 0);
    const double evicting = measure([&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i, ++next) map->update(&next, &next, BPF_ANY, 0);
    });
    row("lru_hash", "insert, evicting", count, evicting);
}

void bench_array() {
    constexpr uint32_t kCount = 4096;
    std::vector<uint64_t> peer(kCount);
    std::vector<uint32_t> order;
    std::mt19937 random(1);
    for (size_t i = 0; i < kOperations; ++i) order.push_back(random() % kCount);
    for (const MapType type : {MapType::Array, MapType::PercpuArray}) {
        const auto map =
            make({.type = type, .key_size = 4, .value_size = 8, .max_entries = kCount});
        const Cost cost = measure(
            [&](size_t begin, size_t end) {
                for (const uint32_t& key : piece(order, begin, end))
                    if (auto* value = static_cast<uint64_t*>(map->lookup(&key, 0))) ++*value;
            },
            [&](size_t begin, size_t end) {
                for (const uint32_t key : piece(order, begin, end))
                    if (key < peer.size()) ++peer[key];
                keep(peer.data());
            });
        row(type == MapType::Array ? "array" : "percpu_array", "lookup + count", kCount, cost,
            "vector");
    }
}

void bench_lpm(uint32_t bytes, size_t count) {
    const auto map = make({.type = MapType::LpmTrie,
                           .key_size = 4 + bytes,
                           .value_size = 8,
                           .max_entries = static_cast<uint32_t>(count),
                           .flags = BPF_F_NO_PREALLOC});
    std::mt19937 random(2);
    struct Key {
        uint32_t length;
        uint8_t data[16];
    };
    // As in a routing table: most prefixes are /24 (/48), some shorter, few longer; addresses are
    // looked up that are in the table and that are not.
    std::vector<Key> keys, order;
    for (size_t i = 0; i < count; ++i) {
        Key key{};
        for (uint32_t byte = 0; byte < bytes; ++byte)
            key.data[byte] = static_cast<uint8_t>(random());
        if (bytes == 16) key.data[0] = 0x20;
        const uint32_t usual = bytes == 4 ? 24 : 48;
        key.length = random() % 2 ? usual : usual - random() % 9 + random() % 3;
        const uint64_t value = i;
        map->update(&key, &value, BPF_ANY, 0);
        keys.push_back(key);
    }
    for (size_t i = 0; i < kOperations; ++i) {
        Key key = keys[random() % count];
        key.data[bytes - 1] = static_cast<uint8_t>(random());
        if (random() % 4 == 0) key.data[1] = static_cast<uint8_t>(random());
        key.length = 8 * bytes;
        order.push_back(key);
    }
    uint64_t found = 0;
    const double ours = measure([&](size_t begin, size_t end) {
        for (const Key& key : piece(order, begin, end)) found += map->lookup(&key, 0) != nullptr;
    });
    keep(found);
    row("lpm_trie", bytes == 4 ? "lookup, IPv4" : "lookup, IPv6", count, ours);
}

void bench_ring() {
    const auto map = make({.type = MapType::Ringbuf, .max_entries = 1 << 22});
    auto* ring = map->as<Ringbuf>();
    constexpr size_t kRecords = 1 << 15;
    double produce = 1e18, consume = 1e18;
    for (int round = 0; round < 50; ++round) {
        const auto begin = std::chrono::steady_clock::now();
        for (size_t i = 0; i < kRecords; ++i) {
            auto* record = static_cast<uint64_t*>(ring->reserve(64, 0));
            record[0] = i;
            ring->submit(record, 0);
        }
        const auto middle = std::chrono::steady_clock::now();
        uint64_t sum = 0;
        ring->consume([&](std::span<const uint8_t> bytes) {
            sum += bytes[0];
            return false;
        });
        const auto end = std::chrono::steady_clock::now();
        keep(sum);
        produce =
            std::min(produce, std::chrono::duration<double, std::nano>(middle - begin).count());
        consume = std::min(consume, std::chrono::duration<double, std::nano>(end - middle).count());
    }
    row("ringbuf", "reserve + submit, 64 bytes", 0, produce / kRecords);
    row("ringbuf", "consume", 0, consume / kRecords);
}

void bench_queue() {
    const auto map = make({.type = MapType::Queue, .value_size = 8, .max_entries = 1024});
    const double ours = measure([&](size_t begin, size_t end) {
        for (uint64_t i = begin; i < end; ++i) {
            map->push(&i, BPF_ANY);
            uint64_t value;
            map->pop(&value);
            keep(value);
        }
    });
    row("queue", "push + pop", 0, ours);
    const auto bloom = make({.type = MapType::BloomFilter, .value_size = 8, .max_entries = 10000});
    uint64_t found = 0;
    const double peek = measure([&](size_t begin, size_t end) {
        for (uint64_t i = begin; i < end; ++i) found += bloom->peek(&i) == 0;
    });
    keep(found);
    row("bloom_filter", "peek, absent", 10000, peek);
}

/// Lookups on every CPU at once; with a writer, one of the threads updates the same keys.
void bench_contended(bool with_writer) {
    constexpr size_t kCount = 1 << 16;
    const Keys<uint64_t> keys(kCount);
    const auto map =
        make({.type = MapType::Hash, .key_size = 8, .value_size = 8, .max_entries = kCount});
    for (const uint64_t key : keys.all) map->update(&key, &key, BPF_ANY, 0);
    const unsigned threads = std::max(2U, std::thread::hardware_concurrency());
    std::atomic<bool> stop = false;
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads; ++i)
        others.emplace_back([&, i] {
            uint64_t sum = 0;
            for (size_t at = i; !stop.load(std::memory_order_relaxed); ++at) {
                const uint64_t key = keys.order[at % kOperations];
                if (with_writer && i == 1) {
                    map->update(&key, &key, BPF_ANY, i);
                } else {
                    sum += map->lookup(&key, i) != nullptr;
                }
            }
            keep(sum);
        });
    uint64_t sum = 0;
    const double best = measure([&](size_t begin, size_t end) {
        for (const uint64_t& key : piece(keys.order, begin, end))
            sum += map->lookup(&key, 0) != nullptr;
    });
    keep(sum);
    stop = true;
    for (std::thread& other : others) other.join();
    row("hash", with_writer ? "lookup beside a writer" : "lookup on all CPUs at once", kCount,
        best);
}

}  // namespace

int main() {
    for (const size_t count : {size_t{1000}, size_t{64} << 10, size_t{1} << 20}) {
        bench_hash<uint32_t>(MapType::Hash, "hash", count);
        bench_hash<uint64_t>(MapType::Hash, "hash", count);
    }
    bench_missing(64 << 10);
    bench_hash<uint64_t>(MapType::PercpuHash, "percpu_hash", 64 << 10);
    bench_hash<uint64_t>(MapType::LruHash, "lru_hash", 64 << 10);
    bench_lru(64 << 10);
    bench_array();
    for (const size_t count : {1000, 10'000, 100'000}) bench_lpm(4, count);
    bench_lpm(16, 100'000);
    bench_ring();
    bench_queue();
    bench_contended(false);
    bench_contended(true);
    fmt::print("{}", table.to_string());
    return 0;
}
