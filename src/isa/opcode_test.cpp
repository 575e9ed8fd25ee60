// SPDX-License-Identifier: Apache-2.0
#include "isa/opcode.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace skep::isa {
namespace {

TEST(Opcode, NamesAndKeysAreUnique) {
    std::set<std::string_view> names;
    std::set<std::pair<uint8_t, int32_t>> keys;
    for (const OpcodeInfo& info : opcodes()) {
        EXPECT_TRUE(names.insert(info.name).second) << info.name;
        EXPECT_TRUE(keys.insert({info.opcode, info.has_key() ? info.key : -1}).second) << info.name;
        EXPECT_TRUE(info.has_key() || info.key == 0) << info.name;
        EXPECT_TRUE(info.version >= 1 && info.version <= 4) << info.name;
    }
}

// RFC 9669, appendix A: how many instructions each group has there. A load, store or 64-bit
// immediate counts once per opcode and subtype, an atomic once per imm.
TEST(Opcode, CoversEveryConformanceGroup) {
    std::map<Group, int> count;
    for (const OpcodeInfo& info : opcodes()) ++count[info.group];
    EXPECT_EQ(count[Group::Divmul32], 10);  // mul, div, mod, sdiv, smod; imm and reg
    EXPECT_EQ(count[Group::Divmul64], 10);
    EXPECT_EQ(count[Group::Atomic32], 10);  // 4 operations, each with fetch; xchg, cmpxchg
    EXPECT_EQ(count[Group::Atomic64], 10);
    EXPECT_EQ(count[Group::Packet], 6);
    EXPECT_EQ(count[Group::Callx], 1);
    EXPECT_EQ(count[Group::Linux], 10);  // may_goto, addr_space_cast, 4 load_acquire, 4 release
    // 9 operations imm and reg, 2 movsx, neg; 6 swaps; 22 jumps; ja, gotol, exit, 3 calls; 3 each
    // of ldx, ldxs, st, stx.
    EXPECT_EQ(count[Group::Base32], 18 + 2 + 1 + 6 + 22 + 6 + 12);
    // The same arithmetic with 3 movsx, neg; 3 swaps; 22 jumps; ldxdw, stdw, stxdw; 7 lddw.
    EXPECT_EQ(count[Group::Base64], 18 + 3 + 1 + 3 + 22 + 3 + 7);
}

TEST(Opcode, FindsTheFormThatTheKeySelects) {
    const auto name = [](Insn insn) {
        const OpcodeInfo* info = find(insn);
        return std::string(info ? info->name : "");
    };
    EXPECT_EQ(name({.opcode = kAlu64 | kDiv | kX}), "div64_reg");
    EXPECT_EQ(name({.opcode = kAlu64 | kDiv | kX, .off = 1}), "sdiv64_reg");
    EXPECT_EQ(name({.opcode = kAlu64 | kMov | kX, .off = 32}), "movsx3264");
    EXPECT_EQ(name({.opcode = kAlu | kMov | kX, .off = 16}), "movsx1632");
    EXPECT_EQ(name({.opcode = kAlu64 | kMov | kX, .off = 1, .imm = 1}), "addr_space_cast");
    EXPECT_EQ(name({.opcode = kStx | kAtomic | kDw, .imm = kCmpXchg}), "cmpxchg64");
    EXPECT_EQ(name({.opcode = kStx | kAtomic | kB, .imm = kLoadAcq}), "load_acquire8");
    EXPECT_EQ(name({.opcode = kStx | kAtomic | kB, .imm = kAdd}), "");
    EXPECT_EQ(name({.opcode = kJmp | kCall, .src = kCallKfunc}), "call_kfunc");
    EXPECT_EQ(name({.opcode = kJmp | kCall, .src = 3}), "");
    EXPECT_EQ(name({.opcode = 0xff}), "");
    EXPECT_EQ(key_field(kJmp | kCall), "src");
    EXPECT_EQ(key_field(kStx | kAtomic | kW), "imm");
    EXPECT_EQ(key_field(kAlu64 | kAdd), "");
    EXPECT_EQ(key_field(0xff), "");
}

TEST(Opcode, ClassesAgreeWithGroups) {
    for (const OpcodeInfo& info : opcodes()) {
        const Insn insn{.opcode = info.opcode};
        EXPECT_TRUE(info.group != Group::Divmul32 || insn.cls() == kAlu) << info.name;
        EXPECT_TRUE(info.group != Group::Divmul64 || insn.cls() == kAlu64) << info.name;
        if (info.form == Form::Load || info.form == Form::StoreImm || info.form == Form::StoreReg) {
            const std::string width = std::to_string(8 * width_bytes(insn.size()));
            EXPECT_EQ(info.symbol.substr(1), width) << info.name;
        }
        // The operand bit of arithmetic and conditional jumps says where the operand is.
        if (info.form == Form::Alu || info.form == Form::Jump) {
            EXPECT_EQ(info.src == Field::R, insn.uses_src_register()) << info.name;
            EXPECT_EQ(info.imm == Field::Any, !insn.uses_src_register()) << info.name;
        }
    }
}

}  // namespace
}  // namespace skep::isa
