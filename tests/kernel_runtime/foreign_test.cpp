// SPDX-License-Identifier: Apache-2.0
#include <elf.h>
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/kernel_pace.hpp"
#include "kernel_runtime/sandbox.hpp"

// Other people's loaders on our objects (bpftool, iproute2), and skep on other people's objects:
// those of xdp-tools as files, those of libbpf-tools inside their programs. What is absent is
// skipped.

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

/// Loads each program of the object alone. Those that only this kernel keeps out (its message says
/// so) are counted apart.
struct Outcome {
    int loaded = 0;
    int kept_out = 0;
    int unsized = 0;  ///< the tool itself says how large a map is, and only then loads
    std::vector<std::string> failed;
};

void load_each(ByteView elf, const std::string& name, Outcome& outcome) {
    const auto opened = kernel::Object::open(elf, name, {.pin_root = bpffs()});
    if (!opened) {
        outcome.failed.push_back(opened.error().to_string());
        return;
    }
    const auto is_unsized = [](const object::MapSpec& map) {
        return map.type == MapType::StackTrace ? map.value_size == 0 || map.max_entries == 0
                                               : map.type == MapType::Hash && map.max_entries == 0;
    };
    if (std::ranges::any_of(opened->spec().maps, is_unsized)) {
        outcome.unsized++;
        return;
    }
    for (const object::ProgSpec& prog : opened->spec().progs) {
        pace_program_loads();
        const auto object =
            kernel::Object::load(elf, name, {.progs = {prog.name}, .pin_root = bpffs()});
        if (object)
            outcome.loaded++;
        else if (object.error().code == ErrorCode::Unsupported)
            outcome.kept_out++;
        else
            outcome.failed.push_back(object.error().to_string());
    }
}

TEST(Foreign, ObjectsOfXdpTools) {
    NEEDS_KERNEL();
    const fs::path folder = "/usr/lib/x86_64-linux-gnu/bpf";
    if (!fs::exists(folder)) SKEP_SKIP("xdp-tools is not installed");
    Outcome outcome;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".o")
            load_each(must(read_file(entry.path())), entry.path().filename(), outcome);
    fmt::print("xdp-tools: {} programs loaded, {} kept out by this kernel\n", outcome.loaded,
               outcome.kept_out);
    EXPECT_GT(outcome.loaded, 0);
    EXPECT_THAT(outcome.failed, ::testing::IsEmpty());
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
    Outcome outcome;
    int objects = 0;
    const Output list = run_command("dpkg-query -L libbpf-tools");
    if (!list.good) SKEP_SKIP("libbpf-tools is not installed");
    std::istringstream paths(list.text);
    for (std::string path; std::getline(paths, path);) {
        if (!path.starts_with("/usr/sbin/") || !fs::is_regular_file(path)) continue;
        const Bytes program = must(read_file(path));
        for (const ByteView object : embedded_objects(program)) {
            objects++;
            load_each(object, fs::path(path).filename(), outcome);
        }
    }
    fmt::print(
        "libbpf-tools: {} objects, {} programs loaded, {} kept out by this kernel; {} objects have "
        "maps that their tools size\n",
        objects, outcome.loaded, outcome.kept_out, outcome.unsized);
    EXPECT_GT(objects, 0);
    EXPECT_THAT(outcome.failed, ::testing::IsEmpty());
}

}  // namespace
}  // namespace skep::kernel_test
