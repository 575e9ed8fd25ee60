// SPDX-License-Identifier: Apache-2.0
#include <bpf/libbpf.h>
#include <elf.h>
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/kernel_pace.hpp"
#include "kernel_runtime/sandbox.hpp"

// Other people's loaders on our objects (bpftool, iproute2), and skep on other people's objects:
// those of xdp-tools as files, those of libbpf-tools inside their programs, each loaded, attached
// and sorted by what became of it. What is absent is skipped.

namespace skep::kernel_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::vector<std::string> examples() {
    std::vector<std::string> paths;
    for (const auto& entry : fs::directory_iterator(SKEP_EXAMPLES))
        if (entry.path().string().ends_with(".bpf.o")) paths.push_back(entry.path());
    return paths;
}

TEST(Foreign, BpftoolLoadsOurObjects) {
    NEEDS_KERNEL();
    if (!run_command("bpftool version").good) SKEP_SKIP("bpftool is not installed");
    ASSERT_FALSE(examples().empty());
    for (const std::string& path : examples()) {
        const std::string pins = bpffs() + "/bpftool";
        const Output output = run_command(
            fmt::format("bpftool prog loadall {} {} pinmaps {}-maps", path, pins, pins));
        EXPECT_TRUE(output.good) << path << "\n" << output.text;
        fs::remove_all(pins);
        fs::remove_all(pins + "-maps");
    }
}

TEST(Foreign, IprouteLoadsOurObjects) {
    NEEDS_KERNEL();
    if (!run_command("ip -V").good || !run_command("tc -V").good)
        SKEP_SKIP("iproute2 is not installed");
    const Wire wire;
    // iproute2 makes directories in the bpf filesystem, and leaves them: in one of its own.
    const auto load = [&](const std::string& command) {
        return wire.in_right(
            fmt::format("unshare --mount sh -c \"mount -t bpf bpf /sys/fs/bpf && {}\"", command));
    };
    for (const char* name : {"goodbye_ping", "talkers"}) {
        const std::string path = fmt::format("{}/{}.bpf.o", SKEP_EXAMPLES, name);
        const kernel::Object object = must(kernel::Object::open(must(read_file(path)), path));
        const object::ProgSpec& prog = object.spec().progs.back();
        if (prog.type == ProgType::Xdp) {
            EXPECT_EQ(
                load(fmt::format("ip link set dev right0 xdp obj {} program {}", path, prog.name)),
                0)
                << name;
            EXPECT_EQ(wire.in_right("ip link show dev right0 | grep -q prog/xdp"), 0) << name;
            EXPECT_EQ(wire.in_right("ip link set dev right0 xdp off"), 0);
        } else {
            EXPECT_EQ(load(fmt::format("tc qdisc replace dev right0 clsact && "
                                       "tc filter add dev right0 ingress bpf da obj {} "
                                       "program {}",
                                       path, prog.name)),
                      0)
                << name;
            EXPECT_EQ(wire.in_right("tc filter show dev right0 ingress | grep -q " + prog.name), 0);
        }
    }
}

/// What became of one of their programs.
enum class Fate {
    Runs,     ///< loaded, and attached where its section says
    Target,   ///< loaded; the tool's user says which process, library or map it is for
    NoHook,   ///< this kernel does not have the hook, or keeps it to itself; the reason says so
    Refused,  ///< anything else: a failure of ours
};

struct Outcome {
    std::map<Fate, int> programs = {};
    int objects = 0;
    int running = 0;  ///< objects of which at least one program runs
    std::vector<std::string> refused = {};
    std::map<std::string, int> reasons = {};  ///< of NoHook, by hook
};

/// Sizes that the tools leave to themselves: they set them before loading, from their options.
void size_maps(kernel::Object& object) {
    for (const object::MapSpec& map : object.spec().maps) {
        bpf_map* own = bpf_object__find_map_by_name(object.libbpf(), map.name.c_str());
        if (!own || map.type == MapType::StructOps) continue;
        if (map.type == MapType::StackTrace && map.value_size == 0)
            bpf_map__set_value_size(own, 127 * sizeof(uint64_t));
        const bool sized_by_tool = map.type == MapType::StackTrace || map.type == MapType::Hash;
        if (sized_by_tool && map.max_entries == 0) bpf_map__set_max_entries(own, 1024);
    }
}

Fate run_one(ByteView elf, const std::string& name, const object::ProgSpec& prog, const Wire& wire,
             std::string& why) {
    const auto not_here = [&](const Error& error) {
        why = error.message;
        return error.code == ErrorCode::Unsupported ? Fate::NoHook : Fate::Refused;
    };
    pace_program_loads();
    auto object = kernel::Object::open(elf, name, {.progs = {prog.name}, .pin_root = bpffs()});
    if (!object) return not_here(object.error());
    size_maps(*object);
    if (const auto loaded = object->load(); !loaded) return not_here(loaded.error());
    const bool of_a_program = prog.type == ProgType::Xdp || prog.type == ProgType::SchedCls;
    const auto link = kernel::attach(
        must(object->prog(prog.name)),
        {.interface = of_a_program ? "right0" : "", .netns = of_a_program ? wire.right() : ""});
    if (link) return Fate::Runs;
    // An uprobe without a binary, a kprobe without a function: what the command line says.
    if (link.error().code == ErrorCode::Usage) return Fate::Target;
    return not_here(link.error());
}

/// Each program of an object, loaded and attached alone: tools choose among several that do the
/// same (fentry or kprobe), so that there need not be one hook for all.
std::string run_each(ByteView elf, const std::string& name, const Wire& wire, Outcome& outcome) {
    outcome.objects++;
    const auto opened = kernel::Object::open(elf, name, {.pin_root = bpffs()});
    if (!opened) {
        outcome.refused.push_back(opened.error().to_string());
        return "refused";
    }
    std::map<Fate, int> here;
    std::string reason;
    for (const object::ProgSpec& prog : opened->spec().progs) {
        std::string why;
        const Fate fate = run_one(elf, name, prog, wire, why);
        here[fate]++;
        outcome.programs[fate]++;
        if (fate == Fate::Refused) outcome.refused.push_back(name + ": " + why);
        if (fate != Fate::NoHook) continue;
        reason = std::move(why);
        outcome.reasons[prog.section.substr(0, prog.section.find('/'))]++;
    }
    if (here[Fate::Runs] > 0) outcome.running++;
    return fmt::format(
        "{} of {} programs run{}{}{}", here[Fate::Runs], opened->spec().progs.size(),
        here[Fate::Target] ? fmt::format(", {} want a target", here[Fate::Target]) : "",
        here[Fate::NoHook] ? fmt::format(", {} have no hook here: {}", here[Fate::NoHook], reason)
                           : "",
        here[Fate::Refused] ? ", REFUSED" : "");
}

void expect_good(const std::string& package, Outcome& outcome) {
    std::string reasons;
    for (const auto& [hook, count] : outcome.reasons)
        reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", count, hook);
    fmt::print(
        "{}: {} objects, {} of them run; of the programs {} run, {} want a target, {} have no hook "
        "here ({}), {} are refused\n",
        package, outcome.objects, outcome.running, outcome.programs[Fate::Runs],
        outcome.programs[Fate::Target], outcome.programs[Fate::NoHook], reasons,
        outcome.programs[Fate::Refused]);
    EXPECT_GT(outcome.running, 0);
    EXPECT_THAT(outcome.refused, ::testing::IsEmpty());
}

TEST(Foreign, ObjectsOfXdpTools) {
    NEEDS_KERNEL();
    const fs::path folder = "/usr/lib/x86_64-linux-gnu/bpf";
    if (!fs::exists(folder)) SKEP_SKIP("xdp-tools is not installed");
    const Wire wire;
    Outcome outcome;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() != ".o") continue;
        const std::string name = entry.path().filename();
        fmt::print("{}: {}\n", name, run_each(must(read_file(entry.path())), name, wire, outcome));
    }
    expect_good("xdp-tools", outcome);
}

/// BPF objects inside a program: skeletons keep them as one piece of read-only data.
std::vector<ByteView> embedded_objects(ByteView program) {
    std::vector<ByteView> found;
    for (size_t at = 4; at + sizeof(Elf64_Ehdr) <= program.size(); at++) {
        if (std::memcmp(program.data() + at, ELFMAG, SELFMAG) != 0) continue;
        const auto header = *skep::load<Elf64_Ehdr>(program, at);
        if (header.e_machine != EM_BPF || header.e_type != ET_REL) continue;
        const uint64_t size = header.e_shoff + uint64_t{header.e_shnum} * header.e_shentsize;
        if (const auto object = slice(program, at, size)) found.push_back(*object);
    }
    return found;
}

TEST(Foreign, ObjectsOfLibbpfTools) {
    NEEDS_KERNEL();
    const Output list = run_command("dpkg-query -L libbpf-tools");
    if (!list.good) SKEP_SKIP("libbpf-tools is not installed");
    const Wire wire;
    Outcome outcome;
    std::istringstream paths(list.text);
    for (std::string path; std::getline(paths, path);) {
        if (!path.starts_with("/usr/sbin/") || !fs::is_regular_file(path)) continue;
        const std::string name = fs::path(path).filename();
        const Bytes program = must(read_file(path));
        for (const ByteView object : embedded_objects(program))
            fmt::print("{}: {}\n", name, run_each(object, name, wire, outcome));
    }
    expect_good("libbpf-tools", outcome);
}

}  // namespace
}  // namespace skep::kernel_test
