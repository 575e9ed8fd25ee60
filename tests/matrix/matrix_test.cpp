// SPDX-License-Identifier: Apache-2.0
// One object, three places: each program runs on each packet of a capture in replay (a source),
// embedded (a test run in this process) and in the kernel (BPF_PROG_TEST_RUN). Verdicts, packets
// and what the maps hold afterwards must be the same. Prints the comparison:
//
//     PROGRAM       CAPTURE       PACKETS  VERDICTS                    CHANGED  MAPS  PLACES
//     goodbye_ping  ping.pcap          26  XDP_DROP 10, XDP_PASS 16          0     1  replay =
//     embedded = kernel
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/hex.hpp"
#include "base/table.hpp"
#include "hooks/packets/fate.hpp"
#include "packet/capture_reader.hpp"
#include "packet/link.hpp"
#include "runtime/backend.hpp"
#include "skep/skep.hpp"

namespace skep {
namespace {

struct Row {
    const char* object;
    const char* prog;
    const char* capture;
};
constexpr Row kRows[] = {
    {"goodbye_ping", "goodbye_ping", "ping.pcap"}, {"goodbye_ping", "goodbye_ping", "mixed.pcapng"},
    {"talkers", "count_talkers", "ping.pcap"},     {"talkers", "count_talkers", "mixed.pcapng"},
    {"dns_only", "dns_only", "ping.pcap"},         {"dns_only", "dns_only", "mixed.pcapng"},
    {"dispatch", "dispatch", "ping.pcap"},         {"dispatch", "dispatch", "mixed.pcapng"},
};

std::string example(const std::string& name) {
    const char* directory = std::getenv("SKEP_BINARY_DIR");
    return std::string(directory ? directory : ".") + "/examples/" + name;
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

/// Reception takes a VLAN tag out of the packet before a program on sk_buffs sees it, here too; the
/// kernel's test run leaves it in.
std::vector<Bytes> comparable(const std::vector<Bytes>& packets, const std::string& object) {
    if (object == "goodbye_ping" || object == "dispatch") return packets;  // XDP sees the wire
    std::vector<Bytes> untagged;
    for (const Bytes& packet : packets) {
        const auto type = load<uint16_t>(packet, offsetof(ethhdr, h_proto)).value_or(0);
        if (type != htons(ETH_P_8021Q) && type != htons(ETH_P_8021AD)) untagged.push_back(packet);
    }
    return untagged;
}

using Contents = std::map<std::string, std::map<std::string, std::string>>;

/// What all maps hold; copies of CPUs are added up where they are numbers, for the CPU that ran the
/// program is nobody's choice. Read-only data is left out: it holds format strings and the like.
Result<Contents> contents(const Object& object) {
    Contents all;
    for (const Map& map : object.maps()) {
        if (map.info().key_size == 0 || map.info().name.ends_with(".rodata")) continue;
        if (to_string(map.info().type) == "prog_array") continue;  // it holds ids
        auto& elements = all[map.info().name];
        for (const Element& one : SKEP_TRY(map.elements())) {
            std::string value = to_hex(one.value);
            if (map.per_cpu()) {
                uint64_t sum = 0;
                for (size_t at = 0; at + 8 <= one.value.size(); at += 8)
                    sum += load<uint64_t>(one.value, at).value_or(0);
                value = fmt::to_string(sum);
            }
            elements[to_hex(one.key)] = std::move(value);
        }
    }
    return all;
}

struct Answer {
    std::map<std::string, uint64_t> verdicts = {};
    std::vector<uint64_t> each = {};  ///< empty in replay, which counts only
    std::vector<Bytes> packets = {};
    Contents maps = {};
};

Result<Answer> by_test_runs(Place place, const Row& row, const std::vector<Bytes>& packets) {
    const Runtime runtime = SKEP_TRY(Runtime::open(place));
    const Object object = SKEP_TRY(
        runtime.load_file(example(std::string(row.object) + ".bpf.o"), {.progs = {row.prog}}));
    Program prog = SKEP_TRY(object.program(row.prog));
    Answer answer;
    const platform::ProgKind kind{prog.type(), prog.backend()->spec().attach_type, {}};
    for (const Bytes& packet : packets) {
        TestResult result = SKEP_TRY(prog.test_run({.data = packet}));
        answer.each.push_back(result.retval);
        answer.verdicts[hooks::verdict_text(kind, static_cast<int32_t>(result.retval),
                                            static_cast<uint32_t>(packet.size()))]++;
        answer.packets.push_back(std::move(result.data));
    }
    answer.maps = SKEP_TRY(contents(object));
    return answer;
}

Result<Answer> by_replay(const Row& row) {
    const Runtime runtime = SKEP_TRY(Runtime::open(Place::Embedded));
    const Object object = SKEP_TRY(
        runtime.load_file(example(std::string(row.object) + ".bpf.o"), {.progs = {row.prog}}));
    Source source = SKEP_TRY(Source::capture(runtime, example(row.capture)));
    Program prog = SKEP_TRY(object.program(row.prog));
    const Link link = SKEP_TRY(prog.attach({.source = &source}));
    SKEP_TRY(source.run());
    Answer answer;
    answer.verdicts = source.report().verdicts;
    answer.maps = SKEP_TRY(contents(object));
    return answer;
}

std::string text(const std::map<std::string, uint64_t>& verdicts) {
    std::string out;
    for (const auto& [name, count] : verdicts)
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, count);
    return out;
}

TEST(Matrix, ReplayEmbeddedAndKernelAgree) {
    Table table({"PROGRAM", "CAPTURE", ">PACKETS", "VERDICTS", ">CHANGED", ">MAPS", "PLACES"});
    const bool kernel = Runtime::open(Place::Kernel).has_value();
    for (const Row& row : kRows) {
        SCOPED_TRACE(fmt::format("{} on {}", row.prog, row.capture));
        const auto packets = frames(example(row.capture));
        ASSERT_TRUE(packets) << packets.error().to_string();
        ASSERT_FALSE(packets->empty());
        const auto embedded = by_test_runs(Place::Embedded, row, *packets);
        ASSERT_TRUE(embedded) << embedded.error().to_string();
        const auto replay = by_replay(row);
        ASSERT_TRUE(replay) << replay.error().to_string();
        EXPECT_EQ(text(replay->verdicts), text(embedded->verdicts));
        EXPECT_EQ(replay->maps, embedded->maps);
        bool same = replay->verdicts == embedded->verdicts && replay->maps == embedded->maps;
        if (kernel) {
            const auto asked = comparable(*packets, row.object);
            const auto here = by_test_runs(Place::Embedded, row, asked);
            const auto there = by_test_runs(Place::Kernel, row, asked);
            ASSERT_TRUE(here) << here.error().to_string();
            ASSERT_TRUE(there) << there.error().to_string();
            EXPECT_EQ(there->each, here->each);
            EXPECT_EQ(there->packets, here->packets);
            EXPECT_EQ(there->maps, here->maps);
            same = same && there->each == here->each && there->packets == here->packets &&
                   there->maps == here->maps;
        }
        size_t changed = 0;
        for (size_t i = 0; i < packets->size(); i++)
            changed += (*packets)[i] != embedded->packets[i];
        table.row({row.prog, row.capture, fmt::to_string(packets->size()), text(embedded->verdicts),
                   fmt::to_string(changed), fmt::to_string(embedded->maps.size()),
                   !same    ? "DIFFER"
                   : kernel ? "replay = embedded = kernel"
                            : "replay = embedded"});
    }
    fmt::print("{}", table.to_string());
    if (!kernel) fmt::print("SKIP: the kernel's column: no CAP_BPF\n");
}

}  // namespace
}  // namespace skep
