// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace skep {
namespace {

TEST(Json, NestsWithCommasWhereTheyBelong) {
    JsonWriter json;
    json.begin_object().key("a").begin_array().value(1).value("x").begin_object().end_object();
    json.end_array().key("b").value(true).key("c").null().end_object();
    EXPECT_EQ(json.text(), R"({"a":[1,"x",{}],"b":true,"c":null})");
}

TEST(Json, EscapesText) {
    JsonWriter json;
    json.value(std::string_view("q\" b\\ \n\t\x01 \x7f ü\xff\xc0\x80", 17));
    EXPECT_EQ(json.text(), "\"q\\\" b\\\\ \\n\\t\\u0001 \\u007f ü\\ufffd\\ufffd\\ufffd\"");
}

TEST(Json, RefusesSurrogatesAndOverlongForms) {
    JsonWriter json;
    json.value("\xed\xa0\x80").text();
    EXPECT_EQ(json.text(), "\"\\ufffd\\ufffd\\ufffd\"");
}

TEST(Json, NumbersKeepTheirValue) {
    JsonWriter json;
    json.begin_array().value(UINT64_MAX).value(INT64_MIN).value(1.5);
    json.value(std::numeric_limits<double>::quiet_NaN()).end_array();
    EXPECT_EQ(json.text(), "[18446744073709551615,-9223372036854775808,1.5,null]");
}

}  // namespace
}  // namespace skep
