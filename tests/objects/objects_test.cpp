// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "btf/core_relo.hpp"
#include "btf/print.hpp"
#include "object/kconfig.hpp"
#include "tools.hpp"

// What is read from each of this folder's sources, as clang-19 compiles them.

namespace skep::object {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const MapSpec& map_of(const ObjectSpec& object, std::string_view name) {
    static const MapSpec kNone;
    const MapSpec* map = object.find_map(name);
    EXPECT_TRUE(map) << name;
    return map ? *map : kNone;
}

std::vector<std::string> names_of(const std::vector<Subprog>& subprogs) {
    std::vector<std::string> names;
    for (const Subprog& subprog : subprogs) names.push_back(subprog.name);
    return names;
}

std::string show(const ObjectSpec& object, const MapSpec& map) {
    return btf::print_c(*object.btf, map.value_type_id, map.initial_value);
}

TEST(Objects, Maps) {
    const ObjectSpec object = read_or_fail(object_path("maps"));
    EXPECT_EQ(object.name, "maps");
    EXPECT_EQ(object.license, "Dual BSD/GPL");
    EXPECT_TRUE(object.gpl_compatible());

    const MapSpec& flows = map_of(object, "flows");
    EXPECT_EQ(flows.type, MapType::Hash);
    EXPECT_EQ(flows.key_size, 8u);
    EXPECT_EQ(flows.value_size, 16u);
    EXPECT_EQ(flows.max_entries, 1000u);
    EXPECT_EQ(flows.flags, 1u);
    EXPECT_TRUE(flows.pin_by_name);
    EXPECT_EQ(object.btf->type(flows.key_type_id).name(), "key");
    EXPECT_EQ(object.btf->type(flows.value_type_id).name(), "value");

    const MapSpec& sized = map_of(object, "sized");
    EXPECT_EQ(sized.value_size, 24u);
    EXPECT_EQ(sized.numa_node, 1u);
    EXPECT_EQ(sized.value_type_id, 0u);
    EXPECT_FALSE(sized.pin_by_name);

    EXPECT_EQ(map_of(object, "bloom").extra, 5u);
    EXPECT_EQ(map_of(object, "events").max_entries, 16384u);

    const MapSpec& outer = map_of(object, "outer");
    EXPECT_EQ(outer.type, MapType::ArrayOfMaps);
    ASSERT_TRUE(outer.inner);
    EXPECT_EQ(outer.inner->type, MapType::Array);
    EXPECT_EQ(outer.inner->max_entries, 4u);
    EXPECT_EQ(outer.inner->value_size, 8u);
    ASSERT_EQ(outer.initial_slots.size(), 2u);
    EXPECT_EQ(outer.initial_slots[0].slot, 1u);
    EXPECT_EQ(object.maps[outer.initial_slots[0].index].name, "inner_a");
    EXPECT_EQ(outer.initial_slots[1].slot, 5u);
    EXPECT_EQ(object.maps[outer.initial_slots[1].index].name, "inner_b");

    const MapSpec& jumps = map_of(object, "jumps");
    ASSERT_EQ(jumps.initial_slots.size(), 2u);
    EXPECT_EQ(jumps.initial_slots[0].slot, 0u);
    EXPECT_EQ(object.progs[jumps.initial_slots[0].index].name, "second");
    EXPECT_EQ(jumps.initial_slots[1].slot, 3u);
    EXPECT_EQ(object.progs[jumps.initial_slots[1].index].name, "first");

    // "first" refers to two maps, by lddw.
    const ProgSpec* first = object.find_prog("first");
    ASSERT_TRUE(first);
    ASSERT_EQ(first->references.size(), 2u);
    for (const Reference& reference : first->references) {
        EXPECT_EQ(reference.kind, Reference::Kind::Map);
        EXPECT_TRUE(first->insns[reference.insn].is_wide());
        EXPECT_EQ(first->insns[reference.insn].src, isa::kPseudoMapFd);
    }
    EXPECT_EQ(object.maps[first->references[0].index].name, "jumps");
    EXPECT_EQ(object.maps[first->references[1].index].name, "sized");
}

TEST(Objects, GlobalData) {
    const ObjectSpec object = read_or_fail(object_path("data"));
    const struct {
        const char* name;
        MapSpec::Origin origin;
        uint32_t value_size, flags;
        const char* section;
    } maps[] = {
        {"data.rodata", MapSpec::Origin::Rodata, 12, 0x480, ".rodata"},
        {"data.data", MapSpec::Origin::Data, 44, 0x400, ".data"},
        {".data.mine", MapSpec::Origin::Data, 4, 0x400, ".data.mine"},
        {".rodata.settings", MapSpec::Origin::Rodata, 4, 0x480, ".rodata.settings"},
        {"data.bss", MapSpec::Origin::Bss, 12, 0x400, ".bss"},
        {".bss.secret", MapSpec::Origin::Bss, 4, 0, ".bss.secret"},  // nothing to see: static
    };
    ASSERT_EQ(object.maps.size(), std::size(maps));
    for (const auto& expected : maps) {
        const MapSpec& map = map_of(object, expected.name);
        EXPECT_EQ(map.type, MapType::Array);
        EXPECT_EQ(map.key_size, 4u);
        EXPECT_EQ(map.max_entries, 1u);
        EXPECT_EQ(map.origin, expected.origin) << expected.name;
        EXPECT_EQ(map.value_size, expected.value_size) << expected.name;
        EXPECT_EQ(map.flags, expected.flags) << expected.name;
        EXPECT_EQ(map.section, expected.section);
        EXPECT_EQ(map.initial_value.size(),
                  map.origin == MapSpec::Origin::Bss ? 0 : map.value_size);
    }
    EXPECT_EQ(show(object, map_of(object, "data.rodata")), R"({.limit = 10, .greeting = "hello"})");
    EXPECT_EQ(show(object, map_of(object, "data.data")),
              "{.counter = 7, .numbers = {1, 2, 3, 4}, .hidden_flag = 1}");

    // numbers[2] and numbers[3] are reached through the map, at their offsets.
    const ProgSpec* count = object.find_prog("count");
    ASSERT_TRUE(count);
    std::vector<std::string> reached;
    for (const Reference& r : count->references) {
        EXPECT_EQ(r.kind, Reference::Kind::MapValue);
        EXPECT_EQ(count->insns[r.insn].src, isa::kPseudoMapValue);
        EXPECT_EQ(count->insns[r.insn + 1].imm, r.addend);
        reached.push_back(fmt::format("{}+{}", object.maps[r.index].name, r.addend));
    }
    EXPECT_THAT(reached, ::testing::Contains("data.data+8"));
    EXPECT_THAT(reached, ::testing::Contains("data.data+40"));
    EXPECT_THAT(reached, ::testing::Contains(".bss.secret+0"));
}

TEST(Objects, LinkedSubprograms) {
    const ObjectSpec object = read_or_fail(object_path("link"));
    EXPECT_EQ(object.kernel_version, 0x060102u);
    ASSERT_EQ(object.progs.size(), 3u);

    const ProgSpec& first = *object.find_prog("first");
    EXPECT_EQ(first.type, ProgType::Xdp);
    EXPECT_EQ(first.attach_type, AttachType::Xdp);
    EXPECT_THAT(names_of(first.subprogs), ElementsAre("first", "twice", "add"));

    const ProgSpec& second = *object.find_prog("second");
    EXPECT_THAT(names_of(second.subprogs),
                ElementsAre("second", "step", "add", "hidden_helper", "twice"));
    EXPECT_TRUE(second.subprogs[0].global);
    EXPECT_FALSE(second.subprogs[2].global);  // static
    EXPECT_FALSE(second.subprogs[3].global);  // hidden
    EXPECT_TRUE(second.subprogs[4].global);

    const ProgSpec& manual = *object.find_prog("manual");
    EXPECT_FALSE(manual.autoload);
    EXPECT_EQ(manual.section, "?tc");
    EXPECT_EQ(manual.type, ProgType::SchedCls);

    for (const ProgSpec& prog : object.progs) {
        for (size_t i = 0; i < prog.insns.size(); i++) {
            const isa::Insn& insn = prog.insns[i];
            const bool call = insn.opcode == 0x85 && insn.src == isa::kCallLocal;
            const bool address = insn.is_wide() && insn.src == isa::kPseudoFunc;
            if (!call && !address) continue;
            const auto target = uint32_t(int64_t(i) + insn.imm + 1);
            EXPECT_TRUE(std::ranges::count(prog.subprogs, target, &Subprog::insn)) << prog.name;
        }
        for (const Subprog& subprog : prog.subprogs)
            EXPECT_EQ(object.btf->type(subprog.btf_type_id).name(), subprog.name);
        // Each subprogram's first instruction has a source line, in ascending order.
        EXPECT_TRUE(std::ranges::is_sorted(prog.lines, {}, &LineInfo::insn));
        for (const Subprog& subprog : prog.subprogs)
            EXPECT_TRUE(std::ranges::count(prog.lines, subprog.insn, &LineInfo::insn));
    }
    const auto line = std::ranges::find_if(second.lines, [&](const LineInfo& l) {
        return object.btf->string(l.line_off).find("if (total) *total += a;") !=
               std::string_view::npos;
    });
    ASSERT_NE(line, second.lines.end());
    EXPECT_GE(line->insn, second.subprogs[2].insn);
    EXPECT_LT(line->insn, second.subprogs[3].insn);
    EXPECT_THAT(std::string(object.btf->string(line->file_off)), HasSubstr("link.bpf.c"));

    // Both programs have their own copy of "add", each with its reference to the map.
    EXPECT_EQ(first.references.size(), 1u);
    EXPECT_EQ(second.references.size(), 1u);
}

TEST(Objects, Externs) {
    const ObjectSpec object = read_or_fail(object_path("externs"));
    std::vector<std::string> lines;
    for (const Extern& e : object.externs)
        lines.push_back(fmt::format("{} kind={} weak={} size={} at={}", e.name, int(e.kind), e.weak,
                                    e.size, e.data_offset));
    EXPECT_THAT(lines, ElementsAre("CONFIG_HZ kind=0 weak=false size=8 at=0",
                                   "CONFIG_TUN kind=0 weak=true size=4 at=8",
                                   "LINUX_KERNEL_VERSION kind=0 weak=false size=4 at=12",
                                   "CONFIG_BPF kind=0 weak=true size=1 at=16",
                                   "CONFIG_DEFAULT_HOSTNAME kind=0 weak=false size=16 at=17",
                                   "bpf_prog_active kind=1 weak=true size=0 at=0",
                                   "bpf_rcu_read_lock kind=2 weak=false size=0 at=0",
                                   "bpf_task_acquire kind=2 weak=true size=0 at=0",
                                   "runqueues kind=1 weak=false size=0 at=0"));
    EXPECT_EQ(object.externs[5].type_id, 0u);  // typeless
    EXPECT_EQ(object.btf->type(object.externs[8].type_id).name(), "rq");

    const ProgSpec& prog = object.progs.at(0);
    std::vector<std::string> references;
    for (const Reference& r : prog.references) {
        const bool ksym = r.kind == Reference::Kind::KsymVar || r.kind == Reference::Kind::KsymFunc;
        references.push_back(
            fmt::format("{}{}+{}", r.kind == Reference::Kind::KsymFunc ? "call " : "",
                        ksym ? object.externs[r.index].name : object.maps[r.index].name, r.addend));
        if (r.kind == Reference::Kind::KsymFunc) {
            EXPECT_EQ(prog.insns[r.insn].src, isa::kCallKfunc);
        }
    }
    EXPECT_THAT(references,
                ::testing::IsSupersetOf({"call bpf_rcu_read_lock+0", "bpf_task_acquire+0",
                                         "call bpf_task_acquire+0", "runqueues+0",
                                         "externs.kconfig+12", "externs.kconfig+17"}));

    const std::map<std::string, std::string, std::less<>> config = {
        {"CONFIG_HZ", "250"},
        {"LINUX_KERNEL_VERSION", "0x60c00"},
        {"CONFIG_BPF", "y"},
        {"CONFIG_DEFAULT_HOSTNAME", "\"(none)\""}};
    const auto value = evaluate_kconfig(object, [&](std::string_view name) {
        const auto found = config.find(name);
        return found == config.end() ? std::nullopt : std::optional(found->second);
    });
    ASSERT_TRUE(value) << value.error().message;
    EXPECT_EQ(btf::print_c(*object.btf, map_of(object, "externs.kconfig").value_type_id, *value),
              "{.CONFIG_HZ = 250, .CONFIG_TUN = TRI_NO, .LINUX_KERNEL_VERSION = 396288, "
              ".CONFIG_BPF = true, .CONFIG_DEFAULT_HOSTNAME = \"(none)\"}");
    EXPECT_THAT(evaluate_kconfig(object, [](auto) { return std::nullopt; }).error().message,
                HasSubstr("'CONFIG_HZ' is not known here"));
}

TEST(Objects, StructOps) {
    const ObjectSpec object = read_or_fail(object_path("struct_ops"));
    const MapSpec& ops = map_of(object, "mine");
    EXPECT_EQ(ops.type, MapType::StructOps);
    EXPECT_EQ(ops.origin, MapSpec::Origin::StructOps);
    EXPECT_EQ(ops.flags, 1u << 13);
    EXPECT_EQ(show(object, ops), R"({.init = 0x0, .flags = 3, .release = 0x0, .name = "mine"})");
    ASSERT_EQ(ops.initial_slots.size(), 2u);
    EXPECT_EQ(ops.initial_slots[0].slot, 0u);
    EXPECT_EQ(object.progs[ops.initial_slots[0].index].name, "my_init");
    EXPECT_EQ(ops.initial_slots[1].slot, 16u);
    EXPECT_EQ(object.progs[ops.initial_slots[1].index].name, "my_release");
    EXPECT_EQ(object.find_prog("my_init")->attach_target, "init");
}

TEST(Objects, CoreRelocations) {
    ObjectSpec object = read_or_fail(object_path("core"));
    const ObjectSpec target = read_or_fail(object_path("core_target"));
    ASSERT_TRUE(object.btf && target.btf);
    ProgSpec& prog = object.progs.at(0);
    btf::CoreRelocator relocator(*object.btf, *target.btf);
    const auto results = relocator.apply(prog.core_relos, prog.insns);
    ASSERT_TRUE(results) << results.error().message;
    ASSERT_EQ(results->size(), prog.core_relos.size());

    const std::string thing = fmt::to_string(target.btf->find("thing", btf::Kind::Struct)->id());
    const std::string own = fmt::to_string(object.btf->find("thing", btf::Kind::Struct)->id());
    std::map<std::string, std::string> values;
    for (size_t i = 0; i < results->size(); i++) {
        const btf::CoreResult& r = results->at(i);
        values[fmt::format("{} {}", to_string(prog.core_relos[i].kind), r.text)] =
            r.poisoned ? r.reason : fmt::to_string(r.target);
    }
    const std::pair<const char*, std::string> expected[] = {
        {"byte_off struct thing.moved", "12"},
        {"byte_off struct thing.narrower", "16"},
        {"byte_off struct thing.gone", "the target's struct thing has no such field"},
        {"field_exists struct thing.moved", "1"},
        {"field_exists struct thing.gone", "0"},
        {"byte_off struct thing.bits", "16"},
        {"byte_sz struct thing.bits", "4"},
        {"lshift_u64 struct thing.bits", "40"},
        {"rshift_u64 struct thing.bits", "59"},
        {"signed struct thing.bits", "0"},
        {"byte_off struct thing.list[2]", "28"},
        {"byte_sz struct thing.list", "24"},
        {"byte_off struct thing.inner.deep", "56"},
        {"type_exists thing_t", "1"},
        {"type_exists struct absent", "0"},
        {"type_size struct thing", "64"},
        {"type_matches struct thing", "0"},
        {"local_type_id struct thing", own},
        {"target_type_id struct thing", thing},
        {"enumval_value enum state::STATE_ON", "70"},
        {"enumval_exists enum state::STATE_ON", "1"},
        {"enumval_exists enum state::STATE_LOST", "0"},
    };
    for (const auto& [text, value] : expected) EXPECT_EQ(values[text], value) << text;
    EXPECT_EQ(values.size(), std::size(expected)) << "an entry was not expected";

    // The 4-byte load of `narrower` is one of 2 bytes now; the load of `gone` is poisoned.
    for (size_t i = 0; i < results->size(); i++) {
        const isa::Insn& insn = prog.insns[prog.core_relos[i].insn];
        if (results->at(i).text == "struct thing.narrower") {
            EXPECT_EQ(insn.opcode, 0x69);
        }
        if (results->at(i).poisoned) {
            EXPECT_EQ(insn.imm, btf::kPoisonedHelper);
        }
    }
}

TEST(Objects, HalvesOfALinkedObject) {
    const auto bytes = read_file(object_path("linked_a"));
    ASSERT_TRUE(bytes);
    const auto half = read_object(*bytes, "linked_a.bpf.o");
    ASSERT_FALSE(half);
    EXPECT_THAT(half.error().to_string(),
                HasSubstr("linked_a.bpf.o: function 'prog_a', instruction"));
    EXPECT_THAT(half.error().to_string(), HasSubstr("it is not defined anywhere"));
    EXPECT_THAT(half.error().to_string(), HasSubstr("bpftool gen object"));
}

}  // namespace
}  // namespace skep::object
