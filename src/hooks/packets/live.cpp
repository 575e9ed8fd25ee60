// SPDX-License-Identifier: Apache-2.0
// Packets of an interface, through libpcap (an AF_PACKET ring). Only this file knows libpcap.
#include <fcntl.h>
#include <pcap/pcap.h>
#include <poll.h>

#include <algorithm>
#include <memory>

#include "hooks/packets/packet_source.hpp"
#include "packet/link_type.hpp"

namespace skep::hooks {

namespace {

constexpr uint64_t kPollNs = 100'000'000;  // how long a wish to stop may wait

struct Close {
    void operator()(pcap_t* capture) const { pcap_close(capture); }
};
using Capture = std::unique_ptr<pcap_t, Close>;

std::string interface_names() {
    char message[PCAP_ERRBUF_SIZE];
    pcap_if_t* all = nullptr;
    if (pcap_findalldevs(&all, message) != 0 || !all) return "there are none that you may open";
    std::string names;
    for (const pcap_if_t* one = all; one; one = one->next) {
        names += fmt::format("{}{}", names.empty() ? "" : ", ", one->name);
    }
    pcap_freealldevs(all);
    return "interfaces: " + names;
}

Error activation_error(pcap_t* capture, int status, const std::string& name) {
    const std::string said = pcap_geterr(capture);
    if (status == PCAP_ERROR_PERM_DENIED || status == PCAP_ERROR_PROMISC_PERM_DENIED) {
        return Error{ErrorCode::Unsupported,
                     fmt::format("cannot capture on interface {}: this takes CAP_NET_RAW", name),
                     "run as root, or replay a capture: skep run FILE --pcap IN"};
    }
    if (status == PCAP_ERROR_NO_SUCH_DEVICE) {
        return Error{ErrorCode::Usage, fmt::format("there is no interface {}", name),
                     interface_names()};
    }
    if (status == PCAP_ERROR_IFACE_NOT_UP) {
        return Error{ErrorCode::Failed, fmt::format("interface {} is not up", name),
                     fmt::format("ip link set {} up", name)};
    }
    return Error{ErrorCode::Failed,
                 fmt::format("cannot capture on interface {}: {}", name,
                             said.empty() ? pcap_statustostr(status) : said),
                 {}};
}

class LiveSource final : public PacketSource {
  public:
    static Result<LiveSource> open(const LiveOptions& options, bool ingress) {
        char message[PCAP_ERRBUF_SIZE];
        Capture capture(pcap_create(options.interface.c_str(), message));
        if (!capture) return fail(ErrorCode::Failed, "{}: {}", options.interface, message);
        pcap_t* raw = capture.get();
        pcap_set_snaplen(raw, static_cast<int>(options.snaplen));
        pcap_set_promisc(raw, options.promiscuous);
        pcap_set_immediate_mode(raw, 1);
        const bool nanoseconds = pcap_set_tstamp_precision(raw, PCAP_TSTAMP_PRECISION_NANO) == 0;
        if (const int status = pcap_activate(raw); status < 0) {
            return std::unexpected(activation_error(raw, status, options.interface));
        }
        if (pcap_setnonblock(raw, 1, message) != 0) {
            return fail(ErrorCode::Failed, "{}: {}", options.interface, message);
        }
        // Where a device cannot tell directions, programs see both.
        pcap_setdirection(raw, ingress ? PCAP_D_IN : PCAP_D_OUT);
        return LiveSource(std::move(capture), options, nanoseconds, ingress);
    }

    Result<std::optional<packet::Packet>> next(const RunOptions& options) override {
        for (;;) {
            pcap_pkthdr* header = nullptr;
            const u_char* data = nullptr;
            const int status = pcap_next_ex(capture_.get(), &header, &data);
            if (status == 1) return to_packet(*header, data);
            if (status != 0) return failed();
            const auto due = options.timers ? options.timers() : std::nullopt;
            if (options.stop && options.stop->load(std::memory_order_relaxed)) return std::nullopt;
            wait(std::min(due.value_or(kPollNs), kPollNs));
        }
    }

    const std::vector<packet::Interface>& interfaces() const override { return interfaces_; }
    packet::CaptureFormat format() const override { return packet::CaptureFormat::Pcapng; }

    uint64_t lost() const {
        pcap_stat counts = {};
        if (pcap_stats(capture_.get(), &counts) != 0) return 0;
        return uint64_t{counts.ps_drop} + counts.ps_ifdrop;
    }

  private:
    LiveSource(Capture capture, const LiveOptions& options, bool nanoseconds, bool ingress)
        : capture_(std::move(capture)), nanoseconds_(nanoseconds), ingress_(ingress) {
        interfaces_.push_back(
            {.link_type = packet::link_type_from_dlt(pcap_datalink(capture_.get())),
             .snaplen = options.snaplen,
             .name = options.interface});
    }

    void wait(uint64_t nanoseconds) const {
        pollfd ready{.fd = pcap_get_selectable_fd(capture_.get()), .events = POLLIN, .revents = 0};
        const timespec timeout{.tv_sec = 0, .tv_nsec = static_cast<long>(nanoseconds)};
        ppoll(&ready, 1, &timeout, nullptr);
    }

    std::unexpected<Error> failed() const {
        return fail(ErrorCode::Failed, "{}: {}", interfaces_[0].name, pcap_geterr(capture_.get()));
    }

    packet::Packet to_packet(const pcap_pkthdr& header, const u_char* data) const {
        const auto fraction = static_cast<uint64_t>(header.ts.tv_usec) * (nanoseconds_ ? 1 : 1000);
        return {.time_ns = static_cast<uint64_t>(header.ts.tv_sec) * 1'000'000'000 + fraction,
                .data = {data, header.caplen},
                .length = header.len,
                .link_type = interfaces_[0].link_type,
                .direction = ingress_ ? packet::Direction::In : packet::Direction::Out};
    }

    Capture capture_;
    bool nanoseconds_;
    bool ingress_;
    std::vector<packet::Interface> interfaces_;
};

}  // namespace

Result<void> run_live(PacketRunner& runner, const LiveOptions& live, const RunOptions& options,
                      const PacketSink& sink, PacketStats& stats) {
    LiveSource source = SKEP_TRY(LiveSource::open(live, runner.at_ingress()));
    const Result<void> done = run_packets(runner, source, options, sink, stats);
    stats.lost = source.lost();
    return done;
}

}  // namespace skep::hooks
