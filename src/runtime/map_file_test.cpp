// SPDX-License-Identifier: Apache-2.0
#include "runtime/map_file.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/text.hpp"
#include "maps/array.hpp"

namespace skep::runtime {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class MapFileTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "skep-pins-XXXXXX").string();
        ASSERT_TRUE(mkdtemp(pattern.data()));
        directory_ = pattern;
    }
    void TearDown() override { fs::remove_all(directory_); }

    std::string path(const char* name) const { return (directory_ / name).string(); }

    static std::shared_ptr<maps::Map> map_of(MapType type) {
        const bool array = type == MapType::Array || type == MapType::PercpuArray;
        maps::MapDef def{.name = "counts",
                         .type = type,
                         .key_size = array ? 4u : 8u,
                         .value_size = 12,
                         .max_entries = 7,
                         .flags = type == MapType::LpmTrie ? 1u : 0u};
        auto map = maps::Map::create(def);
        EXPECT_TRUE(map) << (map ? "" : map.error().to_string());
        return std::move(*map);
    }
    static std::map<Bytes, Bytes> contents(maps::Map& map) {
        std::map<Bytes, Bytes> all;
        Bytes key(map.def().key_size), next(key.size()), value(map.user_value_size());
        const void* from = nullptr;
        while (map.next_key(from, next.data()) == 0) {
            key = next;
            from = key.data();
            EXPECT_EQ(map.user_lookup(from, value.data()), 0);
            all[key] = value;
        }
        return all;
    }

    fs::path directory_;
};

TEST_F(MapFileTest, KeepsDefinitionAndElements) {
    for (const MapType type : {MapType::Hash, MapType::Array, MapType::PercpuHash,
                               MapType::PercpuArray, MapType::LruHash, MapType::LpmTrie}) {
        const std::string name = path(std::string(to_string(type)).c_str());
        const auto map = map_of(type);
        for (uint32_t i = 0; i < 5; i++) {
            Bytes key(map->def().key_size), value(map->user_value_size(), uint8_t(i + 1));
            key[0] = uint8_t(type == MapType::LpmTrie ? 32 : i);
            if (type == MapType::LpmTrie) key[4] = uint8_t(i);
            ASSERT_EQ(map->user_update(key.data(), value.data(), 0), 0) << to_string(type);
        }
        {
            auto file = MapFile::create(name);
            ASSERT_TRUE(file);
            ASSERT_TRUE((*file)->save(*map, {}));
        }
        auto file = MapFile::open(name);
        ASSERT_TRUE(file);
        auto loaded = (*file)->load();
        ASSERT_TRUE(loaded) << loaded.error().to_string();
        EXPECT_EQ(loaded->map->def().name, "counts");
        EXPECT_EQ(loaded->map->def().type, type);
        EXPECT_EQ(loaded->map->def().max_entries, 7u);
        EXPECT_EQ(contents(*loaded->map), contents(*map)) << to_string(type);
    }
}

TEST_F(MapFileTest, OneHolderAtATime) {
    const auto map = map_of(MapType::Hash);
    auto file = MapFile::create(path("one"));
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->save(*map, {}));
    EXPECT_EQ(MapFile::open(path("one")).error().sys_errno, EBUSY);
    file->reset();
    EXPECT_TRUE(MapFile::open(path("one")));
    EXPECT_EQ(MapFile::create(path("one")).error().sys_errno, EEXIST);
    EXPECT_EQ(MapFile::open(path("two")).error().sys_errno, ENOENT);
}

TEST_F(MapFileTest, FrozenStaysFrozen) {
    const auto map = map_of(MapType::Hash);
    ASSERT_EQ(map->freeze(), 0);
    auto file = MapFile::create(path("frozen"));
    ASSERT_TRUE((*file)->save(*map, {}));
    auto loaded = (*file)->load();
    ASSERT_TRUE(loaded);
    EXPECT_TRUE(loaded->map->frozen());
}

TEST_F(MapFileTest, QueuesCannotBeKept) {
    const maps::MapDef def{.name = "q", .type = MapType::Queue, .value_size = 4, .max_entries = 2};
    const std::shared_ptr<maps::Map> queue = std::move(*maps::Map::create(def));
    auto file = MapFile::create(path("queue"));
    const auto saved = (*file)->save(*queue, {});
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().code, ErrorCode::Unsupported);
    EXPECT_FALSE(fs::exists(path("queue")));
}

// Whatever a file holds, reading it gives a map or an error that names it.
TEST_F(MapFileTest, DamagedFilesAreErrors) {
    const auto map = map_of(MapType::Hash);
    const Bytes key(8, 1), value(12, 2);
    ASSERT_EQ(map->user_update(key.data(), value.data(), 0), 0);
    auto file = MapFile::create(path("damaged"));
    ASSERT_TRUE((*file)->save(*map, {}));
    const Bytes whole = *read_file(path("damaged"));
    for (size_t size = 0; size < whole.size(); size++) {
        ASSERT_TRUE(write_file(path("damaged"), ByteView(whole).first(size)));
        const auto loaded = (*file)->load();
        ASSERT_FALSE(loaded) << size;
        EXPECT_EQ(loaded.error().code, ErrorCode::Malformed);
        EXPECT_THAT(loaded.error().message, HasSubstr("damaged"));
    }
    for (size_t at = 0; at < whole.size(); at++)
        for (const uint8_t flip : {0x01, 0x80, 0xff}) {
            Bytes changed = whole;
            changed[at] ^= flip;
            ASSERT_TRUE(write_file(path("damaged"), changed));
            (void)(*file)->load();  // an answer, and no crash
        }
    Bytes longer = whole;
    longer.push_back(0);
    ASSERT_TRUE(write_file(path("damaged"), longer));
    EXPECT_FALSE((*file)->load());
}

TEST_F(MapFileTest, NamesWithASlashArePaths) {
    EXPECT_EQ(pin_path("/run/x", "counts"), "/run/x/counts");
    EXPECT_EQ(pin_path("/run/x", "./counts"), "./counts");
    EXPECT_EQ(pin_path("/run/x", "/tmp/counts"), "/tmp/counts");
}

}  // namespace
}  // namespace skep::runtime
