// SPDX-License-Identifier: Apache-2.0
#include "hooks/packets/packet_run.hpp"

#include <gmock/gmock.h>

#include <utility>

#include "base/hex.hpp"
#include "base/testing.hpp"
#include "engine/testing.hpp"
#include "packet/build.hpp"
#include "packet/capture_writer.hpp"
#include "platform/helpers.hpp"

namespace skep::hooks {
namespace {

using namespace packet;  // the layers
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kStart = 1'700'000'000'000'000'000;

std::optional<int32_t> helper_number(std::string_view name) {
    if (name.starts_with("bpf_")) name.remove_prefix(4);
    const auto* helper = platform::find_helper(name);
    if (!helper) return std::nullopt;
    return static_cast<int32_t>(helper->id);
}

/// A loaded program and a runner of it.
struct Loaded {
    ReplayClock clock;
    engine::Env env;
    std::unique_ptr<engine::Object> object;
    std::unique_ptr<engine::Execution> execution;
    std::optional<PacketRunner> runner;

    Loaded(ProgType type, std::string_view text, AttachType attach = AttachType::None,
           const std::vector<object::MapSpec>& maps = {}) {
        env.clock = clock.function();
        const auto assembly = isa::assemble(text, helper_number);
        EXPECT_TRUE(assembly) << (assembly ? "" : isa::render(assembly.error(), text, "test.s"));
        object::ProgSpec prog{.name = "test", .type = type, .attach_type = attach};
        prog.insns = assembly->insns;
        prog.subprogs = {{.name = "test", .insn = 0}};
        for (uint32_t i = 0; i < prog.insns.size(); ++i) {
            // "rN = 0x6d6170 ll" is the map.
            if (!prog.insns[i].is_wide() || prog.insns[i].imm != 0x6d6170) continue;
            prog.insns[i].src = isa::kPseudoMapFd;
            prog.insns[i].imm = 0;
            prog.references.push_back({object::Reference::Kind::Map, i, 0});
        }
        object::ObjectSpec spec{.name = "test", .license = "GPL"};
        spec.maps = maps;
        spec.progs.push_back(std::move(prog));
        auto loaded = engine::Object::load(spec, env);
        EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().to_string());
        object = *std::move(loaded);
        execution = *engine::Execution::create(env);
        auto made = PacketRunner::create(*object->find_prog("test"), *execution);
        EXPECT_TRUE(made);
        runner.emplace(*std::move(made));
    }

    PacketStats run(const std::string& in, RunOptions options = {}, const PacketSink& sink = {}) {
        PacketStats stats;
        CaptureReader reader = CaptureReader::open(in).value();
        options.clock = &clock;
        const auto done = run_capture(*runner, reader, options, sink, stats);
        EXPECT_TRUE(done) << (done ? "" : done.error().to_string());
        return stats;
    }
};

std::string write_capture(const testing::ScratchDir& dir, const std::vector<Bytes>& packets,
                          LinkType type = LinkType::Ethernet, uint32_t missing = 0,
                          uint64_t step_ns = 1) {
    const std::string path = dir.file("in.pcapng");
    auto writer = CaptureWriter::create(path, CaptureFormat::Pcapng).value();
    EXPECT_TRUE(writer.add_interface({.link_type = type, .name = "eth0"}));
    uint64_t time = kStart;
    for (const Bytes& packet : packets) {
        EXPECT_TRUE(writer.write({.time_ns = std::exchange(time, time + step_ns),
                                  .data = packet,
                                  .length = static_cast<uint32_t>(packet.size()) + missing,
                                  .link_type = type}));
    }
    EXPECT_TRUE(writer.close());
    return path;
}

struct Written {
    Bytes data;
    uint32_t length;
    std::string comment;
};

std::vector<Written> read_capture(const std::string& path) {
    CaptureReader reader = CaptureReader::open(path).value();
    std::vector<Written> all;
    while (const auto packet = reader.next().value()) {
        const auto comments = packet_comments(*packet);
        all.push_back({Bytes(packet->data.begin(), packet->data.end()), packet->length,
                       comments.empty() ? "" : std::string(comments[0])});
    }
    return all;
}

Bytes udp(uint16_t port) {
    return build_packet({Ethernet{}, Ipv4{}, Udp{.dst = port}, payload(20)});
}

Bytes icmp() {
    return build_packet({Ethernet{}, Ipv4{}, Icmp{}, payload(20)});
}

Bytes arp() {
    return build_packet({Ethernet{}, Arp{}});
}

// Drops ICMP, passes the rest.
constexpr std::string_view kDropIcmp = R"(
    r2 = *(u32 *)(r1 + 0)
    r3 = *(u32 *)(r1 + 4)
    r0 = 2
    r4 = r2
    r4 += 34
    if r4 > r3 goto out
    r4 = *(u8 *)(r2 + 23)
    if r4 != 1 goto out
    r0 = 1
out:
    exit
)";

TEST(PacketRun, CountsVerdictsAndWritesWhatPasses) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::Xdp, kDropIcmp);
    const std::string in = write_capture(dir, {udp(1), icmp(), arp(), icmp(), udp(2)});
    const std::string out = dir.file("out.pcapng");
    const PacketStats stats = prog.run(in, {.write = out});
    EXPECT_EQ(stats.packets, 5u);
    EXPECT_EQ(stats.events, 5u);
    EXPECT_THAT(stats.verdicts, ElementsAre(Pair("XDP_DROP", 2), Pair("XDP_PASS", 3)));
    EXPECT_EQ(stats.written, 3u);
    const auto written = read_capture(out);
    ASSERT_EQ(written.size(), 3u);
    EXPECT_EQ(written[0].data, udp(1));
    EXPECT_EQ(written[1].data, arp());
    EXPECT_EQ(written[2].data, udp(2));
}

TEST(PacketRun, TellsTheSinkOfEachPacket) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::Xdp, kDropIcmp);
    const std::string in = write_capture(dir, {udp(1), icmp()});
    std::vector<std::string> seen;
    prog.run(in, {}, [&](const PacketEvent& event) {
        seen.push_back(
            fmt::format("{} {} {}", event.number, event.packet.data.size(), event.verdict));
    });
    EXPECT_THAT(seen, ElementsAre("1 62 XDP_PASS", "2 62 XDP_DROP"));
}

TEST(PacketRun, TakesNoMoreThanAsked) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::Xdp, kDropIcmp);
    const std::string in = write_capture(dir, {udp(1), icmp(), udp(2)});
    EXPECT_EQ(prog.run(in, {.count = 2}).packets, 2u);
    std::atomic<bool> stop = true;
    EXPECT_EQ(prog.run(in, {.stop = &stop}).packets, 0u);
}

TEST(PacketRun, WritesPacketsAsProgramsLeaveThem) {
    const testing::ScratchDir dir;
    // Four zero bytes in front, and out of the interface that it came from.
    Loaded prog(ProgType::Xdp, R"(
        r2 = -4
        call bpf_xdp_adjust_head
        r0 = 3
        exit
    )");
    const std::string out = dir.file("out.pcapng");
    prog.run(write_capture(dir, {udp(1)}, LinkType::Ethernet, 100), {.write = out});
    const auto written = read_capture(out);
    ASSERT_EQ(written.size(), 1u);
    EXPECT_EQ(written[0].data.size(), udp(1).size() + 4);
    EXPECT_EQ(written[0].length, udp(1).size() + 104);  // what the capture lacks it still lacks
    EXPECT_EQ(written[0].comment, "XDP_TX");
}

TEST(PacketRun, SaysWhereRedirectsLead) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::SchedCls, R"(
        r6 = r1
        r2 = 5
        r3 = 0
        call bpf_clone_redirect
        r1 = 7
        r2 = 1
        call bpf_redirect
        exit
    )");
    const std::string out = dir.file("out.pcapng");
    const PacketStats stats = prog.run(write_capture(dir, {udp(1)}), {.write = out});
    EXPECT_THAT(stats.verdicts, ElementsAre(Pair("TC_ACT_REDIRECT", 1)));
    EXPECT_EQ(stats.redirects, 1u);
    EXPECT_EQ(stats.clones, 1u);
    const auto written = read_capture(out);
    ASSERT_EQ(written.size(), 2u);
    EXPECT_EQ(written[0].comment, "copy to interface 5");
    EXPECT_EQ(written[1].comment, "redirected to interface 7, as received there");
}

TEST(PacketRun, RedirectsByMaps) {
    const testing::ScratchDir dir;
    // The key is the last byte of the packet; XDP_PASS where the map has none.
    Loaded prog(ProgType::Xdp, R"(
        r2 = *(u32 *)(r1 + 0)
        r2 = *(u8 *)(r2 + 61)
        r1 = 0x6d6170 ll
        r3 = 2
        call bpf_redirect_map
        exit
    )",
                AttachType::None,
                {{.name = "ports",
                  .type = MapType::Devmap,
                  .key_size = 4,
                  .value_size = 4,
                  .max_entries = 64}});
    const uint32_t key = 19, ifindex = 7;
    ASSERT_EQ(prog.object->find_map("ports")->user_update(&key, &ifindex, 0), 0);
    Bytes other = udp(1);
    other[61] = 20;
    const std::string out = dir.file("out.pcapng");
    const PacketStats stats = prog.run(write_capture(dir, {udp(1), other}), {.write = out});
    EXPECT_THAT(stats.verdicts, ElementsAre(Pair("XDP_PASS", 1), Pair("XDP_REDIRECT", 1)));
    EXPECT_EQ(read_capture(out).at(0).comment,
              "redirected to interface 7, by key 19 of map 'ports'");
}

TEST(PacketRun, ShowsOtherLinkTypesAsEthernet) {
    const testing::ScratchDir dir;
    const Bytes ip = build_packet({Ipv4{}, Udp{}, payload(20)});
    const Bytes ping = build_packet({Ipv4{}, Icmp{}, payload(20)});
    Loaded prog(ProgType::Xdp, kDropIcmp);
    const std::string out = dir.file("out.pcapng");
    const PacketStats stats =
        prog.run(write_capture(dir, {ip, ping}, LinkType::Raw), {.write = out});
    EXPECT_THAT(stats.verdicts, ElementsAre(Pair("XDP_DROP", 1), Pair("XDP_PASS", 1)));
    const auto written = read_capture(out);
    ASSERT_EQ(written.size(), 1u);
    EXPECT_EQ(written[0].data, ip);
}

TEST(PacketRun, CountsWhatALinkTypeCannotHold) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::SchedCls, R"(
        r2 = 0x0081
        r3 = 7
        call bpf_skb_vlan_push
        r0 = 0
        exit
    )");
    const Bytes ip = build_packet({Ipv4{}, Udp{}, payload(20)});
    const PacketStats stats =
        prog.run(write_capture(dir, {ip, ip}, LinkType::Raw), {.write = dir.file("out.pcap")});
    EXPECT_EQ(stats.written, 0u);
    EXPECT_EQ(stats.unwritable, 2u);
    EXPECT_THAT(stats.first_unwritable, ::testing::HasSubstr("0x8100"));
}

TEST(PacketRun, KeepsTagsBesidePacketsOfTc) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::SchedCls, R"(
        r0 = *(u32 *)(r1 + 20)     // vlan_present
        r2 = *(u32 *)(r1 + 16)     // protocol
        if r2 == 8 goto out        // IPv4
        r0 = 2
    out:
        exit
    )");
    const Bytes tagged = build_packet({Ethernet{}, Vlan{.id = 9}, Ipv4{}, Udp{}});
    const std::string out = dir.file("out.pcapng");
    const PacketStats stats = prog.run(write_capture(dir, {tagged, udp(1)}), {.write = out});
    EXPECT_THAT(stats.verdicts, ElementsAre(Pair("TC_ACT_OK", 1), Pair("TC_ACT_RECLASSIFY", 1)));
    EXPECT_EQ(read_capture(out).at(0).data, tagged);
}

TEST(PacketRun, GivesSocketFiltersTheFrameAndCutsIt) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::SocketFilter, R"(
        r6 = r1
        r0 = *(u8 *)skb[23]
        if r0 == 17 goto udp
        r0 = 0
        exit
    udp:
        r0 = 20
        exit
    )");
    const std::string out = dir.file("out.pcapng");
    const PacketStats stats = prog.run(write_capture(dir, {udp(1), icmp()}), {.write = out});
    EXPECT_THAT(stats.verdicts, ElementsAre(Pair("DROP", 1), Pair("TRUNCATE", 1)));
    const auto written = read_capture(out);
    ASSERT_EQ(written.size(), 1u);
    EXPECT_EQ(written[0].data.size(), 20u);
}

TEST(PacketRun, GivesCgroupsIpPacketsOfTheirSockets) {
    const testing::ScratchDir dir;
    // Allows what goes to port 53 of a remote host; the packet begins with its IP header.
    constexpr std::string_view kPort = R"(
        r2 = *(u32 *)(r1 + 76)
        r3 = *(u32 *)(r1 + 80)
        r0 = 0
        r4 = r2
        r4 += 20
        if r4 > r3 goto out
        r4 = *(u8 *)(r2 + 0)
        if r4 != 0x45 goto out
        r4 = *(u32 *)(r1 + 132)    // remote_port
        if r4 != 0x35000000 goto out
        r0 = 1
    out:
        exit
    )";
    const std::string in = write_capture(dir, {udp(53), udp(54), arp()});
    // One at a time: an Execution holds a CPU.
    const auto run = [&](AttachType attach) {
        return Loaded(ProgType::CgroupSkb, kPort, attach).run(in);
    };
    const PacketStats stats = run(AttachType::CgroupInetEgress);
    EXPECT_THAT(stats.verdicts, ElementsAre(Pair("ALLOW", 1), Pair("DENY", 1)));
    EXPECT_THAT(stats.skipped, ElementsAre(Pair(Skipped::NotIp, 1)));
    EXPECT_THAT(run(AttachType::CgroupInetIngress).verdicts, ElementsAre(Pair("DENY", 2)));
}

TEST(PacketRun, SkipsWhatNoDriverWouldHandOn) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::Xdp, kDropIcmp);
    const PacketStats stats = prog.run(write_capture(dir, {Bytes(5), udp(1)}));
    EXPECT_EQ(stats.packets, 2u);
    EXPECT_EQ(stats.events, 1u);
    EXPECT_THAT(stats.skipped, ElementsAre(Pair(Skipped::TooShort, 1)));
    const PacketStats usb = prog.run(write_capture(dir, {Bytes(64)}, static_cast<LinkType>(220)));
    EXPECT_THAT(usb.skipped, ElementsAre(Pair(Skipped::LinkType, 1)));
}

TEST(PacketRun, CountsFaultsAndDropsTheirPackets) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::Xdp, R"(
        r2 = *(u32 *)(r1 + 0)
        r0 = *(u8 *)(r2 + 200)     // beyond the short one
        r0 = 2
        exit
    )");
    const std::string out = dir.file("out.pcapng");
    const Bytes longer = build_packet({Ethernet{}, Ipv4{}, Udp{}, payload(300)});
    const PacketStats stats = prog.run(write_capture(dir, {udp(1), longer}), {.write = out});
    EXPECT_EQ(stats.events, 2u);
    EXPECT_EQ(stats.faults, 1u);
    ASSERT_TRUE(stats.first_fault);
    EXPECT_EQ(stats.first_fault->insn, 1u);
    EXPECT_THAT(stats.verdicts, ElementsAre(Pair("XDP_PASS", 1)));
    EXPECT_EQ(stats.written, 1u);
}

TEST(PacketRun, ShowsTheTimeOfTheCapture) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::SchedCls, R"(
        call bpf_ktime_get_ns
        r1 = 1700000000000000001 ll
        r0 -= r1
        exit
    )");
    const PacketStats stats = prog.run(write_capture(dir, {udp(1), udp(1), udp(1)}));
    EXPECT_THAT(stats.verdicts, UnorderedElementsAre(Pair("TC_ACT_UNSPEC", 1), Pair("TC_ACT_OK", 1),
                                                     Pair("TC_ACT_RECLASSIFY", 1)));
}

// A timer of 3 ns that starts itself anew, with packets at 0, 10 and 20 ns.
TEST(PacketRun, TimersSeeTheTimeThatTheyAreDueAt) {
    const testing::ScratchDir dir;
    const std::string in = write_capture(dir, {udp(1), udp(2), udp(3)}, LinkType::Ethernet, 0, 10);
    Loaded prog(ProgType::Xdp, kDropIcmp);
    uint64_t due = kStart + 3;
    std::vector<uint64_t> ran;
    const auto timers = [&]() -> std::optional<uint64_t> {
        const uint64_t now = prog.clock.now(engine::Clock::Monotonic);
        if (now >= due) {
            ran.push_back(now - kStart);
            due = now + 3;
        }
        return due - now;
    };
    prog.run(in, {.timers = timers});
    EXPECT_THAT(ran, ElementsAre(3, 6, 9, 12, 15, 18));
}

TEST(PacketRun, TimersThatNeverRestDoNotStopTime) {
    const testing::ScratchDir dir;
    const std::string in =
        write_capture(dir, {udp(1), udp(2)}, LinkType::Ethernet, 0, 3'600'000'000'000);
    Loaded prog(ProgType::Xdp, kDropIcmp);
    const PacketStats stats = prog.run(in, {.timers = [] { return std::optional<uint64_t>(1); }});
    EXPECT_EQ(stats.events, 2u);
}

TEST(PacketRun, CountsTruncatedPacketsAndTellsTheirLength) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::SchedCls, R"(
        r0 = *(u32 *)(r1 + 160)     // wire_len
        r1 = *(u32 *)(r1 + 0)
        r0 -= r1                    // 100 are missing; tc at ingress leaves 14 out
        r0 -= 85
        exit
    )");
    const PacketStats stats = prog.run(write_capture(dir, {udp(1)}, LinkType::Ethernet, 100));
    EXPECT_EQ(stats.truncated, 1u);
    EXPECT_THAT(stats.verdicts, ElementsAre(Pair("TC_ACT_RECLASSIFY", 1)));
}

TEST(PacketRun, ReportsADamagedCaptureAfterItsPackets) {
    const testing::ScratchDir dir;
    Loaded prog(ProgType::Xdp, kDropIcmp);
    Bytes bytes = read_file(write_capture(dir, {udp(1), udp(2)})).value();
    bytes.resize(bytes.size() - 10);
    CaptureReader reader = CaptureReader::from_bytes(bytes, "cut").value();
    PacketStats stats;
    const auto done = run_capture(*prog.runner, reader, {}, {}, stats);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::Malformed);
    EXPECT_EQ(stats.packets, 1u);
}

TEST(PacketRunner, IsForProgramsOfPackets) {
    const engine::Env env;
    const auto object =
        engine::Object::load(engine::object_of("r0 = 0\nexit", ProgType::Kprobe), env);
    ASSERT_TRUE(object);
    const auto execution = engine::Execution::create(env);
    const auto runner = PacketRunner::create(*(*object)->find_prog("test"), **execution);
    ASSERT_FALSE(runner);
    EXPECT_EQ(runner.error().code, ErrorCode::Unsupported);
}

}  // namespace
}  // namespace skep::hooks
