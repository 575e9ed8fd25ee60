// SPDX-License-Identifier: Apache-2.0
#include "object/settle.hpp"

#include <gmock/gmock.h>

#include "btf/writer.hpp"

namespace skep::object {
namespace {

using ::testing::HasSubstr;

constexpr isa::Insn kCallKfuncInsn{.opcode = 0x85, .src = isa::kCallKfunc};
constexpr isa::Insn kLddw{.opcode = 0x18, .dst = 1};
constexpr isa::Insn kExit{.opcode = 0x95};

/// One program that calls kernel function 0 and loads the address of kernel variable 1.
ObjectSpec object_with_externs(bool weak) {
    ObjectSpec object;
    object.externs = {{.name = "bpf_work___v2", .kind = Extern::Kind::KsymFunc, .weak = weak},
                      {.name = "runqueues", .kind = Extern::Kind::KsymVar, .weak = weak}};
    object.progs.push_back(
        {.name = "p",
         .insns = {kCallKfuncInsn, kLddw, isa::Insn{}, kExit},
         .references = {{Reference::Kind::KsymFunc, 0, 0}, {Reference::Kind::KsymVar, 1, 1}}});
    return object;
}

std::shared_ptr<const btf::Btf> target_types() {
    btf::Writer writer;
    const uint32_t number = writer.add_int("int", 4, btf::Writer::Encoding::Signed);
    const uint32_t proto = writer.add_func_proto(number, {});
    writer.add_func("bpf_work", proto, btf::Linkage::Static);
    writer.add_var("runqueues", number, btf::Linkage::Global);
    return *btf::Btf::parse(writer.finish());
}

TEST(Settle, KernelSymbolsBecomeIdsOfTheTarget) {
    const auto types = target_types();
    const auto settled = settle(object_with_externs(false), {.btf = types.get()});
    ASSERT_TRUE(settled) << settled.error().message;
    const ProgSpec& prog = settled->progs[0];
    EXPECT_EQ(prog.insns[0].src, isa::kCallKfunc);
    EXPECT_EQ(types->type(uint32_t(prog.insns[0].imm)).name(), "bpf_work");
    EXPECT_EQ(prog.insns[1].src, isa::kPseudoBtfId);
    EXPECT_EQ(types->type(uint32_t(prog.insns[1].imm)).name(), "runqueues");
    EXPECT_TRUE(prog.references.empty());
}

TEST(Settle, MissingSymbolsMatterUnlessTheyAreWeak) {
    const auto strict = settle(object_with_externs(false), {});
    ASSERT_FALSE(strict);
    EXPECT_THAT(strict.error().message, HasSubstr("program 'p'"));
    EXPECT_THAT(strict.error().message, HasSubstr("bpf_work___v2"));

    const auto weak = settle(object_with_externs(true), {});
    ASSERT_TRUE(weak) << weak.error().message;
    EXPECT_EQ(weak->progs[0].insns[0].src, isa::kCallHelper);
    EXPECT_EQ(weak->progs[0].insns[0].imm, kPoisonedKfunc);
    ASSERT_EQ(weak->progs[0].unresolved.size(), 1u);
    EXPECT_EQ(weak->progs[0].unresolved[0].insn, 0u);
    EXPECT_EQ(weak->progs[0].unresolved[0].what, "kernel function bpf_work___v2");
    EXPECT_EQ(weak->progs[0].insns[1].src, isa::kPseudoImm);
    EXPECT_EQ(weak->progs[0].insns[1].imm, 0);
}

TEST(Settle, FunctionsMustBeDeclaredAsTheyAre) {
    const auto types = target_types();
    btf::Writer writer;
    const uint32_t number = writer.add_int("int", 4, btf::Writer::Encoding::Signed);
    const uint32_t same = writer.add_func_proto(number, {});
    const uint32_t as_there = writer.add_func("bpf_work___v2", same, btf::Linkage::Extern);
    const uint32_t proto = writer.add_func_proto(number, {{"more", number}});
    const uint32_t with_argument = writer.add_func("bpf_work___v2", proto, btf::Linkage::Extern);
    const auto declared = [&, btf = *btf::Btf::parse(writer.finish())](uint32_t type, bool weak) {
        ObjectSpec object = object_with_externs(weak);
        object.btf = btf;
        object.externs[0].type_id = type;
        return settle(std::move(object), {.btf = types.get()});
    };
    EXPECT_TRUE(declared(as_there, false));
    const auto strict = declared(with_argument, false);
    ASSERT_FALSE(strict);
    EXPECT_THAT(strict.error().message,
                HasSubstr("of another type there: int bpf_work___v2(void)"));
    const auto weak = declared(with_argument, true);
    ASSERT_TRUE(weak);
    EXPECT_EQ(weak->progs[0].insns[0].imm, kPoisonedKfunc);
    EXPECT_THAT(weak->progs[0].unresolved[0].reason, HasSubstr("another type"));
}

TEST(Settle, RelocationsNeedTypes) {
    ObjectSpec object;
    object.progs.push_back({.name = "p", .insns = {kExit}});
    object.progs[0].core_relos.push_back({.insn = 0, .type = 1, .access = 0, .kind = {}});
    const auto settled = settle(object, {});
    ASSERT_FALSE(settled);
    EXPECT_EQ(settled.error().code, ErrorCode::Unsupported);
}

TEST(Settle, KconfigIsFilledIn) {
    btf::Writer writer;
    const uint32_t number = writer.add_int("unsigned int", 4);
    ObjectSpec object;
    object.btf = *btf::Btf::parse(writer.finish());
    object.maps.push_back({.name = "o.kconfig",
                           .type = MapType::Array,
                           .value_size = 4,
                           .origin = MapSpec::Origin::Kconfig});
    object.externs.push_back(
        {.name = "CONFIG_HZ", .kind = Extern::Kind::Kconfig, .type_id = number, .size = 4});
    const auto settled = settle(
        object, {.kconfig = [](std::string_view) { return std::optional<std::string>("250"); }});
    ASSERT_TRUE(settled) << settled.error().message;
    EXPECT_EQ(settled->maps[0].initial_value, (Bytes{250, 0, 0, 0}));
    EXPECT_FALSE(settle(object, {}));
}

}  // namespace
}  // namespace skep::object
