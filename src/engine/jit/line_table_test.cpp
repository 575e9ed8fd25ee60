// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/line_table.hpp"

#include <gmock/gmock.h>

#include "elf/elf.hpp"
#include "engine/jit/gdb.hpp"

namespace skep::engine::jit {
namespace {

using ::testing::HasSubstr;

/// What we write for debuggers, and read for ourselves.
Bytes written(const CodeMap& map) {
    const Bytes object = debug_object(map);
    const auto elf = elf::Elf::parse_sections(object);
    EXPECT_TRUE(elf) << elf.error().message;
    for (const elf::Section& section : elf->sections())
        if (section.name == ".debug_line") return Bytes(section.data.begin(), section.data.end());
    ADD_FAILURE() << "no .debug_line";
    return {};
}

class LineTable : public ::testing::Test {
  protected:
    Bytes code_ = Bytes(1000);
    CodeMap map_{.code = code_,
                 .symbols = {{"one", code_.data(), 1000}},
                 .lines = {{code_.data(), "a.c", 7},
                           {code_.data() + 3, "b.h", 1000},
                           {code_.data() + 200, "a.c", 2}}};
};

TEST_F(LineTable, IsWhatWasWritten) {
    const auto rows = line_table(written(map_));
    ASSERT_TRUE(rows) << rows.error().message;
    ASSERT_EQ(rows->size(), 4u);
    const auto begin = reinterpret_cast<uint64_t>(code_.data());
    const std::pair<uint64_t, uint32_t> expected[] = {{0, 7}, {3, 1000}, {200, 2}, {1000, 2}};
    for (size_t i = 0; i < 4; i++) {
        EXPECT_EQ((*rows)[i].distance, begin + expected[i].first);
        EXPECT_EQ((*rows)[i].line, expected[i].second);
        EXPECT_EQ((*rows)[i].ends, i == 3);
    }
}

/// What LLVM writes besides: special opcodes and the shorter ways to advance.
TEST_F(LineTable, SpecialOpcodes) {
    Bytes table = written(map_);
    const size_t rows_at = 10 + *load<uint32_t>(table, 6);
    table.resize(rows_at);
    // Base -5, range 14, first 13: by 2 bytes and 3 lines; 17 bytes; 300 bytes; a row.
    for (const int byte : {13 + 2 * 14 + 8, 8, 9, 44, 1, 1}) table.push_back(uint8_t(byte));
    const auto rows = line_table(table);
    ASSERT_TRUE(rows) << rows.error().message;
    ASSERT_EQ(rows->size(), 2u);
    EXPECT_EQ((*rows)[0].distance, 2u);
    EXPECT_EQ((*rows)[0].line, 4u);
    EXPECT_EQ((*rows)[1].distance, 2u + 17 + 300);
}

TEST_F(LineTable, DamagedOnesAreErrorsOrRows) {
    const Bytes whole = written(map_);
    for (size_t size = 0; size < whole.size(); size++) {
        const auto rows = line_table({whole.data(), size});
        if (!rows) {
            EXPECT_THAT(rows.error().message, HasSubstr("line table"));
        }
    }
    for (size_t at = 0; at < whole.size(); at++)
        for (const int bit : {0, 3, 7}) {
            Bytes damaged = whole;
            damaged[at] ^= uint8_t(1 << bit);
            std::ignore = line_table(damaged);
        }
}

}  // namespace
}  // namespace skep::engine::jit
