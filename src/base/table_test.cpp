// SPDX-License-Identifier: Apache-2.0
#include "base/table.hpp"

#include <gtest/gtest.h>

namespace skep {
namespace {

TEST(Table, AlignsAndTrims) {
    Table table({"NAME", ">KEY", "FLAGS"});
    EXPECT_TRUE(table.empty());
    table.row({"a", "4", ""});
    table.row({"calls", "16", "x"});
    EXPECT_EQ(table.to_string(),
              "NAME   KEY  FLAGS\n"
              "a        4\n"
              "calls   16  x\n");
}

}  // namespace
}  // namespace skep
