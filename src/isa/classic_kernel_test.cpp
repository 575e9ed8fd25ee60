// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "base/testing.hpp"
#include "isa/classic_samples.hpp"
#include "isa/classic_text.hpp"
#include "isa/classic_to_ebpf.hpp"
#include "isa/decode.hpp"
#include "isa/socket_filter.hpp"

// The kernel's own classic BPF is the oracle: what it accepts, and what a filter does to a packet.
// A filter and its translation hang on two sockets that get the same packets. Seeds are constant: a
// failure repeats.

namespace skep::isa {
namespace {

using namespace testing;

/// Two ends of a datagram socket; the filter hangs on the receiving one.
struct Pipe {
    UniqueFd sender, receiver;
    Pipe() {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) return;
        sender.reset(fds[0]);
        receiver.reset(fds[1]);
    }

    /// How many bytes of the packet come out; -1 where the filter dropped it.
    ssize_t pass(ByteView packet) const {
        if (send(sender.get(), packet.data(), packet.size(), 0) < 0) return -2;
        uint8_t buffer[kPacketSize];
        return recv(receiver.get(), buffer, sizeof buffer, 0);
    }
};

TEST(ClassicKernel, AcceptsWhatWeAccept) {
    Rng rng(1);
    const Pipe pipe;
    int accepted = 0, refused = 0;
    for (int round = 0; round < 20000; ++round) {
        std::vector<ClassicInsn> program = random_program(rng);
        // Half of them with one thing broken.
        ClassicInsn& victim = program[below(rng, static_cast<uint32_t>(program.size()))];
        switch (below(rng, 10)) {
            case 0: victim.code = static_cast<uint16_t>(below(rng, 0x110)); break;
            case 1: victim.k = static_cast<uint32_t>(rng()); break;
            case 2: victim.k = kSkfAdOff + below(rng, 70); break;
            case 3: victim.jt = static_cast<uint8_t>(below(rng, 40)); break;
            case 4: program.pop_back(); break;
            default: break;
        }
        const int error = attach_classic(pipe.receiver.get(), program);
        const auto ours = validate_classic(program);
        ASSERT_EQ(error == 0, ours.has_value())
            << (ours ? strerror(error) : ours.error().message) << "\n"
            << classic_text(program, ClassicStyle::Text);
        ASSERT_TRUE(error == 0 || error == EINVAL) << strerror(error);
        ++(error == 0 ? accepted : refused);
    }
    EXPECT_GT(accepted, 4000);
    EXPECT_GT(refused, 4000);
}

TEST(ClassicKernel, TranslationsDoTheSameToDatagrams) {
    if (!may_load_ebpf()) SKEP_SKIP("loading eBPF needs privileges");
    Rng rng(2);
    const Pipe classic, ebpf;
    int programs = 0, passed = 0, dropped = 0;
    while (programs < 1500) {
        const std::vector<ClassicInsn> program = random_program(rng);
        const auto insns = classic_to_ebpf(program);
        if (!insns) {
            ASSERT_FALSE(validate_classic(program)) << insns.error().message;
            continue;
        }
        ++programs;
        ASSERT_TRUE(validate(*insns));
        ASSERT_EQ(attach_classic(classic.receiver.get(), program), 0);
        ASSERT_TRUE(attach_ebpf(ebpf.receiver.get(), *insns));
        for (int i = 0; i < 6; ++i) {
            const Bytes packet = random_packet(rng);
            const ssize_t expected = classic.pass(packet);
            ASSERT_EQ(ebpf.pass(packet), expected)
                << classic_text(program, ClassicStyle::Text) << listing(*insns);
            ++(expected >= 0 ? passed : dropped);
        }
    }
    EXPECT_GT(passed, 1500);
    EXPECT_GT(dropped, 500);
}

/// Attributes one after the other, some with others inside, some with a length that lies.
Bytes attribute_packet(Rng& rng) {
    Bytes packet;
    while (packet.size() < kPacketSize - 4) {
        const size_t left = kPacketSize - packet.size();
        size_t length = 4 + below(rng, 24);
        if (below(rng, 4) == 0) length = left;  // holds all that follows
        if (below(rng, 16) == 0) length = below(rng, 4) + (below(rng, 2) ? left : 0);
        append(packet, static_cast<uint16_t>(length));
        append(packet, static_cast<uint16_t>(below(rng, 4) | below(rng, 4) << 14));
        const size_t payload = align_up(std::clamp<size_t>(length, 4, left), 4) - 4;
        if (length != left) packet.resize(packet.size() + payload);
    }
    packet.resize(kPacketSize);
    return packet;
}

TEST(ClassicKernel, FindsTheSameAttributes) {
    if (!may_load_ebpf()) SKEP_SKIP("loading eBPF needs privileges");
    Rng rng(4);
    const Pipe classic, ebpf;
    int found = 0, missed = 0;
    for (int round = 0; round < 60; ++round) {
        static constexpr uint32_t kStarts[] = {0,           0,       0, 4, 8, 64, kPacketSize - 4,
                                               kPacketSize, 1u << 31};
        std::vector<ClassicInsn> program = {
            {.code = 0x01, .k = below(rng, 4)},
            {.code = 0x00, .k = pick(rng, kStarts)},
            {.code = 0x20, .k = kSkfAdOff + (below(rng, 2) ? 12 : 16)},
        };
        finish(program);
        const auto insns = classic_to_ebpf(program);
        ASSERT_TRUE(insns);
        ASSERT_EQ(attach_classic(classic.receiver.get(), program), 0);
        ASSERT_TRUE(attach_ebpf(ebpf.receiver.get(), *insns));
        for (int i = 0; i < 40; ++i) {
            const Bytes packet = attribute_packet(rng);
            const ssize_t expected = classic.pass(packet);
            ASSERT_EQ(ebpf.pass(packet), expected) << classic_text(program, ClassicStyle::Text);
            ++(expected > 0 ? found : missed);
        }
    }
    EXPECT_GT(found, 200);
    EXPECT_GT(missed, 200);
}

// cpu and random differ from one packet to the next; what can be said of them is their range.
TEST(ClassicKernel, LoadsCpuAndRandom) {
    if (!may_load_ebpf()) SKEP_SKIP("loading eBPF needs privileges");
    const long cpus = sysconf(_SC_NPROCESSORS_CONF);
    const Pipe pipe;
    const Bytes packet(kPacketSize);
    const auto attach = [&](uint32_t number, bool hashed) {
        std::vector<ClassicInsn> program{{.code = 0x20, .k = kSkfAdOff + number}};
        if (hashed)
            finish(program);
        else
            program.insert(program.end(), {{.code = 0x04, .k = 1}, {.code = 0x16}});
        const auto insns = classic_to_ebpf(program);
        return insns && attach_ebpf(pipe.receiver.get(), *insns);
    };
    ASSERT_TRUE(attach(36, false));
    for (int i = 0; i < 20; ++i) {
        const ssize_t cpu = pipe.pass(packet) - 1;
        EXPECT_TRUE(cpu >= 0 && cpu < cpus) << cpu;
    }
    ASSERT_TRUE(attach(56, true));
    std::set<ssize_t> values;
    for (int i = 0; i < 100; ++i) values.insert(pipe.pass(packet));
    EXPECT_GT(values.size(), 50u);
}

}  // namespace
}  // namespace skep::isa
