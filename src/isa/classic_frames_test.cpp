// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <thread>

#include "base/testing.hpp"
#include "isa/classic_samples.hpp"
#include "isa/classic_text.hpp"
#include "isa/classic_to_ebpf.hpp"
#include "isa/socket_filter.hpp"

// As classic_kernel_test.cpp, on Ethernet frames: here packets have headers, a device and metadata.

namespace skep::isa {
namespace {

using namespace testing;

/// Two packet sockets on the loopback interface of a network namespace of this thread, one for
/// each kind of filter, and a third without one, which gets each packet last.
class Loopback {
  public:
    /// False where that takes privileges that are missing.
    bool open() {
        if (unshare(CLONE_NEWNET) != 0) return false;
        const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        strcpy(request.ifr_name, "lo");
        request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
        if (ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) return false;
        // Sockets are served in the reverse order of their binding.
        all_ = bind_socket(ETH_P_ALL);
        classic_ = bind_socket(ETH_P_ALL);
        ebpf_ = bind_socket(ETH_P_ALL);
        sender_ = bind_socket(0);
        const int mark = 0x12345;
        return all_ && classic_ && ebpf_ && sender_ &&
               setsockopt(sender_.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0;
    }

    int classic() const { return classic_.get(); }
    int ebpf() const { return ebpf_.get(); }

    /// How much of the packet each socket got, on its way out and on its way in.
    std::pair<std::vector<uint32_t>, std::vector<uint32_t>> pass(ByteView packet) {
        if (send(sender_.get(), packet.data(), packet.size(), 0) < 0) return {};
        for (size_t seen = 0; seen < 2; seen += lengths(all_.get()).size()) {
            pollfd ready{all_.get(), POLLIN, 0};
            if (poll(&ready, 1, 5000) != 1) break;
        }
        return {lengths(classic_.get()), lengths(ebpf_.get())};
    }

    void forget() {
        for (const UniqueFd* fd : {&all_, &classic_, &ebpf_}) lengths(fd->get());
    }

  private:
    static UniqueFd bind_socket(uint16_t protocol) {
        UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(protocol);
        address.sll_ifindex = static_cast<int>(if_nametoindex("lo"));
        if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            return {};
        const int on = 1;
        setsockopt(fd.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof on);
        return fd;
    }

    /// The captured length of every packet in the queue.
    static std::vector<uint32_t> lengths(int fd) {
        std::vector<uint32_t> result;
        for (;;) {
            uint8_t buffer[2048];
            alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(tpacket_auxdata))];
            iovec part{buffer, sizeof buffer};
            msghdr message{};
            message.msg_iov = &part;
            message.msg_iovlen = 1;
            message.msg_control = control;
            message.msg_controllen = sizeof control;
            if (recvmsg(fd, &message, 0) < 0) return result;
            for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
                if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
                tpacket_auxdata data;
                std::memcpy(&data, CMSG_DATA(c), sizeof data);
                result.push_back(data.tp_snaplen);
            }
        }
    }

    UniqueFd all_, classic_, ebpf_, sender_;
};

void put16(Bytes& packet, size_t offset, uint16_t value) {
    packet[offset] = static_cast<uint8_t>(value >> 8);
    packet[offset + 1] = static_cast<uint8_t>(value);
}

/// An Ethernet frame with what filters look at; nobody answers it (the addresses are reserved).
Bytes random_frame(Rng& rng) {
    static constexpr uint32_t kEtherTypes[] = {0x0800, 0x0800, 0x86dd, 0x0806, 0x8100, 0x88b5};
    static constexpr uint32_t kProtocols[] = {1, 6, 17, 47};
    static constexpr uint32_t kPorts[] = {22, 53, 80, 443, 8080};
    Bytes packet(kPacketSize);
    for (uint8_t& byte : packet) byte = static_cast<uint8_t>(rng());
    if (below(rng, 2)) std::fill_n(packet.begin(), 6, 0);
    auto type = static_cast<uint16_t>(pick(rng, kEtherTypes));
    size_t at = 12;
    put16(packet, at, type);
    if (type == 0x8100) {
        put16(packet, at + 2, static_cast<uint16_t>(0x2000 + below(rng, 4)));
        type = 0x0800;
        put16(packet, at += 4, type);
    }
    at += 2;
    if (type == 0x0800) {
        packet[at] = static_cast<uint8_t>(0x40 + 5 + below(rng, 3));
        put16(packet, at + 2, static_cast<uint16_t>(kPacketSize - at));
        put16(packet, at + 6, below(rng, 3) ? 0 : 0x2003);
        packet[at + 9] = static_cast<uint8_t>(pick(rng, kProtocols));
        std::copy_n("\xc0\x00\x02\x01\xc0\x00\x02\x02", 8, packet.begin() + long(at) + 12);
        at += static_cast<size_t>(packet[at] & 15) * 4;
    } else if (type == 0x86dd) {
        packet[at] = 0x60;
        packet[at + 6] = static_cast<uint8_t>(pick(rng, kProtocols));
        at += 40;
    }
    put16(packet, at, static_cast<uint16_t>(pick(rng, kPorts)));
    put16(packet, at + 2, static_cast<uint16_t>(pick(rng, kPorts)));
    return packet;
}

/// Filters of tcpdump, each ancillary load in each width, and random programs.
std::vector<std::vector<ClassicInsn>> interesting_filters(Rng& rng) {
    std::vector<std::vector<ClassicInsn>> filters;
    for (const char* expression :
         {"ip", "tcp port 80", "not arp", "udp and portrange 1-100", "host 192.0.2.1",
          "net 192.0.0.0/8 and icmp", "ip6 and tcp", "tcp[tcpflags] & tcp-syn != 0",
          "ip[2:2] - ((ip[0]&0xf)<<2) > 40", "vlan 1 and ip", "port 53 or (tcp and dst port 443)",
          "ether broadcast or ether dst 0:0:0:0:0:0", "len > 100", "udp[8:4] & 0xff = 0",
          "ip[8] / ip[1] > 3", "ip[8] % (ip[1] & 1) = 0"}) {
        filters.push_back(compile_filter(expression));
        EXPECT_FALSE(filters.back().empty()) << expression;
    }
    for (const uint32_t number : kSteadyAncillary) {
        for (const uint16_t code : {0x20, 0x28, 0x30}) {
            filters.push_back({{.code = 0x01, .k = 3}, {.code = code, .k = kSkfAdOff + number}});
            finish(filters.back());
        }
    }
    // "vlan" as tcpdump compiles it for a live interface: is there a tag, in the metadata or not?
    filters.push_back({{.code = 0x30, .k = kSkfAdOff + 48},
                       {.code = 0x15, .jt = 4, .k = 1},
                       {.code = 0x28, .k = 12},
                       {.code = 0x15, .jt = 2, .k = 0x8100},
                       {.code = 0x15, .jt = 1, .k = 0x88a8},
                       {.code = 0x06},
                       {.code = 0x06, .k = 262144}});
    while (filters.size() < 300) {
        auto program = random_program(rng);
        if (validate_classic(program)) filters.push_back(std::move(program));
    }
    return filters;
}

void compare_on(Loopback& loopback) {
    Rng rng(3);
    int passed = 0, dropped = 0, metadata = 0;
    for (const auto& program : interesting_filters(rng)) {
        const auto insns = classic_to_ebpf(program, {.hatype = ARPHRD_LOOPBACK});
        ASSERT_TRUE(insns) << insns.error().message;
        ASSERT_EQ(attach_classic(loopback.classic(), program), 0);
        ASSERT_TRUE(attach_ebpf(loopback.ebpf(), *insns));
        loopback.forget();
        for (int i = 0; i < 12; ++i) {
            const auto [expected, ours] = loopback.pass(random_frame(rng));
            ASSERT_EQ(ours, expected)
                << classic_text(program, ClassicStyle::Text) << listing(*insns);
            passed += static_cast<int>(expected.size());
            dropped += 2 - static_cast<int>(expected.size());
            metadata += expected.size() == 2 && expected[0] != expected[1];
        }
    }
    EXPECT_GT(passed, 1000);
    EXPECT_GT(dropped, 1000);
    // A packet's metadata differs on its way out and in: those loads were no constants.
    EXPECT_GT(metadata, 20);
}

TEST(ClassicKernel, TranslationsDoTheSameToFrames) {
    if (!may_load_ebpf()) SKEP_SKIP("loading eBPF needs privileges");
    bool opened = false;
    // The namespace lasts as long as the thread and its sockets.
    std::thread([&] {
        Loopback loopback;
        opened = loopback.open();
        if (opened) compare_on(loopback);
    }).join();
    if (!opened) SKEP_SKIP("network namespaces and packet sockets need privileges");
}

}  // namespace
}  // namespace skep::isa
