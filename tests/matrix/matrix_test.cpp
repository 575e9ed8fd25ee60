// SPDX-License-Identifier: Apache-2.0
// One object, three places: each program of examples/ and of the tests' own objects runs on each
// packet of a capture in replay (a source), embedded (a test run in this process) and in the kernel
// (BPF_PROG_TEST_RUN); programs on contexts (syscall, raw_tp) in the latter two. Verdicts, packets
// and what the maps hold afterwards must be the same, and so must be what is refused. Prints the
// comparison:
//
//     PROGRAM                    INPUT      RUNS  VERDICTS                    CHANGED  MAPS  PLACES
//     goodbye_ping/goodbye_ping  ping.pcap    26  XDP_DROP 10, XDP_PASS 16          0     1  replay
//     = embedded = kernel
//
// Programs that wait for system calls are in tasks_matrix_test.cpp.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/hex.hpp"
#include "base/kernel_pace.hpp"
#include "base/table.hpp"
#include "base/testing.hpp"
#include "hooks/packets/fate.hpp"
#include "matrix/contents.hpp"
#include "object/read.hpp"
#include "packet/capture_reader.hpp"
#include "packet/link.hpp"
#include "platform/embedded.hpp"
#include "runtime/backend.hpp"

namespace skep {
namespace {

namespace fs = std::filesystem;

/// Folders of the build tree whose programs are run: all of examples/, and those of the tests.
constexpr const char* kFolders[] = {"examples",      "examples/bugs",
                                    "tests/runtime", "tests/kernel_runtime",
                                    "tests/objects", "tests/verifier/common"};

/// Programs that are not compared, by OBJECT/PROGRAM or OBJECT/.
constexpr struct {
    std::string_view name, reason;
} kNotCompared[] = {
    {"net/tc_pace", "reads the clock"},
    {"too_complex/", "needs chance, and millions of instructions"},
    {"license/good", "returns the CPU"},
    {"killed/", "pins its map"},
    {"conntrack/known", "calls functions of the kernel that this process does not have"},
    {"link/first", "asks for the interface, which only a capture names"},
    {"maps/first", "its object has a map that libbpf 1.1 cannot read"},
    {"maps/second", "the same"},
};

std::string_view not_compared(std::string_view name) {
    for (const auto& row : kNotCompared)
        if (name == row.name || (row.name.ends_with('/') && name.starts_with(row.name)))
            return row.reason;
    return {};
}

struct Row {
    std::string path;  ///< of the object
    std::string prog;
    ProgType type{};
    std::string capture = {};  ///< empty: runs on contexts

    std::string name() const { return fs::path(path).stem().stem().string() + '/' + prog; }
    bool on_packets() const { return !capture.empty(); }
};

std::string built(const std::string& name) {
    return (testing::binary_dir() / name).string();
}

/// Every program of the folders that both places can run without an event.
std::vector<Row> find_rows() {
    std::vector<Row> rows;
    for (const char* folder : kFolders) {
        std::vector<std::string> paths;
        for (const auto& entry : fs::directory_iterator(built(folder)))
            if (entry.path().string().ends_with(".bpf.o")) paths.push_back(entry.path());
        std::ranges::sort(paths);
        for (const std::string& path : paths) {
            const auto bytes = read_file(path);
            if (!bytes) continue;
            const auto spec = object::read_object(*bytes, path);
            if (!spec) continue;
            for (const object::ProgSpec& prog : spec->progs) {
                if (platform::embedded_hook(prog.type) == platform::HookKind::Packet)
                    for (const char* capture : {"ping.pcap", "mixed.pcapng"})
                        rows.push_back({path, prog.name, prog.type, capture});
                if (prog.type == ProgType::Syscall || prog.type == ProgType::RawTracepoint)
                    rows.push_back({path, prog.name, prog.type});
            }
        }
    }
    return rows;
}

/// The packets as Ethernet frames, which is how all places show them.
Result<std::vector<Bytes>> frames(const std::string& path) {
    std::vector<Bytes> all;
    auto reader = SKEP_TRY(packet::CaptureReader::open(path));
    while (const auto packet = SKEP_TRY(reader.next())) {
        const auto view = packet::ethernet_view(packet->link_type, packet->data);
        if (!view) continue;
        Bytes frame;
        append(frame, view->head());
        append(frame, view->rest);
        all.push_back(std::move(frame));
    }
    return all;
}

bool tagged(const Bytes& packet) {
    const auto type = load<uint16_t>(packet, offsetof(ethhdr, h_proto)).value_or(0);
    return type == htons(ETH_P_8021Q) || type == htons(ETH_P_8021AD);
}

/// Reception takes a VLAN tag out of the packet before a program on sk_buffs sees it, here too; the
/// kernel's test run leaves it in. And it gives programs of control groups what is not IP, which
/// their hooks never see.
std::vector<Bytes> comparable(const std::vector<Bytes>& packets, ProgType type) {
    if (type == ProgType::Xdp) return packets;  // which sees the wire
    std::vector<Bytes> some;
    for (const Bytes& packet : packets) {
        const auto ethertype = load<uint16_t>(packet, offsetof(ethhdr, h_proto)).value_or(0);
        const bool ip = ethertype == htons(ETH_P_IP) || ethertype == htons(ETH_P_IPV6);
        if (!tagged(packet) && (ip || type != ProgType::CgroupSkb)) some.push_back(packet);
    }
    return some;
}

/// Of the packet, as the program sees it.
uint32_t seen_length(const Bytes& packet, ProgType type) {
    const size_t length = packet.size();
    if (type == ProgType::CgroupSkb) return static_cast<uint32_t>(length - sizeof(ethhdr));
    return static_cast<uint32_t>(type != ProgType::Xdp && tagged(packet) ? length - 4 : length);
}

/// What syscall programs get, and, as arguments, raw tracepoints.
std::vector<Bytes> contexts(ProgType type) {
    std::vector<Bytes> all;
    for (uint64_t i = 0; i < 4; i++) {
        Bytes context;
        for (uint64_t at = 0; at < (type == ProgType::Syscall ? 128u : 5u); at++)
            append(context, bytes_of(i << 32 | at * i));
        all.push_back(std::move(context));
    }
    return all;
}

struct Answer {
    std::string refused = {};  ///< why it was not loaded
    std::map<std::string, uint64_t> verdicts = {};
    std::vector<uint64_t> each = {};  ///< empty in replay, which counts only
    std::vector<Bytes> out = {};      ///< packets or contexts as the program has left them
    test::Contents maps = {};

    bool operator==(const Answer& other) const {
        return refused.empty() == other.refused.empty() && verdicts == other.verdicts &&
               each == other.each && out == other.out && maps == other.maps;
    }
};

Result<Answer> by_test_runs(Place place, const Row& row, const std::vector<Bytes>& inputs) {
    const Runtime runtime = SKEP_TRY(Runtime::open(place));
    const auto object = runtime.load_file(row.path, {.progs = {row.prog}});
    if (!object) return Answer{.refused = object.error().to_string()};
    Program prog = SKEP_TRY(object->program(row.prog));
    Answer answer;
    const platform::ProgKind kind{prog.type(), prog.backend()->spec().attach_type, {}};
    for (const Bytes& input : inputs) {
        const TestRun run = row.on_packets() ? TestRun{.data = input} : TestRun{.ctx = input};
        auto result = prog.test_run(run);
        if (!result && result.error().sys_errno == EINVAL) {  // a frame that such programs miss
            answer.verdicts["not run"]++;
            answer.each.push_back(~uint64_t{0});
            answer.out.emplace_back();
            continue;
        }
        SKEP_TRY(result);
        const auto retval = static_cast<uint32_t>(result->retval);
        answer.each.push_back(retval);
        answer.verdicts[row.on_packets() ? hooks::verdict_text(kind, static_cast<int32_t>(retval),
                                                               seen_length(input, row.type))
                                         : fmt::to_string(static_cast<int32_t>(retval))]++;
        answer.out.push_back(row.on_packets()                ? std::move(result->data)
                             : row.type == ProgType::Syscall ? std::move(result->ctx)
                                                             : Bytes());
    }
    answer.maps = SKEP_TRY(test::contents(*object));
    return answer;
}

Result<Answer> by_replay(const Row& row) {
    const Runtime runtime = SKEP_TRY(Runtime::open(Place::Embedded));
    const auto object = runtime.load_file(row.path, {.progs = {row.prog}});
    if (!object) return Answer{.refused = object.error().to_string()};
    Source source = SKEP_TRY(Source::capture(runtime, built("examples/" + row.capture)));
    Program prog = SKEP_TRY(object->program(row.prog));
    const Link link = SKEP_TRY(prog.attach({.source = &source}));
    SKEP_TRY(source.run());
    Answer answer;
    answer.verdicts = source.report().verdicts;
    answer.maps = SKEP_TRY(test::contents(*object));
    return answer;
}

std::string text(const std::map<std::string, uint64_t>& verdicts) {
    std::string out;
    for (const auto& [name, count] : verdicts)
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, count);
    return out;
}

/// Where two places differ, for the failure's message.
std::string difference(const Answer& a, const Answer& b) {
    if (a.refused.empty() != b.refused.empty())
        return "only one refuses it: " + a.refused + b.refused;
    if (a.verdicts != b.verdicts) return text(a.verdicts) + " / " + text(b.verdicts);
    for (size_t i = 0; i < std::min(a.each.size(), b.each.size()); i++) {
        if (a.each[i] != b.each[i]) return fmt::format("run {}: {} / {}", i, a.each[i], b.each[i]);
        if (a.out[i] != b.out[i])
            return fmt::format("run {}:\n{}\n{}", i, to_hex(a.out[i]), to_hex(b.out[i]));
    }
    return fmt::format("maps: {} / {}", ::testing::PrintToString(a.maps),
                       ::testing::PrintToString(b.maps));
}

/// One line of the table.
void compare(const Row& row, bool kernel, Table& table) {
    std::vector<Bytes> inputs;
    if (row.on_packets()) {
        auto packets = frames(built("examples/" + row.capture));
        ASSERT_TRUE(packets) << packets.error().to_string();
        inputs = std::move(*packets);
    } else {
        inputs = contexts(row.type);
    }
    ASSERT_FALSE(inputs.empty());
    const std::string input = row.on_packets() ? row.capture : "contexts";
    if (const auto reason = not_compared(row.name()); !reason.empty()) {
        table.row({row.name(), input, "-", "-", "-", "-", fmt::format("not compared: {}", reason)});
        return;
    }
    const auto embedded = by_test_runs(Place::Embedded, row, inputs);
    ASSERT_TRUE(embedded) << embedded.error().to_string();
    bool same = true;
    const auto agree = [&](const Answer& one, const Answer& other) {
        same = same && one == other;
        EXPECT_TRUE(one == other) << difference(one, other);
    };
    std::string places = "embedded";
    if (row.on_packets()) {
        auto replay = by_replay(row);
        ASSERT_TRUE(replay) << replay.error().to_string();
        Answer counted = *embedded;
        counted.verdicts.erase("not run");  // a source leaves those out
        counted.each.clear();
        counted.out.clear();
        agree(*replay, counted);
        places = "replay = embedded";
    }
    if (kernel) {
        const auto asked = row.on_packets() ? comparable(inputs, row.type) : inputs;
        const auto here = by_test_runs(Place::Embedded, row, asked);
        ASSERT_TRUE(here) << here.error().to_string();
        pace_program_loads();
        const auto there = by_test_runs(Place::Kernel, row, asked);
        ASSERT_TRUE(there) << there.error().to_string();
        agree(*here, *there);
        places += " = kernel";
    }
    size_t changed = 0;
    for (size_t i = 0; i < embedded->out.size(); i++)
        changed += !embedded->out[i].empty() && inputs[i] != embedded->out[i];
    table.row({row.name(), input, fmt::to_string(embedded->each.size()),
               embedded->refused.empty() ? text(embedded->verdicts) : "refused",
               fmt::to_string(changed), fmt::to_string(embedded->maps.size()),
               same ? places : "DIFFER"});
}

TEST(Matrix, ReplayEmbeddedAndKernelAgree) {
    Table table({"PROGRAM", "INPUT", ">RUNS", "VERDICTS", ">CHANGED", ">MAPS", "PLACES"});
    const bool kernel = Runtime::open(Place::Kernel).has_value();
    if (kernel) (void)unshare(CLONE_NEWNET);  // what is sent off reaches nobody
    const std::vector<Row> rows = find_rows();
    EXPECT_GT(rows.size(), 50u);
    for (const Row& row : rows) {
        SCOPED_TRACE(fmt::format("{} on {}", row.name(), row.capture));
        compare(row, kernel, table);
    }
    fmt::print("{}", table.to_string());
    if (!kernel) fmt::print("SKIP: the kernel's column: no CAP_BPF\n");
}

}  // namespace
}  // namespace skep
