// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "btf/declare.hpp"
#include "btf/dump_c.hpp"
#include "btf/dump_raw.hpp"
#include "btf/writer.hpp"

namespace skep::btf {
namespace {

std::string between_pragmas(const std::string& header) {
    const size_t begin = header.find("#endif\n\n") + 8;
    return header.substr(begin, header.rfind("#ifndef") - begin);
}

std::string c_of(const Writer& writer) {
    const auto btf = Btf::parse(writer.finish());
    if (!btf) return btf.error().message;
    const auto header = dump_c(**btf);
    return header ? between_pragmas(*header) : header.error().message;
}

TEST(DumpRaw, LooksLikeBpftool) {
    Writer w;
    const uint32_t i = w.add_int("int", 4, Writer::Encoding::Signed);
    w.add_struct("s", 8, {{"a", i, 0, 3}, {"", i, 32}});
    w.add_enum("e", 4, false, {{"X", 0xffffffff}});
    w.add_enum("", 8, true, {{"Y", -2}});
    const uint32_t proto = w.add_func_proto(0, {{"p", i}, {"", 0}});
    w.add_func("f", proto, Linkage::Extern);
    const uint32_t var = w.add_var("v", i, Linkage::Global);
    w.add_datasec(".bss", 4, {{var, 0, 4}});
    w.add_array(i, i, 3);
    w.add_fwd("u", true);
    w.add_decl_tag("t", 2, -1);
    w.add_float("float", 4);
    const auto btf = Btf::parse(w.finish());
    ASSERT_TRUE(btf);
    EXPECT_EQ(dump_raw(**btf),
              "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n"
              "[2] STRUCT 's' size=8 vlen=2\n"
              "\t'a' type_id=1 bits_offset=0 bitfield_size=3\n"
              "\t'(anon)' type_id=1 bits_offset=32\n"
              "[3] ENUM 'e' encoding=UNSIGNED size=4 vlen=1\n"
              "\t'X' val=4294967295\n"
              "[4] ENUM64 '(anon)' encoding=SIGNED size=8 vlen=1\n"
              "\t'Y' val=-2LL\n"
              "[5] FUNC_PROTO '(anon)' ret_type_id=0 vlen=2\n"
              "\t'p' type_id=1\n"
              "\t'(anon)' type_id=0\n"
              "[6] FUNC 'f' type_id=5 linkage=extern\n"
              "[7] VAR 'v' type_id=1, linkage=global\n"
              "[8] DATASEC '.bss' size=4 vlen=1\n"
              "\ttype_id=7 offset=0 size=4 (VAR 'v')\n"
              "[9] ARRAY '(anon)' type_id=1 index_type_id=1 nr_elems=3\n"
              "[10] FWD 'u' fwd_kind=union\n"
              "[11] DECL_TAG 't' type_id=2 component_idx=-1\n"
              "[12] FLOAT 'float' size=4\n");
}

TEST(Declare, SpellsTypesAsC) {
    Writer w;
    const uint32_t i = w.add_int("int", 4, Writer::Encoding::Signed);
    const uint32_t c = w.add_int("char", 1);
    const uint32_t s = w.add_struct("s", 0, {});
    const uint32_t anonymous = w.add_union("", 0, {});
    const uint32_t alias = w.add_ref(Kind::Typedef, i, "t");
    const uint32_t odd = w.add_int("u32", 4);
    const uint32_t callback = w.add_ptr(w.add_func_proto(w.add_ptr(s), {{"a", i}, {"", 0}}));
    const uint32_t tagged = w.add_ptr(w.add_ref(Kind::TypeTag, i, "user"));
    const std::pair<uint32_t, const char*> cases[] = {
        {0, "void x"},
        {w.add_ptr(s), "struct s *x"},
        {w.add_array(c, i, 16), "char x[16]"},
        {w.add_array(w.add_ptr(w.add_ptr(alias)), i, 2), "t **x[2]"},
        {w.add_ptr(w.add_array(i, i, 3)), "int (*x)[3]"},
        {callback, "struct s *(*x)(int a, ...)"},
        {w.add_array(callback, i, 4), "struct s *(*x[4])(int a, ...)"},
        {w.add_ptr(w.add_func_proto(0, {})), "void (*x)(void)"},
        {w.add_ptr(w.add_ref(Kind::Const, c)), "const char *x"},
        {w.add_ref(Kind::Const, w.add_ptr(c)), "char *const x"},
        {w.add_ref(Kind::Const, w.add_ref(Kind::Volatile, w.add_ptr(0))), "void *const volatile x"},
        {w.add_ref(Kind::Const, w.add_array(w.add_ref(Kind::Const, c), i, 2)), "const char x[2]"},
        {anonymous, "union {...} x"},
        {odd, "unsigned int x"},
        {tagged, "int __attribute__((btf_type_tag(\"user\"))) *x"},
    };
    const auto btf = Btf::parse(w.finish());
    ASSERT_TRUE(btf) << btf.error().message;
    for (const auto& [id, text] : cases) EXPECT_EQ(c_declaration(**btf, id, "x"), text);
    EXPECT_EQ(c_type(**btf, callback), "struct s *(*)(int a, ...)");
    EXPECT_EQ(c_type(**btf, s), "struct s");
}

TEST(DumpC, OrdersDeclaresAndPads) {
    Writer w;
    const uint32_t i = w.add_int("int", 4, Writer::Encoding::Signed);
    const uint32_t l = w.add_int("long unsigned int", 8);
    // node needs list's definition and only the name of itself and of "later".
    const uint32_t node = w.next_id();
    w.add_struct("node", 48,
                 {{"next", node + 1, 0},
                  {"list", node + 2, 64},
                  {"later", node + 3, 128},
                  {"", node + 5, 192},
                  {"t", node + 6, 320}});
    w.add_ptr(node);
    w.add_struct("list", 8, {{"n", i, 0}});
    w.add_ptr(node + 4);
    w.add_struct("later", 8, {{"l", l, 0}});
    w.add_union("", 8, {{"a", l, 0}, {"b", w.next_id() + 2, 0}});
    w.add_ref(Kind::Typedef, i, "t");
    w.add_struct("", 4, {{"low", i, 0, 4}, {"high", i, 28, 4}});
    EXPECT_EQ(c_of(w), R"(struct node;

struct list {
	int n;
	int: 32;
};

struct later;

typedef int t;

struct node {
	struct node *next;
	struct list list;
	struct later *later;
	union {
		long unsigned int a;
		struct {
			int low: 4;
			int: 24;
			int high: 4;
		} b;
	};
	long: 64;
	t t;
};

struct later {
	long unsigned int l;
};

)");
}

TEST(DumpC, PacksSizesEnumsAndRenames) {
    Writer w;
    const uint32_t c = w.add_int("char", 1);
    const uint32_t i = w.add_int("int", 4, Writer::Encoding::Signed);
    w.add_struct("packed", 5, {{"c", c, 0}, {"i", i, 8}});
    w.add_enum("small", 1, false, {{"A", 1}});
    w.add_enum("wide", 8, true, {{"B", -1}});
    w.add_enum("huge", 8, false, {{"C", int64_t{1} << 40}});
    w.add_enum("", 4, true, {{"A", 2}});
    w.add_struct("packed", 0, {});
    w.add_ref(Kind::Typedef, i, "odd name");
    w.add_fwd("unseen");
    EXPECT_EQ(c_of(w), R"(struct packed {
	char c;
	int i;
} __attribute__((packed));

enum small {
	A = 1,
} __attribute__((mode(byte)));

enum wide {
	B = -1LL,
} __attribute__((mode(word)));

enum huge {
	C = 1099511627776ULL,
};

enum {
	A___2 = 2,
};

struct packed___2 {
};

typedef int odd_name;

struct unseen;

)");
}

TEST(DumpC, HostileTypesEndInAnError) {
    // Each anonymous struct holds the one before it twice: 2^40 of them when written out.
    Writer w;
    uint32_t inner = w.add_struct("", 0, {});
    for (int i = 0; i < 40; i++) inner = w.add_struct("", 0, {{"a", inner, 0}, {"b", inner, 0}});
    w.add_struct("bomb", 0, {{"x", inner, 0}});
    EXPECT_NE(c_of(w).find("cannot be written as C"), std::string::npos);

    Writer holes;  // few of them, but each with 8,000 lines of padding
    inner = holes.add_struct("", 65'000, {});
    for (int i = 0; i < 12; i++)
        inner = holes.add_struct("", 0, {{"a", inner, 0}, {"b", inner, 0}});
    holes.add_struct("bomb", 0, {{"x", inner, 0}});
    EXPECT_NE(c_of(holes).find("cannot be written as C"), std::string::npos);

    Writer chain;  // typedefs of pointers to each other, endlessly
    for (uint32_t i = 0; i < 2000; i++)
        chain.add_ref(Kind::Typedef, chain.add_ptr(chain.next_id() + 2), "t");
    chain.add_int("int", 4);
    const std::string text = c_of(chain);
    EXPECT_NE(text.find("cannot be written as C"), std::string::npos);

    Writer endless;  // a pointer to itself
    endless.add_struct("s", 8, {{"p", 2, 0}});
    endless.add_ptr(2);
    EXPECT_NE(c_of(endless).find("cannot be written as C"), std::string::npos);

    Writer cycle;  // an anonymous struct with a pointer to a function that takes it
    cycle.add_struct("", 8, {{"f", 2, 0}});
    cycle.add_ptr(3);
    cycle.add_func_proto(0, {{"x", 1}});
    cycle.add_ref(Kind::Typedef, 1, "t");
    EXPECT_NE(c_of(cycle).find("cannot be written as C"), std::string::npos);
}

}  // namespace
}  // namespace skep::btf
