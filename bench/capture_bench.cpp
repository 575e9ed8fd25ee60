// SPDX-License-Identifier: Apache-2.0
// How fast packets come out of a capture file that is in the page cache: our reader (mapped, and as
// a stream) and libpcap on the same files, alternating in one run. Each packet's length is added up
// and one of its bytes is looked at. The best of several rounds counts: what disturbs only slows.
#include <fcntl.h>
#include <fmt/core.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include "base/table.hpp"
#include "packet/capture_reader.hpp"
#include "packet/capture_writer.hpp"

namespace skep::packet {
namespace {

struct Seen {
    uint64_t packets = 0;
    uint64_t sum = 0;

    void add(const uint8_t* data, size_t size) {
        ++packets;
        sum += size;
        if (size > 0) sum += data[size / 2];
    }
    bool operator==(const Seen&) const = default;
};

[[noreturn]] void stop(const std::string& message) {
    fmt::print(stderr, "capture_bench: {}\n", message);
    std::exit(1);
}

template <typename T>
T expect(Result<T> result) {
    if (!result) stop(result.error().message);
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}

Seen scan(CaptureReader reader) {
    Seen seen;
    while (const auto packet = expect(reader.next())) {
        seen.add(packet->data.data(), packet->data.size());
    }
    return seen;
}

Seen scan_mapped(const std::string& path) {
    return scan(expect(CaptureReader::open(path)));
}

Seen scan_stream(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return scan(expect(CaptureReader::from_fd(std::move(fd), path)));
}

Seen scan_libpcap(const std::string& path) {
    char error[PCAP_ERRBUF_SIZE];
    pcap_t* capture = pcap_open_offline(path.c_str(), error);
    if (!capture) stop(error);
    Seen seen;
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    while (pcap_next_ex(capture, &header, &data) == 1) seen.add(data, header->caplen);
    pcap_close(capture);
    return seen;
}

void write_capture(const std::string& path, CaptureFormat format, size_t packets, size_t size) {
    auto writer = expect(CaptureWriter::create(path, format));
    expect(writer.add_interface({}));
    const Bytes data(size, 0x5a);
    for (size_t i = 0; i < packets; ++i) {
        expect(writer.write({.time_ns = 1'700'000'000'000'000'000 + i * 1000,
                             .data = data,
                             .length = static_cast<uint32_t>(size)}));
    }
    expect(writer.close());
}

double seconds(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void measure(Table& table, const std::string& path, const std::string& what, size_t packets) {
    constexpr int kRounds = 7;
    const std::function<Seen(const std::string&)> readers[] = {scan_libpcap, scan_mapped,
                                                               scan_stream};
    double best[3] = {1e9, 1e9, 1e9};
    for (int round = 0; round < kRounds; ++round) {
        Seen seen[3];
        for (int i = 0; i < 3; ++i) {
            best[i] = std::min(best[i], seconds([&] { seen[i] = readers[i](path); }));
        }
        if (seen[0] != seen[1] || seen[0] != seen[2] || seen[0].packets != packets) {
            stop(what + ": the readers disagree");
        }
    }
    const char* const names[] = {"libpcap", "skep, mapped", "skep, stream"};
    for (int i = 0; i < 3; ++i) {
        const double rate = static_cast<double>(packets) / best[i];
        table.row({what, names[i], fmt::format("{:.1f}", rate / 1e6),
                   fmt::format("{:.1f}", 1e9 / rate), fmt::format("{:.2f}", best[0] / best[i])});
    }
}

void run() {
    const std::string path =
        std::filesystem::temp_directory_path() / fmt::format("skep-capture-bench-{}", getpid());
    Table table({"FILE", "READER", ">M PACKETS/S", ">NS/PACKET", ">TIMES LIBPCAP"});
    for (const auto& [packets, size] :
         {std::pair<size_t, size_t>{2'000'000, 60}, {200'000, 1400}}) {
        for (const auto format : {CaptureFormat::Pcap, CaptureFormat::Pcapng}) {
            write_capture(path, format, packets, size);
            const char* name = format == CaptureFormat::Pcap ? "pcap" : "pcapng";
            measure(table, path, fmt::format("{}, {} bytes", name, size), packets);
            std::filesystem::remove(path);
        }
    }
    fmt::print("{}", table.to_string());
}

}  // namespace
}  // namespace skep::packet

int main() {
    skep::packet::run();
}
