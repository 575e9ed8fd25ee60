// SPDX-License-Identifier: Apache-2.0
#include "object/kconfig.hpp"

#include <gmock/gmock.h>

#include "base/hex.hpp"
#include "btf/writer.hpp"

namespace skep::object {
namespace {

using ::testing::HasSubstr;

/// An object with one variable of the type that `add` makes, and its value.
std::string evaluate(const std::function<uint32_t(btf::Writer&)>& add, uint32_t size,
                     std::optional<std::string> text, bool weak = false) {
    btf::Writer writer;
    const uint32_t type = add(writer);
    ObjectSpec object;
    object.btf = *btf::Btf::parse(writer.finish());
    object.maps.push_back({.name = "o.kconfig",
                           .type = MapType::Array,
                           .value_size = size,
                           .origin = MapSpec::Origin::Kconfig});
    object.externs.push_back({.name = "CONFIG_X",
                              .kind = Extern::Kind::Kconfig,
                              .weak = weak,
                              .type_id = type,
                              .size = size});
    const auto value = evaluate_kconfig(object, [&](std::string_view) { return text; });
    return value ? to_hex(*value) : value.error().message;
}

uint32_t boolean(btf::Writer& w) {
    return w.add_int("_Bool", 1, btf::Writer::Encoding::Bool);
}
uint32_t character(btf::Writer& w) {
    return w.add_int("char", 1, btf::Writer::Encoding::Signed);
}
uint32_t s16(btf::Writer& w) {
    return w.add_int("short", 2, btf::Writer::Encoding::Signed);
}
uint32_t u64(btf::Writer& w) {
    return w.add_int("unsigned long", 8);
}
uint32_t text8(btf::Writer& w) {
    return w.add_array(character(w), u64(w), 8);
}
uint32_t tristate(btf::Writer& w) {
    return w.add_enum("libbpf_tristate", 4, false,
                      {{"TRI_NO", 0}, {"TRI_YES", 1}, {"TRI_MODULE", 2}});
}

TEST(Kconfig, ValuesByType) {
    const struct {
        uint32_t (*type)(btf::Writer&);
        uint32_t size;
        const char *text, *bytes;
    } cases[] = {
        {boolean, 1, "y", "01"},
        {boolean, 1, "n", "00"},
        {boolean, 1, "1", "01"},
        {character, 1, "m", "6d"},
        {character, 1, "65", "41"},
        {tristate, 4, "y", "01000000"},
        {tristate, 4, "m", "02000000"},
        {s16, 2, "-2", "feff"},
        {s16, 2, "0x7fff", "ff7f"},
        {u64, 8, "18446744073709551615", "ffffffffffffffff"},
        {text8, 8, "\"abc\"", "6162630000000000"},
        {text8, 8, "\"0123456789\"", "3031323334353600"},
        {text8, 8, "\"\"", "0000000000000000"},
    };
    for (const auto& c : cases) EXPECT_EQ(evaluate(c.type, c.size, c.text), c.bytes) << c.text;
    EXPECT_EQ(evaluate(u64, 8, std::nullopt, true), "0000000000000000");
}

TEST(Kconfig, ValuesThatDoNotFit) {
    const struct {
        uint32_t (*type)(btf::Writer&);
        uint32_t size;
        const char *text, *message;
    } cases[] = {
        {boolean, 1, "m", "'m' does not fit a bool"},
        {boolean, 1, "2", "2 does not fit 1 bytes"},
        {s16, 2, "y", "'y' fits only a bool"},
        {s16, 2, "32768", "does not fit 2 bytes"},
        {s16, 2, "-32769", "does not fit 2 bytes"},
        {s16, 2, "\"x\"", "fits only an array of char"},
        {s16, 2, "many", "'many' is no value"},
        {text8, 8, "7", "fits only an integer"},
        {text8, 8, "\"", "fits only an array of char"},
        {tristate, 4, "1", "fits only an integer"},
    };
    for (const auto& c : cases) {
        const std::string message = evaluate(c.type, c.size, c.text);
        EXPECT_THAT(message, HasSubstr("kernel configuration variable 'CONFIG_X': "));
        EXPECT_THAT(message, HasSubstr(c.message));
    }
    EXPECT_THAT(evaluate(u64, 8, std::nullopt), HasSubstr("is not known here"));
}

}  // namespace
}  // namespace skep::object
