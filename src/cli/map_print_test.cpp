// SPDX-License-Identifier: Apache-2.0
#include "cli/map_print.hpp"

#include <gtest/gtest.h>

#include "btf/writer.hpp"

namespace skep::cli {
namespace {

template <typename... T>
Bytes bytes(T... values) {
    Bytes out;
    (append(out, values), ...);
    return out;
}

class MapPrint : public ::testing::Test {
  protected:
    MapPrint() {
        btf::Writer writer;
        const uint32_t u32 = writer.add_int("unsigned int", 4);
        u64_ = writer.add_int("unsigned long", 8);
        pair_ = writer.add_struct("pair", 8, {{"a", u32, 0}, {"b", u32, 32}});
        u32_ = u32;
        btf_ = *btf::Btf::parse(writer.finish());
    }
    std::string json(const MapShape& map, std::vector<MapElement> elements) {
        JsonWriter out;
        MapPrinter(map).json(std::move(elements), out);
        return out.text();
    }

    std::shared_ptr<const btf::Btf> btf_;
    uint32_t u32_, u64_, pair_;
};

TEST_F(MapPrint, ElementsComeInTheOrderOfNumericKeys) {
    const MapShape map{.name = "m",
                       .type = MapType::Hash,
                       .key_size = 4,
                       .value_size = 8,
                       .max_entries = 9,
                       .btf = btf_.get(),
                       .key_type = u32_,
                       .value_type = pair_};
    const std::vector<MapElement> elements = {{bytes(256u), bytes(1u, 2u)},
                                              {bytes(3u), bytes(4u, 5u)}};
    EXPECT_EQ(MapPrinter(map).text(elements),
              "m (hash): 2 of 9 elements\n"
              "KEY  VALUE\n"
              "3    {.a = 4, .b = 5}\n"
              "256  {.a = 1, .b = 2}\n");
    EXPECT_EQ(json(map, elements),
              R"([{"key":3,"value":{"a":4,"b":5}},{"key":256,"value":{"a":1,"b":2}}])");
}

TEST_F(MapPrint, NumbersOfCpusAreAddedUp) {
    const MapShape map{.name = "m",
                       .type = MapType::PercpuArray,
                       .key_size = 4,
                       .value_size = 8,
                       .max_entries = 1,
                       .btf = btf_.get(),
                       .key_type = u32_,
                       .value_type = u64_};
    const MapElement element{bytes(0u), bytes(uint64_t{2}, uint64_t{0}, uint64_t{5})};
    EXPECT_EQ(MapPrinter(map).text({element}),
              "m (percpu_array): 1 of 1 elements\n"
              "KEY  SUM  BY CPU\n"
              "0      7  0: 2, 2: 5\n");
    EXPECT_EQ(json(map, {element}), R"([{"key":0,"value":[2,0,5]}])");
    EXPECT_EQ(MapPrinter(map).value_text(element), "7");
}

TEST_F(MapPrint, ZerosOfArraysAreCountedOnly) {
    const MapShape map{
        .name = "a", .type = MapType::Array, .key_size = 4, .value_size = 4, .max_entries = 3};
    EXPECT_EQ(MapPrinter(map).text(
                  {{bytes(0u), bytes(0u)}, {bytes(1u), bytes(7u)}, {bytes(2u), bytes(0u)}}),
              "a (array): 3 of 3 elements, 2 of them zero\n"
              "KEY  VALUE\n"
              "1    07000000\n");
}

TEST_F(MapPrint, MapsOfMapsAndProgramsShowIds) {
    const MapShape map{
        .name = "o", .type = MapType::HashOfMaps, .key_size = 4, .value_size = 4, .max_entries = 2};
    EXPECT_EQ(MapPrinter(map).text({{bytes(1u), bytes(258u)}}),
              "o (hash_of_maps): 1 of 2 elements\n"
              "KEY       VALUE\n"
              "01000000    258\n");
    EXPECT_EQ(json(map, {{bytes(1u), bytes(258u)}}), R"([{"key":"01000000","value":258}])");
}

}  // namespace
}  // namespace skep::cli
