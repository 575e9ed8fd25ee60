// SPDX-License-Identifier: Apache-2.0
#include "btf/core_relo.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>
#include <optional>

#include "btf/writer.hpp"

namespace skep::btf {
namespace {

using isa::Insn;
using ::testing::HasSubstr;

// Each test builds a local and a target BTF, relocates instructions and looks at them.
class CoreTest : public ::testing::Test {
  protected:
    using Builder = std::function<void(Writer&)>;

    void build(const Builder& local, const Builder& target) {
        local(local_writer_);
        // Paths live among the local strings, as the compiler puts them there.
        for (const char* path : {"0", "1", "2", "0:0", "0:1", "0:2", "0:0:3", "0:1:0", "0:1:5", "9",
                                 "0:9", "0:x", "1:0", "0:0:0"})
            paths_[path] = local_writer_.add_string(path);
        target(target_writer_);
        local_ = checked(local_writer_);
        target_ = checked(target_writer_);
    }

    static std::shared_ptr<const Btf> checked(const Writer& writer) {
        auto btf = Btf::parse(writer.finish());
        EXPECT_TRUE(btf) << btf.error().message;
        return btf ? *btf : nullptr;
    }

    CoreRelo relo(CoreKind kind, uint32_t type, const char* path) {
        return {.insn = 0, .type = type, .access = paths_.at(path), .kind = kind};
    }

    /// The value that the relocation resolves to, or what went wrong.
    std::string value(CoreKind kind, uint32_t type, const char* path) {
        CoreRelocator relocator(*local_, *target_);
        const auto result = relocator.resolve(relo(kind, type, path));
        if (!result) return "error: " + result.error().message;
        if (result->poisoned) return "poisoned: " + result->reason;
        return fmt::to_string(result->target);
    }

    /// Patches one instruction (two for lddw).
    std::string patch(CoreKind kind, uint32_t type, const char* path, std::vector<Insn>& insns) {
        CoreRelocator relocator(*local_, *target_);
        const std::vector<CoreRelo> relos = {relo(kind, type, path)};
        const auto results = relocator.apply(relos, insns);
        return results ? results->at(0).reason : "error: " + results.error().message;
    }

    Writer local_writer_, target_writer_;
    std::map<std::string, uint32_t> paths_;
    std::shared_ptr<const Btf> local_, target_;
};

using enum CoreKind;

TEST_F(CoreTest, FieldsMove) {
    uint32_t task = 0;
    build(
        [&](Writer& w) {
            const uint32_t u32 = w.add_int("unsigned int", 4);
            const uint32_t list = w.add_array(u32, u32, 8);
            task = w.add_struct("task___mine", 36, {{"pid", u32, 0}, {"list", list, 32}});
        },
        [](Writer& w) {
            const uint32_t u32 = w.add_int("unsigned int", 4);
            const uint32_t list = w.add_array(u32, u32, 4);
            const uint32_t inner = w.add_union("", 8, {{"pad", u32, 0}, {"pid", u32, 32}});
            w.add_struct("task", 128, {{"x", u32, 0}, {"", inner, 512}, {"list", list, 640}});
        });
    EXPECT_EQ(value(FieldByteOffset, task, "0:0"), "68");  // through the anonymous union
    EXPECT_EQ(value(FieldExists, task, "0:0"), "1");
    EXPECT_EQ(value(FieldByteSize, task, "0:1"), "16");
    EXPECT_EQ(value(FieldByteOffset, task, "0:1:0"), "80");
    EXPECT_EQ(value(FieldByteOffset, task, "1:0"), "196");  // t[1].pid
    EXPECT_EQ(value(FieldExists, task, "0:1:5"), "0");      // past the shorter array
    EXPECT_EQ(value(FieldByteOffset, task, "0:1:5"),
              "poisoned: the target's struct task___mine has no such field");
    EXPECT_EQ(value(TypeSize, task, "0"), "128");
    EXPECT_EQ(value(TypeExists, task, "0"), "1");
    EXPECT_EQ(value(TypeIdTarget, task, "0"), "4");
    EXPECT_EQ(value(TypeIdLocal, task, "0"), fmt::to_string(task));

    const auto source = describe(*local_, relo(FieldByteOffset, task, "0:1:5"));
    ASSERT_TRUE(source);
    EXPECT_EQ(source->text, "struct task___mine.list[5]");
    EXPECT_EQ(source->value, 24u);
}

TEST_F(CoreTest, BitfieldsGiveTheirLoadAndShifts) {
    uint32_t s = 0;
    build(
        [&](Writer& w) {
            const uint32_t i = w.add_int("int", 4, Writer::Encoding::Signed);
            s = w.add_struct("s", 4, {{"b", i, 3, 5}});
        },
        [](Writer& w) {
            const uint32_t i = w.add_int("int", 4, Writer::Encoding::Signed);
            w.add_struct("s", 16, {{"other", i, 0}, {"b", i, 61, 7}});
        });
    // Bits 61..67 cross a 4-byte and an 8-byte unit: no single load reads them.
    EXPECT_THAT(value(FieldByteOffset, s, "0:0"), HasSubstr("cannot be read with one load"));
    EXPECT_EQ(value(FieldExists, s, "0:0"), "1");

    target_writer_ = Writer();
    const uint32_t i = target_writer_.add_int("int", 4, Writer::Encoding::Signed);
    target_writer_.add_struct("s", 16, {{"other", i, 0}, {"b", i, 30, 7}});
    target_ = checked(target_writer_);
    EXPECT_EQ(value(FieldByteOffset, s, "0:0"), "0");
    EXPECT_EQ(value(FieldByteSize, s, "0:0"), "8");
    EXPECT_EQ(value(FieldLshiftU64, s, "0:0"), "27");
    EXPECT_EQ(value(FieldRshiftU64, s, "0:0"), "57");
    EXPECT_EQ(value(FieldSigned, s, "0:0"), "1");
}

TEST_F(CoreTest, EnumeratorsAreFoundByName) {
    uint32_t e = 0, gone = 0;
    build(
        [&](Writer& w) {
            e = w.add_enum("e", 4, false, {{"A", 1}, {"B___v2", 2}, {"C", 3}});
            gone = w.add_enum("gone", 4, false, {{"X", 1}});
        },
        [](Writer& w) { w.add_enum("e", 8, true, {{"B", -7}, {"A", int64_t{1} << 33}}); });
    EXPECT_EQ(value(EnumvalValue, e, "0"), "8589934592");
    EXPECT_EQ(value(EnumvalValue, e, "1"), fmt::to_string(uint64_t(-7)));
    EXPECT_EQ(value(EnumvalExists, e, "2"), "0");
    EXPECT_EQ(value(EnumvalValue, e, "2"), "poisoned: the target's enum e has no such enumerator");
    EXPECT_EQ(value(EnumvalValue, gone, "0"), "poisoned: the target has no enum gone");
    EXPECT_THAT(value(EnumvalValue, e, "9"), HasSubstr("names no enumerator"));
}

TEST_F(CoreTest, CandidatesMustAgree) {
    uint32_t s = 0;
    build(
        [&](Writer& w) {
            const uint32_t i = w.add_int("int", 4);
            s = w.add_struct("s", 8, {{"a", i, 0}, {"b", i, 32}});
        },
        [](Writer& w) {
            const uint32_t i = w.add_int("int", 4);
            const uint32_t p = w.add_ptr(i);
            w.add_struct("s", 16, {{"a", i, 64}, {"b", i, 0}});
            w.add_struct("s", 16, {{"a", i, 64}, {"b", i, 32}});
            w.add_struct("s___no", 8, {{"a", p, 0}});  // a pointer is no match for an int
            w.add_ref(Kind::Typedef, i, "s");          // nor a typedef for a struct
        });
    EXPECT_EQ(value(FieldByteOffset, s, "0:0"), "8");
    EXPECT_THAT(value(FieldByteOffset, s, "0:1"),
                HasSubstr("types [3] and [4] give it different values, 0 and 4"));
}

TEST_F(CoreTest, CandidatesWithoutAFieldAreOutForTheNext) {
    uint32_t s = 0;
    build(
        [&](Writer& w) {
            const uint32_t i = w.add_int("int", 4);
            s = w.add_struct("s", 8, {{"a", i, 0}, {"b", i, 32}});
        },
        [](Writer& w) {
            const uint32_t i = w.add_int("int", 4);
            w.add_struct("s", 8, {{"a", i, 0}});
            w.add_struct("s", 8, {{"b", i, 32}});
        });
    CoreRelocator relocator(*local_, *target_);
    const auto a = relocator.resolve(relo(FieldByteOffset, s, "0:0"));
    const auto b = relocator.resolve(relo(FieldByteOffset, s, "0:1"));
    ASSERT_TRUE(a && b);
    EXPECT_FALSE(a->poisoned);
    EXPECT_TRUE(b->poisoned);
}

TEST_F(CoreTest, TypesExistOrMatch) {
    uint32_t s = 0, proto = 0, f = 0;
    build(
        [&](Writer& w) {
            const uint32_t i = w.add_int("int", 4);
            s = w.add_struct("s", 4, {{"a", i, 0}});
            proto = w.add_ref(Kind::Typedef, w.add_ptr(w.add_func_proto(i, {{"x", i}})), "fn");
            f = w.add_ref(Kind::Typedef, i, "number");
        },
        [](Writer& w) {
            const uint32_t u = w.add_int("unsigned long", 8);
            w.add_struct("s", 8, {{"a", u, 0}});
            w.add_ref(Kind::Typedef, w.add_ptr(w.add_func_proto(u, {{"x", u}, {"y", u}})), "fn");
            w.add_ref(Kind::Typedef, u, "number");
        });
    EXPECT_EQ(value(TypeExists, s, "0"), "1");
    EXPECT_EQ(value(TypeMatches, s, "0"), "0");  // a is another int
    EXPECT_EQ(value(TypeExists, proto, "0"), "0");
    EXPECT_EQ(value(TypeExists, f, "0"), "1");
    EXPECT_EQ(value(TypeMatches, f, "0"), "0");
}

TEST_F(CoreTest, MatchingLooksAtMembersNamesAndForwards) {
    uint32_t s = 0;
    const auto shape = [](Writer& w, bool forward, bool extra) {
        const uint32_t i = w.add_int("int", 4, Writer::Encoding::Signed);
        const uint32_t other = forward ? w.add_fwd("other") : w.add_struct("other", 0, {});
        const uint32_t p = w.add_ptr(other);
        const uint32_t array = w.add_array(i, i, 2);
        if (extra) return w.add_struct("s", 24, {{"n", i, 128}, {"p", p, 0}, {"l", array, 64}});
        return w.add_struct("s", 16, {{"p", p, 0}, {"l", array, 64}});
    };
    build([&](Writer& w) { s = shape(w, false, false); }, [&](Writer& w) { shape(w, true, true); });
    EXPECT_EQ(value(TypeMatches, s, "0"), "1");

    // A target that lacks a member, or has it as another array, does not match.
    Writer fewer;
    fewer.add_struct("s", 8, {{"p", fewer.next_id() + 2, 0}});
    fewer.add_ptr(fewer.add_fwd("other"));
    target_ = checked(fewer);
    EXPECT_EQ(value(TypeMatches, s, "0"), "0");
}

TEST_F(CoreTest, PatchesInstructions) {
    uint32_t s = 0, e = 0;
    build(
        [&](Writer& w) {
            const uint32_t u32 = w.add_int("unsigned int", 4);
            const uint32_t i = w.add_int("int", 4, Writer::Encoding::Signed);
            s = w.add_struct("s", 12, {{"a", u32, 0}, {"b", i, 32}, {"c", u32, 64}});
            e = w.add_enum("e", 4, false, {{"A", 1}});
        },
        [](Writer& w) {
            const uint32_t u16 = w.add_int("unsigned short", 2);
            const uint32_t l = w.add_int("long", 8, Writer::Encoding::Signed);
            w.add_struct("s", 1 << 20, {{"a", u16, 80}, {"b", l, 128}, {"c", u16, 8 << 16}});
            w.add_enum("e", 8, false, {{"A", 0x123456789}});
        });
    const Insn load{.opcode = 0x61, .dst = 1, .src = 2, .off = 0};

    std::vector<Insn> insns = {load};  // r1 = *(u32 *)(r2 + 0) -> *(u16 *)(r2 + 10)
    EXPECT_EQ(patch(FieldByteOffset, s, "0:0", insns), "");
    EXPECT_EQ(insns[0], (Insn{.opcode = 0x69, .dst = 1, .src = 2, .off = 10}));

    insns = {{.opcode = 0xb7, .dst = 1, .imm = 0}};  // r1 = 0 -> r1 = 10
    EXPECT_EQ(patch(FieldByteOffset, s, "0:0", insns), "");
    EXPECT_EQ(insns[0].imm, 10);

    insns = {{.opcode = 0x61, .dst = 1, .src = 2, .off = 4}};  // a signed field cannot change width
    EXPECT_THAT(patch(FieldByteOffset, s, "0:1", insns), HasSubstr("another size"));
    EXPECT_EQ(insns[0], (Insn{.opcode = 0x85, .imm = kPoisonedHelper}));

    insns = {{.opcode = 0x18, .dst = 1, .imm = 1}, {}};  // lddw
    EXPECT_EQ(patch(EnumvalValue, e, "0", insns), "");
    EXPECT_EQ(isa::wide_imm(insns, 0), 0x123456789u);

    insns = {{.opcode = 0xb7, .dst = 1, .imm = 1}};
    EXPECT_THAT(patch(EnumvalValue, e, "0", insns), HasSubstr("does not fit"));
    insns = {{.opcode = 0x61, .dst = 1, .src = 2, .off = 8}};
    EXPECT_THAT(patch(FieldByteOffset, s, "0:2", insns), HasSubstr("65536 does not fit"));
    insns = {{.opcode = 0x61, .dst = 1, .src = 2, .off = 7}};
    EXPECT_THAT(patch(FieldByteOffset, s, "0:0", insns), HasSubstr("holds 7, but"));
    insns = {{.opcode = 0x0f}};
    EXPECT_THAT(patch(FieldByteOffset, s, "0:0", insns), HasSubstr("no immediate"));
    insns = {{.opcode = 0x85}};
    EXPECT_THAT(patch(FieldByteOffset, s, "0:0", insns), HasSubstr("opcode 0x85"));
    insns = {{.opcode = 0x18}};
    EXPECT_THAT(patch(EnumvalValue, e, "0", insns), HasSubstr("no plain 64-bit load"));
    insns = {};
    EXPECT_THAT(patch(FieldByteOffset, s, "0:0", insns),
                HasSubstr("CO-RE relocation byte_off of struct s at instruction 0: out of range"));
}

TEST_F(CoreTest, RefusesBrokenRelocations) {
    uint32_t s = 0, p = 0, anonymous = 0;
    build(
        [&](Writer& w) {
            const uint32_t i = w.add_int("int", 4);
            s = w.add_struct("s", 4, {{"a", i, 0}});
            p = w.add_ptr(s);
            anonymous = w.add_struct("", 4, {{"a", i, 0}});
        },
        [](Writer&) {});
    EXPECT_THAT(value(FieldByteOffset, 99, "0:0"), HasSubstr("type 99 does not exist"));
    EXPECT_THAT(value(FieldByteOffset, s, "0:9"), HasSubstr("member 9 of 1"));
    EXPECT_THAT(value(FieldByteOffset, s, "0:x"), HasSubstr("no access path"));
    EXPECT_THAT(value(FieldByteOffset, s, "0:0:0"), HasSubstr("goes into a INT"));
    EXPECT_THAT(value(FieldByteOffset, p, "0:0"), HasSubstr("goes into a PTR"));
    EXPECT_THAT(value(TypeSize, s, "0:0"), HasSubstr("no access path"));
    EXPECT_THAT(value(FieldByteOffset, anonymous, "0:0"), HasSubstr("anonymous"));
    EXPECT_EQ(value(FieldByteOffset, s, "0:0"), "poisoned: the target has no struct s");
    EXPECT_EQ(value(TypeSize, s, "0"), "0");
}

TEST_F(CoreTest, HostileTypesEnd) {
    uint32_t s = 0;
    const auto nest = [](Writer& w) {
        uint32_t inner = w.add_int("int", 4);
        for (int i = 0; i < 30; i++)
            inner = w.add_struct("n", 0, {{"a", inner, 0}, {"b", inner, 0}, {"c", inner, 0}});
        uint32_t anonymous = w.add_struct("", 0, {});
        for (int i = 0; i < 30; i++)
            anonymous = w.add_struct("", 0, {{"", anonymous, 0}, {"", anonymous, 0}});
        return w.add_struct("s", 0, {{"n", inner, 0}, {"", anonymous, 0}, {"last", inner, 0}});
    };
    build([&](Writer& w) { s = nest(w); }, [&](Writer& w) { nest(w); });
    EXPECT_THAT(value(TypeMatches, s, "0"), HasSubstr("too deeply"));
    EXPECT_THAT(value(FieldByteOffset, s, "0:2"), HasSubstr("too deeply"));
}

}  // namespace
}  // namespace skep::btf
