// SPDX-License-Identifier: Apache-2.0
#include "maps/map.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "base/testing.hpp"
#include "kernel/kernel_probe.hpp"
#include "maps/map_of_maps.hpp"

// The embedded maps against the running kernel's: random definitions get the same errno, and random
// sequences of commands the same answers and contents.

namespace skep::maps {
namespace {

/// A map of the kernel behind the same calls as Map's user side.
class KernelMap {
  public:
    /// The errno as sys_errno of our own errors; `inner`: a map like those it will hold, or null.
    static int create(const MapDef& def, const KernelMap* inner, KernelMap& result) {
        bpf_attr attr{};
        attr.map_type = static_cast<uint32_t>(def.type);
        attr.key_size = def.key_size;
        attr.value_size = def.value_size;
        attr.max_entries = def.max_entries;
        attr.map_flags = def.flags;
        attr.map_extra = def.extra;
        if (def.type == MapType::ArrayOfMaps || def.type == MapType::HashOfMaps)
            attr.inner_map_fd = static_cast<uint32_t>(inner ? inner->fd() : -1);
        const int fd = call(BPF_MAP_CREATE, attr);
        if (fd < 0) return -fd;
        result.fd_.reset(fd);
        return 0;
    }

    int fd() const { return fd_.get(); }
    int lookup(const void* key, void* value, uint64_t flags = 0) const {
        return element(BPF_MAP_LOOKUP_ELEM, key, value, flags);
    }
    int update(const void* key, const void* value, uint64_t flags) const {
        return element(BPF_MAP_UPDATE_ELEM, key, value, flags);
    }
    int lookup_and_delete(const void* key, void* value, uint64_t flags) const {
        return element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, key, value, flags);
    }
    int erase(const void* key) const { return element(BPF_MAP_DELETE_ELEM, key, nullptr, 0); }
    int next_key(const void* key, void* next) const {
        return element(BPF_MAP_GET_NEXT_KEY, key, next, 0);
    }
    int freeze() const {
        bpf_attr attr{};
        attr.map_fd = static_cast<uint32_t>(fd());
        return call(BPF_MAP_FREEZE, attr);
    }

  private:
    static int call(int command, bpf_attr& attr) {
        const auto result = static_cast<int>(syscall(SYS_bpf, command, &attr, sizeof attr));
        return result < 0 ? -errno : result;
    }
    int element(int command, const void* key, const void* value, uint64_t flags) const {
        bpf_attr attr{};
        attr.map_fd = static_cast<uint32_t>(fd());
        attr.key = reinterpret_cast<uint64_t>(key);
        attr.value = reinterpret_cast<uint64_t>(value);
        attr.flags = flags;
        return call(command, attr);
    }

    UniqueFd fd_;
};

class MapsVersusKernel : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    }
};

constexpr MapType kTypes[] = {
    MapType::Hash,       MapType::Array,       MapType::ProgArray,   MapType::PerfEventArray,
    MapType::PercpuHash, MapType::PercpuArray, MapType::LruHash,     MapType::LruPercpuHash,
    MapType::LpmTrie,    MapType::ArrayOfMaps, MapType::HashOfMaps,  MapType::Devmap,
    MapType::Cpumap,     MapType::Xskmap,      MapType::Queue,       MapType::Stack,
    MapType::DevmapHash, MapType::Ringbuf,     MapType::BloomFilter, MapType::UserRingbuf,
};

const MapDef kInner{.type = MapType::Array, .key_size = 4, .value_size = 8, .max_entries = 2};

template <typename T, size_t N>
T pick(std::mt19937& random, const T (&from)[N]) {
    return from[random() % N];
}

/// Mostly near what the type takes: a definition that is wrong in five ways says little.
MapDef random_definition(MapType type, std::mt19937& random) {
    static constexpr uint32_t kKeys[] = {0, 4, 4, 4, 8, 5, 16, 20, 260, 261, 4096};
    static constexpr uint32_t kValues[] = {0,
                                           4,
                                           4,
                                           4,
                                           8,
                                           8,
                                           12,
                                           32760,
                                           32768,
                                           32769,
                                           4194000,
                                           4194304 - 48,
                                           4194304 - 52,
                                           4194304 - 280,
                                           4194304,
                                           4194305};
    static constexpr uint32_t kEntries[] = {0, 1, 1, 2, 7, 100, 4096, 4096, 8192, 12288};
    MapDef def{.name = "random", .type = type};
    def.key_size = pick(random, kKeys);
    def.value_size = pick(random, kValues);
    def.max_entries = pick(random, kEntries);
    if (def.value_size > 10'000) def.max_entries = std::min(def.max_entries, 2U);
    // The kernel's limit is CONFIG_NR_CPUS.
    if (type == MapType::Cpumap) def.max_entries = std::min(def.max_entries, 7U);
    for (uint32_t i = random() % 3; i > 0; --i) def.flags |= 1U << random() % 15;
    const bool trie = type == MapType::LpmTrie;
    if (trie && random() % 8) def.flags |= BPF_F_NO_PREALLOC;
    const bool keyless = type == MapType::Queue || type == MapType::Stack ||
                         type == MapType::BloomFilter || type == MapType::Ringbuf ||
                         type == MapType::UserRingbuf;
    if (keyless && random() % 8) def.key_size = 0;
    if ((type == MapType::Ringbuf || type == MapType::UserRingbuf) && random() % 8)
        def.value_size = 0;
    const bool descriptors = type == MapType::ArrayOfMaps || type == MapType::HashOfMaps ||
                             type == MapType::ProgArray || type == MapType::PerfEventArray;
    if (descriptors && random() % 2) def.value_size = 4;
    if (random() % 8 == 0) def.extra = random() % 20;
    return def;
}

std::string describe(const MapDef& def) {
    return fmt::format("{} key {} value {} entries {} flags {:#x} extra {}", to_string(def.type),
                       def.key_size, def.value_size, def.max_entries, def.flags, def.extra);
}

TEST_F(MapsVersusKernel, RefuseTheSameDefinitions) {
    std::mt19937 random(1);
    KernelMap kernel_inner;
    ASSERT_EQ(KernelMap::create(kInner, nullptr, kernel_inner), 0);
    const std::shared_ptr<const Map> inner = *Map::create(kInner);
    std::map<MapType, int> accepted;
    for (int i = 0; i < 8000; ++i) {
        MapDef def = random_definition(kTypes[i % std::size(kTypes)], random);
        const bool with_inner = random() % 8 != 0;
        if (with_inner) def.inner = inner;
        KernelMap kernel;
        const int expected = KernelMap::create(def, with_inner ? &kernel_inner : nullptr, kernel);
        if (expected == ENOMEM) continue;  // of the machine, not of the rules
        const auto ours = Map::create(def);
        ASSERT_EQ(ours ? 0 : ours.error().sys_errno, expected)
            << describe(def) << (ours ? "" : ": " + ours.error().message);
        accepted[def.type] += expected == 0;
    }
    for (const MapType type : kTypes) EXPECT_GE(accepted[type], 2) << to_string(type);
}

struct Subject {
    const char* name;
    MapDef def;
    uint32_t keys;  ///< how many different ones
    int steps = 4000;
};

class MapCommands : public ::testing::TestWithParam<Subject> {
  protected:
    void SetUp() override {
        if (const auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
        MapDef def = GetParam().def;
        KernelMap kernel_template;
        const bool of_maps = def.type == MapType::ArrayOfMaps || def.type == MapType::HashOfMaps;
        if (of_maps) {
            ASSERT_EQ(KernelMap::create(kInner, nullptr, kernel_template), 0);
            def.inner = *Map::create(kInner);
        }
        ASSERT_EQ(KernelMap::create(def, of_maps ? &kernel_template : nullptr, kernel_), 0);
        auto made = Map::create(def);
        ASSERT_TRUE(made) << made.error().to_string();
        ours_ = std::move(*made);
        key_.resize(std::max(def.key_size, 1U));
        value_size_ = ours_->user_value_size();
        random_.seed(def.max_entries);
    }

    const void* key() const { return ours_->def().key_size ? key_.data() : nullptr; }

    void choose_key() {
        const uint32_t number = random_() % GetParam().keys;
        for (size_t i = 0; i < key_.size(); ++i)
            key_[i] = static_cast<uint8_t>(number >> (8 * (i % 4)));
        if (GetParam().def.type != MapType::LpmTrie) return;
        const auto bits = static_cast<uint32_t>(8 * (key_.size() - 4));
        const uint32_t length = random_() % (bits + 2);
        std::memcpy(key_.data(), &length, sizeof length);
        for (size_t i = 4; i < key_.size(); ++i) key_[i] = random_() % 2 ? 0xc0 : 0x0f;
    }

    std::vector<uint8_t> random_value() {
        std::vector<uint8_t> value(value_size_);
        for (uint8_t& byte : value) byte = static_cast<uint8_t>(random_());
        uint32_t word = 0;
        switch (GetParam().def.type) {
            case MapType::Devmap:
            case MapType::DevmapHash: word = random_() % 2; break;  // none, or loopback
            case MapType::Cpumap: word = random_() % 8 ? random_() % 3 : 16385; break;
            case MapType::ProgArray:
            case MapType::PerfEventArray: word = UINT32_MAX; break;  // no descriptor
            default: return value;
        }
        std::ranges::fill(value, 0);
        std::memcpy(value.data(), &word, sizeof word);
        return value;
    }

    uint64_t flags() { return random_() % 4 ? 0 : random_() % 6; }

    void compare(int ours, int kernel, const char* what, uint64_t with = 0) {
        ASSERT_EQ(ours, kernel) << what << " with flags " << with << " at step " << step_;
    }

    void step() {
        choose_key();
        std::vector<uint8_t> value = random_value(), ours = value, kernel = value;
        switch (random_() % 6) {
            case 0:
            case 1: {
                const uint64_t with = flags();
                compare(update(value, with), kernel_.update(key(), kernel_value(value), with),
                        "update", with);
                break;
            }
            case 2: compare(ours_->user_erase(key()), kernel_.erase(key()), "delete"); break;
            case 3: {
                const uint64_t with = random_() % 8 ? 0 : random_() % 6;
                const int error = ours_->user_lookup_and_delete(key(), ours.data(), with);
                compare(error, kernel_.lookup_and_delete(key(), kernel.data(), with),
                        "lookup_and_delete", with);
                ASSERT_TRUE(error != 0 || ours == kernel);
                break;
            }
            default: lookup(ours, kernel);
        }
    }

    void lookup(std::vector<uint8_t>& ours, std::vector<uint8_t>& kernel) {
        const uint64_t with = random_() % 8 ? 0 : random_() % 6;
        const int error = ours_->user_lookup(key(), ours.data(), with);
        const int expected = kernel_.lookup(key(), kernel.data(), with);
        if (GetParam().def.type == MapType::BloomFilter && !pushed_.contains(ours)) return;
        compare(error, expected, "lookup", with);
        if (error != 0) return;
        if (const auto* maps = ours_->as<MapOfMaps>()) {
            ASSERT_NE(maps->map_at(key()), nullptr);  // the ids are each side's own
        } else {
            ASSERT_EQ(ours, kernel);
        }
    }

    int update(const std::vector<uint8_t>& value, uint64_t with) {
        if (auto* maps = ours_->as<MapOfMaps>())
            return maps->set_map(key(), *Map::create(kInner), 7, with);
        const int error = ours_->user_update(key(), value.data(), with);
        if (error == 0) pushed_.insert(value);
        return error;
    }
    const void* kernel_value(const std::vector<uint8_t>& value) {
        if (!ours_->as<MapOfMaps>()) return value.data();
        inner_ = KernelMap();
        EXPECT_EQ(KernelMap::create(kInner, nullptr, inner_), 0);
        inner_fd_ = inner_.fd();
        return &inner_fd_;
    }

    template <typename M>
    std::pair<std::vector<std::vector<uint8_t>>, int> walk(M& map) {
        std::vector<std::vector<uint8_t>> keys;
        std::vector<uint8_t> current(key_.size());
        int error = map.next_key(nullptr, current.data());
        for (; error == 0; error = map.next_key(current.data(), current.data()))
            keys.push_back(current);
        return {keys, error};
    }

    void compare_keys() {
        auto [ours, our_end] = walk(*ours_);
        auto [kernels, kernel_end] = walk(kernel_);
        ASSERT_EQ(our_end, kernel_end);
        const MapType type = GetParam().def.type;
        if (type != MapType::LpmTrie) {  // elsewhere the order is each side's own, or trivial
            std::ranges::sort(ours);
            std::ranges::sort(kernels);
        }
        ASSERT_EQ(ours, kernels);
    }

    std::unique_ptr<Map> ours_;
    KernelMap kernel_, inner_;
    int inner_fd_ = -1;
    std::vector<uint8_t> key_;
    size_t value_size_ = 0;
    std::mt19937 random_;
    std::set<std::vector<uint8_t>> pushed_;
    int step_ = 0;
};

TEST_P(MapCommands, AnswerTheSame) {
    for (step_ = 0; step_ < GetParam().steps; ++step_) {
        step();
        if (HasFatalFailure()) return;
        if (step_ % 200 == 0) compare_keys();
        if (HasFatalFailure()) return;
    }
    compare(ours_->freeze(), kernel_.freeze(), "freeze");
    compare(ours_->freeze(), kernel_.freeze(), "freeze again");
    for (; step_ < GetParam().steps + 50; ++step_) {
        step();
        if (HasFatalFailure()) return;
    }
}

MapDef of(MapType type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags = 0) {
    return {
        .type = type, .key_size = key, .value_size = value, .max_entries = entries, .flags = flags};
}

INSTANTIATE_TEST_SUITE_P(
    Types, MapCommands,
    ::testing::Values(
        Subject{"hash", of(MapType::Hash, 4, 8, 20), 30},
        Subject{"hash_wide", of(MapType::Hash, 13, 100, 50), 60},
        Subject{"hash_no_prealloc", of(MapType::Hash, 16, 3, 20, BPF_F_NO_PREALLOC), 30},
        Subject{"hash_rdonly_prog", of(MapType::Hash, 8, 8, 20, BPF_F_RDONLY_PROG), 30},
        Subject{"hash_rdonly", of(MapType::Hash, 8, 8, 20, BPF_F_RDONLY), 30, 200},
        Subject{"hash_wronly", of(MapType::Hash, 8, 8, 20, BPF_F_WRONLY), 30, 200},
        Subject{"percpu_hash", of(MapType::PercpuHash, 8, 12, 20), 30},
        Subject{"lru_hash", of(MapType::LruHash, 8, 12, 1000), 60},
        Subject{"lru_percpu_hash", of(MapType::LruPercpuHash, 5, 12, 1000), 60},
        Subject{"array", of(MapType::Array, 4, 12, 20), 24},
        Subject{"percpu_array", of(MapType::PercpuArray, 4, 12, 20), 24},
        Subject{"lpm_trie", of(MapType::LpmTrie, 8, 8, 100, BPF_F_NO_PREALLOC), 1},
        Subject{"lpm_trie_small", of(MapType::LpmTrie, 5, 3, 5, BPF_F_NO_PREALLOC), 1},
        Subject{"lpm_trie_ipv6", of(MapType::LpmTrie, 20, 3, 300, BPF_F_NO_PREALLOC), 1},
        Subject{"queue", of(MapType::Queue, 0, 12, 10), 1},
        Subject{"stack", of(MapType::Stack, 0, 12, 10), 1},
        Subject{"bloom_filter", of(MapType::BloomFilter, 0, 2, 1000), 1},
        Subject{"prog_array", of(MapType::ProgArray, 4, 4, 10), 12},
        Subject{"perf_event_array", of(MapType::PerfEventArray, 4, 4, 10), 12},
        Subject{"array_of_maps", of(MapType::ArrayOfMaps, 4, 4, 10), 12, 400},
        Subject{"hash_of_maps", of(MapType::HashOfMaps, 4, 4, 10), 14, 200},
        Subject{"devmap", of(MapType::Devmap, 4, 4, 10), 12},
        Subject{"devmap_prog", of(MapType::Devmap, 4, 8, 10), 12},
        Subject{"devmap_hash", of(MapType::DevmapHash, 4, 8, 10), 14},
        Subject{"cpumap", of(MapType::Cpumap, 4, 4, 8), 10, 1000},
        Subject{"ringbuf", of(MapType::Ringbuf, 0, 0, 4096), 1, 200},
        Subject{"user_ringbuf", of(MapType::UserRingbuf, 0, 0, 4096), 1, 200}),
    [](const auto& subject) { return std::string(subject.param.name); });

}  // namespace
}  // namespace skep::maps
