// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "btf/writer.hpp"
#include "object/describe.hpp"
#include "object/inspect.hpp"
#include "object/listing.hpp"

// How a spec is shown. The spec is made by hand, so that no compiler's taste is part of the test.

namespace skep::object {
namespace {

ObjectSpec sample() {
    btf::Writer w;
    const uint32_t integer = w.add_int("int", 4, btf::Writer::Encoding::Signed);
    const uint32_t task = w.add_struct("task", 4, {{"pid", integer, 0}});
    const uint32_t pointer = w.add_ptr(task);
    const uint32_t main_proto = w.add_func_proto(integer, {{"t", pointer}});
    const uint32_t main_func = w.add_func("main", main_proto, btf::Linkage::Global);
    const uint32_t add_proto = w.add_func_proto(integer, {{"a", integer}});
    const uint32_t add_func = w.add_func("add", add_proto, btf::Linkage::Static);
    const uint32_t total = w.add_var("total", integer, btf::Linkage::Global);
    const uint32_t data = w.add_datasec(".data", 4, {{total, 0, 4}});
    const uint32_t file = w.add_string("/src/demo.bpf.c");
    const uint32_t first_line = w.add_string("    return add(t->pid);");
    const uint32_t second_line = w.add_string("\treturn a + total;");
    const uint32_t path = w.add_string("0:0");

    ObjectSpec object;
    object.name = "demo";
    object.license = "GPL";
    object.btf = *btf::Btf::parse(w.finish());
    object.maps.push_back({.name = "counts",
                           .type = MapType::Hash,
                           .key_size = 4,
                           .value_size = 4,
                           .max_entries = 8,
                           .flags = 1,
                           .key_type_id = integer,
                           .value_type_id = integer});
    object.maps.push_back({.name = "demo.data",
                           .type = MapType::Array,
                           .key_size = 4,
                           .value_size = 4,
                           .max_entries = 1,
                           .value_type_id = data,
                           .origin = MapSpec::Origin::Data,
                           .section = ".data",
                           .initial_value = {7, 0, 0, 0}});
    object.externs.push_back(
        {.name = "bpf_task_release", .kind = Extern::Kind::KsymFunc, .weak = true});
    object.progs.push_back(
        {.name = "main",
         .section = "tp/sched/sched_switch",
         .type = ProgType::Tracepoint,
         .attach_target = "sched/sched_switch",
         .insns = {{.opcode = 0x61, .dst = 1, .src = 1},            // 0: r1 = *(u32 *)(r1 + 0)
                   {.opcode = 0x85, .src = 1, .imm = 6},            // 1: call add
                   {.opcode = 0x85, .imm = 14},                     // 2: get_current_pid_tgid
                   {.opcode = 0x85, .src = 2, .imm = 0},            // 3: kfunc
                   {.opcode = 0x18, .dst = 1, .src = 1, .imm = 0},  // 4: map
                   {},
                   {.opcode = 0x95},                                // 6
                   {.opcode = 0x95},                                // 7: dead
                   {.opcode = 0x18, .dst = 2, .src = 2, .imm = 1},  // 8: add: &total
                   {},
                   {.opcode = 0x95}},
         .subprogs = {{"main", 0, main_func, true}, {"add", 8, add_func, false}},
         .references = {{Reference::Kind::KsymFunc, 3, 0},
                        {Reference::Kind::Map, 4, 0},
                        {Reference::Kind::MapValue, 8, 1, 0}},
         .core_relos = {{0, task, path, btf::CoreKind::FieldByteOffset}},
         .lines = {{0, file, first_line, 12, 5},
                   {1, file, first_line, 12, 12},
                   {8, file, second_line, 20, 2}}});
    return object;
}

TEST(Listing, NamesWhatInstructionsReferTo) {
    const ObjectSpec object = sample();
    EXPECT_EQ(listing(object, object.progs[0]),
              "int main(struct task *t):\n"
              "; demo.bpf.c:12: return add(t->pid);\n"
              "       0:\tr1 = *(u32 *)(r1 + 0x0)  # byte_off struct task.pid\n"
              "       1:\tcall +0x6  # add\n"
              "       2:\tcall 0xe  # bpf_get_current_pid_tgid\n"
              "       3:\tcall kfunc 0x0  # kernel function bpf_task_release\n"
              "       4:\tld_pseudo r1, 0x1, 0x0  # map counts\n"
              "       6:\texit\n"
              "       7:\texit\n"
              "\n"
              "int add(int a):\n"
              "; demo.bpf.c:20: return a + total;\n"
              "       8:\tld_pseudo r2, 0x2, 0x1  # demo.data+0 (total)\n"
              "      10:\texit\n");
}

TEST(Inspect, Text) {
    const ObjectSpec object = sample();
    EXPECT_EQ(inspect_text(object), R"(object demo, license "GPL"

PROGRAMS
NAME  SECTION                TYPE        ATTACH  TARGET              INSNS  FUNCTIONS  FLAGS
main  tp/sched/sched_switch  tracepoint  -       sched/sched_switch     11          2  -

MAPS
NAME       TYPE   KEY    VALUE  ENTRIES  ATTRIBUTES
counts     hash   4 int  4 int        8  no_prealloc
demo.data  array  4      4            1  -

GLOBAL VARIABLES
MAP        OFFSET  VARIABLE   VALUE
demo.data       0  int total  7

EXTERNS
NAME              KIND      TYPE  WEAK
bpf_task_release  function  -     yes

REFERENCES
PROGRAM  INSN  REFERS TO
main        3  kernel function bpf_task_release
main        4  map counts
main        8  demo.data+0 (total)

CO-RE RELOCATIONS
PROGRAM  INSN  KIND      WHAT             LOCAL
main        0  byte_off  struct task.pid      0

TYPES
9: 1 INT, 1 PTR, 1 STRUCT, 2 FUNC, 2 FUNC_PROTO, 1 VAR, 1 DATASEC
)");
}

TEST(Inspect, ShowsWhatRelocationsBecome) {
    const ObjectSpec object = sample();
    btf::Writer w;
    const uint32_t integer = w.add_int("int", 4);
    w.add_struct("task", 8, {{"state", integer, 0}, {"pid", integer, 32}});
    const auto target = *btf::Btf::parse(w.finish());
    EXPECT_THAT(inspect_text(object, target.get()),
                ::testing::HasSubstr("WHAT             LOCAL  TARGET\n"
                                     "main        0  byte_off  struct task.pid      0  4\n"));
    const auto empty = *btf::Btf::parse(btf::Writer().finish());
    EXPECT_THAT(inspect_text(object, empty.get()),
                ::testing::HasSubstr("0  the target has no struct task\n"));
}

TEST(Inspect, SaysWhatUnknownSectionsMayMean) {
    ObjectSpec object = sample();
    object.progs[0].type = ProgType::Unspec;
    object.progs[0].section = "xdp/drop";
    EXPECT_THAT(
        inspect_text(object),
        ::testing::HasSubstr("section 'xdp/drop' says no program type; did you mean 'xdp'?"));
}

TEST(Inspect, Json) {
    const ObjectSpec object = sample();
    JsonWriter json;
    inspect_json(object, json);
    std::string expected = R"json({"name":"demo","license":"GPL","gpl_compatible":true,
"kernel_version":0,"programs":[
{"name":"main","section":"tp/sched/sched_switch","type":"tracepoint","attach_type":null,
"attach_target":"sched/sched_switch","autoload":true,"sleepable":false,"multi_buffer":false,
"insns":11,"functions":[
{"name":"main","insn":0,"global":true,"signature":"int main(struct task *t)"},
{"name":"add","insn":8,"global":false,"signature":"int add(int a)"}],"references":[
{"insn":3,"extern":"bpf_task_release"},{"insn":4,"map":"counts"},
{"insn":8,"map":"demo.data","offset":0,"variable":"total"}],"core_relocations":[
{"insn":0,"kind":"byte_off","what":"struct task.pid","local":0}]}],"maps":[
{"name":"counts","type":"hash","key_size":4,"value_size":4,"max_entries":8,
"flags":["no_prealloc"],"numa_node":0,"map_extra":0,"pinned":false,"autocreate":true,
"key_type":"int","value_type":"int","origin":"declared","section":null,"initial_value":null,
"initial_slots":[],"inner":null},
{"name":"demo.data","type":"array","key_size":4,"value_size":4,"max_entries":1,"flags":[],
"numa_node":0,"map_extra":0,"pinned":false,"autocreate":true,"key_type":null,"value_type":null,
"origin":"data","section":".data","initial_value":{"total":7},"initial_slots":[],"inner":null}],
"externs":[{"name":"bpf_task_release","kind":"function","weak":true,"type":null}],
"types":{"count":9,"int":1,"ptr":1,"struct":1,"func":2,"func_proto":2,"var":1,"datasec":1}})json";
    std::erase(expected, '\n');  // the writer's output is one line
    EXPECT_EQ(json.text(), expected);
}

TEST(Describe, FlagNames) {
    EXPECT_THAT(flag_names(0), ::testing::IsEmpty());
    EXPECT_THAT(flag_names(0x80000481),
                ::testing::ElementsAre("no_prealloc", "rdonly_prog", "mmapable", "0x80000000"));
}

}  // namespace
}  // namespace skep::object
