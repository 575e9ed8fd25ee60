// SPDX-License-Identifier: Apache-2.0
// Packets a second from a capture file in the page cache, through a filter for DNS over IPv4: an
// XDP program in the interpreter with run-time checks and (verified) without, the same test
// compiled natively, and libpcap reading the file and running its own compiled filter. In turns in
// one process, in CPU time; the best of several rounds counts.
#include <fmt/core.h>
#include <pcap/pcap.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/table.hpp"
#include "engine/object.hpp"
#include "hooks/packets/packet_run.hpp"
#include "isa/assemble.hpp"
#include "packet/build.hpp"
#include "packet/capture_writer.hpp"

namespace skep::hooks {
namespace {

constexpr size_t kPackets = 500'000;
constexpr int kRounds = 5;

// Ethernet, IPv4 without options, no fragment, UDP, to port 53.
constexpr std::string_view kFilter = R"(
    r2 = *(u32 *)(r1 + 0)
    r3 = *(u32 *)(r1 + 4)
    r0 = 1
    r4 = r2
    r4 += 42
    if r4 > r3 goto out
    r4 = *(u16 *)(r2 + 12)
    if r4 != 8 goto out
    r4 = *(u8 *)(r2 + 14)
    if r4 != 0x45 goto out
    r4 = *(u8 *)(r2 + 23)
    if r4 != 17 goto out
    r4 = *(u16 *)(r2 + 20)
    r4 = be16 r4
    r4 &= 0x1fff
    if r4 != 0 goto out
    r4 = *(u16 *)(r2 + 36)
    if r4 != 0x3500 goto out
    r0 = 2
out:
    exit
)";
constexpr const char* kPcapFilter = "udp dst port 53";

bool native_filter(ByteView p) {
    return p.size() >= 42 && p[12] == 8 && p[13] == 0 && p[14] == 0x45 && p[23] == 17 &&
           ((p[20] & 0x1f) | p[21]) == 0 && p[36] == 0 && p[37] == 53;
}

[[noreturn]] void stop(const std::string& message) {
    fmt::print(stderr, "packets_bench: {}\n", message);
    std::exit(1);
}

template <typename T>
T expect(Result<T> result) {
    if (!result) stop(result.error().message);
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// One in four is what the filter is for.
void write_capture(const std::string& path) {
    using namespace packet;
    const std::array<Bytes, 4> packets = {
        build_packet({Ethernet{}, Ipv4{}, Udp{.dst = 53}, payload(40)}),
        build_packet({Ethernet{}, Ipv4{}, Tcp{.dst = 443}, payload(200)}),
        build_packet({Ethernet{}, Ipv6{}, Udp{.dst = 443}, payload(100)}),
        build_packet({Ethernet{}, Ipv4{}, Udp{.dst = 443}, payload(60)})};
    auto writer = expect(CaptureWriter::create(path, CaptureFormat::Pcap));
    expect(writer.add_interface({}));
    for (size_t i = 0; i < kPackets; ++i) {
        const Bytes& data = packets[i % packets.size()];
        expect(writer.write({.time_ns = 1'700'000'000'000'000'000 + i,
                             .data = data,
                             .length = static_cast<uint32_t>(data.size())}));
    }
    expect(writer.close());
}

struct Engine {
    engine::Env env;
    std::unique_ptr<engine::Object> object;
    std::unique_ptr<engine::Execution> execution;
    std::optional<PacketRunner> runner;

    explicit Engine(bool checked) {
        const auto assembly = isa::assemble(kFilter);
        if (!assembly) stop(isa::render(assembly.error(), kFilter, "filter"));
        object::ProgSpec prog{.name = "filter", .type = ProgType::Xdp, .insns = assembly->insns};
        prog.subprogs = {{.name = "filter", .insn = 0}};
        object::ObjectSpec spec{.name = "filter", .license = "GPL"};
        spec.progs.push_back(std::move(prog));
        object = expect(engine::Object::load(spec, env, {.checked = checked}));
        execution = expect(engine::Execution::create(env));
        runner.emplace(expect(PacketRunner::create(*object->find_prog("filter"), *execution)));
    }

    PacketStats scan(const std::string& path, const RunOptions& options = {}) {
        auto reader = expect(packet::CaptureReader::open(path));
        PacketStats stats;
        expect(run_capture(*runner, reader, options, {}, stats));
        return stats;
    }
};

uint64_t scan_native(const std::string& path) {
    auto reader = expect(packet::CaptureReader::open(path));
    uint64_t passed = 0;
    while (const auto packet = expect(reader.next())) passed += native_filter(packet->data);
    return passed;
}

uint64_t scan_libpcap(const std::string& path) {
    char error[PCAP_ERRBUF_SIZE];
    pcap_t* capture = pcap_open_offline(path.c_str(), error);
    if (!capture) stop(error);
    bpf_program filter = {};
    if (pcap_compile(capture, &filter, kPcapFilter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        stop(pcap_geterr(capture));
    }
    uint64_t passed = 0;
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    while (pcap_next_ex(capture, &header, &data) == 1) {
        passed += pcap_offline_filter(&filter, header, data) != 0;
    }
    pcap_freecode(&filter);
    pcap_close(capture);
    return passed;
}

double seconds(const std::function<void()>& work) {
    const auto now = [] {
        timespec time = {};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
    };
    const double begin = now();
    work();
    return now() - begin;
}

void run() {
    const auto directory = std::filesystem::temp_directory_path();
    const std::string in = (directory / "skep-packets-bench.pcap").string();
    const std::string out = (directory / "skep-packets-bench-out.pcap").string();
    write_capture(in);

    Engine checked(true), verified(false);
    if (!verified.object->progs()[0]->runs_unchecked()) stop("the filter is not verified");
    std::array<double, 2> ns_in_program = {1e9, 1e9};
    const auto count_passed = [&](size_t mode, const PacketStats& stats) {
        ns_in_program[mode] = std::min(ns_in_program[mode], stats.ns_per_event());
        return stats.verdicts.at("XDP_PASS");
    };
    const std::array<std::pair<const char*, std::function<uint64_t()>>, 5> ways = {
        {{"libpcap: read and filter", [&] { return scan_libpcap(in); }},
         {"skep: read, native filter", [&] { return scan_native(in); }},
         {"skep: read, XDP checked", [&] { return count_passed(0, checked.scan(in)); }},
         {"skep: read, XDP verified", [&] { return count_passed(1, verified.scan(in)); }},
         {"the same, and write what passes",
          [&] { return count_passed(1, verified.scan(in, {.write = out})); }}}};
    std::array<double, 5> best;
    best.fill(1e9);
    for (int round = 0; round < kRounds; ++round) {
        for (size_t i = 0; i < ways.size(); ++i) {
            uint64_t passed = 0;
            best[i] = std::min(best[i], seconds([&] { passed = ways[i].second(); }));
            if (passed != kPackets / 4) stop(fmt::format("{}: {} pass", ways[i].first, passed));
        }
    }
    std::filesystem::remove(in);
    std::filesystem::remove(out);

    Table table({"HOW", ">M PACKETS/S", ">NS/PACKET", ">TIMES LIBPCAP"});
    for (size_t i = 0; i < ways.size(); ++i) {
        table.row({ways[i].first, fmt::format("{:.2f}", kPackets / best[i] / 1e6),
                   fmt::format("{:.1f}", best[i] / kPackets * 1e9),
                   fmt::format("{:.2f}", best[0] / best[i])});
    }
    fmt::print(
        "{}in the program alone, by the wall clock: {:.1f} ns a packet checked, {:.1f} verified\n",
        table.to_string(), ns_in_program[0], ns_in_program[1]);
}

}  // namespace
}  // namespace skep::hooks

int main() {
    skep::hooks::run();
}
