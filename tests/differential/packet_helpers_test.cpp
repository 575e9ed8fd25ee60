// SPDX-License-Identifier: Apache-2.0
// Random programs on random packets, here and in the kernel: the same verdict, the same packet, and
// the same context afterwards.
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/hex.hpp"
#include "differential/packet_kernel.hpp"
#include "differential/packet_steps.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/packet/protocol.hpp"
#include "engine/testing.hpp"
#include "kernel/kernel_probe.hpp"

namespace skep::kernel_test {
namespace {

using engine::PacketBuffer;

// Few enough that all programs of a run can wait to be freed at once: Linux 6.18 frees them on a
// queue that takes 1,024 pieces of work a CPU, and can stop for good when that is full of them.
constexpr int kRounds = 200;
#ifndef BPF_F_TEST_SKB_CHECKSUM_COMPLETE
constexpr uint32_t BPF_F_TEST_SKB_CHECKSUM_COMPLETE = 1u << 2;
#endif

uint32_t seed() {
    const char* text = std::getenv("SKEP_TEST_SEED");
    return text ? static_cast<uint32_t>(std::strtoul(text, nullptr, 0)) : 1;
}

object::ObjectSpec object_of(const platform::ProgKind& kind, const StepProgram& program) {
    object::ProgSpec prog{.name = "test", .type = kind.type, .attach_type = kind.attach};
    prog.insns = program.insns;
    prog.subprogs = {{.name = "test", .insn = 0}};
    object::ObjectSpec spec{.name = "test", .license = "GPL"};
    spec.progs.push_back(std::move(prog));
    return spec;
}

/// One place's answer.
struct Answer {
    uint32_t retval = 0;
    Bytes data = {};
    __sk_buff skb = {};
    xdp_md xdp = {};
};

class PacketHelpers : public testing::TestWithParam<platform::ProgKind> {
  protected:
    void SetUp() override {
        if (const auto why = why_not_comparable()) GTEST_SKIP() << *why;
        static const auto alone = enter_own_network();
        if (alone) GTEST_SKIP() << *alone;
    }

    bool is_xdp() const { return kind_.type == ProgType::Xdp; }
    bool from_network() const { return !is_xdp() && kind_.type != ProgType::SchedCls; }

    void random_context(Random& random, const Bytes& frame);
    std::optional<Answer> in_kernel(const StepProgram& program, const Bytes& frame);
    std::optional<Answer> here(const StepProgram& program, const Bytes& frame);
    engine::SkbInfo skb_info(const Bytes& frame) const;
    void compare(const Answer& kernel, const Answer& engine) const;

    platform::ProgKind kind_ = GetParam();
    Answer in_ = {};  // the contexts that go in
    Bytes metadata_;  // of xdp
    bool sum_known_ = false;
};

void PacketHelpers::random_context(Random& random, const Bytes& frame) {
    in_ = {};
    sum_known_ = !is_xdp() && random() % 3 == 0;
    metadata_.assign(random() % 4 == 0 ? 4 * (random() % 20) : 0, 0x77);
    in_.xdp.data = static_cast<uint32_t>(metadata_.size());
    in_.xdp.data_end = static_cast<uint32_t>(metadata_.size() + frame.size());
    if (random() % 2) return;
    in_.skb.mark = static_cast<uint32_t>(random());
    in_.skb.priority = static_cast<uint32_t>(random());
    in_.skb.ingress_ifindex = static_cast<uint32_t>(random() % 10);
    in_.skb.tstamp = random();
    in_.skb.hwtstamp = random();
    for (auto& word : in_.skb.cb) word = static_cast<uint32_t>(random());
    if (random() % 4 == 0) in_.skb.wire_len = 2000 + static_cast<uint32_t>(random() % 1000);
    if (random() % 6 == 0) in_.skb.gso_size = static_cast<uint32_t>(random() % 100);
    if (random() % 6 == 0) in_.skb.gso_segs = static_cast<uint32_t>(random() % 100);
}

std::optional<Answer> PacketHelpers::in_kernel(const StepProgram& program, const Bytes& frame) {
    const auto loaded = offer({.type = kind_.type, .attach = kind_.attach, .insns = program.insns});
    if (!loaded.accepted()) {
        ADD_FAILURE() << "the kernel refuses it:\n" << loaded.log << program.to_string();
        return std::nullopt;
    }
    Bytes data = is_xdp() ? metadata_ : Bytes();
    append(data, ByteView(frame));
    const ByteView ctx = is_xdp() ? bytes_of(in_.xdp) : bytes_of(in_.skb);
    const uint32_t flags = sum_known_ ? BPF_F_TEST_SKB_CHECKSUM_COMPLETE : 0;
    KernelRun run = run_in_kernel(loaded.prog.get(), data, ctx, flags);
    // It wants whole IP headers; and with a sum, that the program keeps it up.
    if (run.error == EINVAL || (run.error == EBADMSG && sum_known_)) return std::nullopt;
    if (run.error != 0) {
        ADD_FAILURE() << "the kernel's run fails: " << std::strerror(run.error);
        return std::nullopt;
    }
    Answer answer{.retval = run.retval, .data = std::move(run.data)};
    if (from_network()) answer.data.erase(answer.data.begin(), answer.data.begin() + 14);
    std::memcpy(is_xdp() ? static_cast<void*>(&answer.xdp) : &answer.skb, run.ctx.data(),
                run.ctx.size());
    return answer;
}

// What bpf_prog_test_run_skb() makes.
engine::SkbInfo PacketHelpers::skb_info(const Bytes& frame) const {
    const __sk_buff& in = in_.skb;
    engine::SkbInfo info{.from_network = from_network(),
                         .untag = false,
                         .sum_known = sum_known_,
                         .ingress_ifindex = in.ingress_ifindex,
                         .mark = in.mark,
                         .priority = in.priority,
                         .tstamp = in.tstamp,
                         .hwtstamp = in.hwtstamp,
                         .wire_len = in.wire_len,
                         .gso_segs = in.gso_segs,
                         .gso_size = in.gso_size};
    std::copy(std::begin(in.cb), std::end(in.cb), info.cb.begin());
    if (frame[0] & 1) info.type = PACKET_MULTICAST;  // loopback's broadcast address is all zeros
    engine::SocketInfo socket{.uid = 0};
    const uint16_t protocol = engine::ethernet_protocol(frame, 12);
    if (protocol == engine::network_order(ETH_P_IP)) {
        socket.family = AF_INET;
        std::memcpy(socket.local_address.data(), &frame[14 + 12], 4);
        std::memcpy(socket.remote_address.data(), &frame[14 + 16], 4);
    } else if (protocol == engine::network_order(ETH_P_IPV6)) {
        socket.family = AF_INET6;
        std::memcpy(socket.local_address.data(), &frame[14 + 8], 16);
        std::memcpy(socket.remote_address.data(), &frame[14 + 24], 16);
    }
    info.socket = socket;
    return info;
}

std::optional<Answer> PacketHelpers::here(const StepProgram& program, const Bytes& frame) {
    const engine::Env env;
    const auto object = engine::Object::load(object_of(kind_, program), env);
    if (!object) {
        ADD_FAILURE() << object.error().to_string() << program.to_string();
        return std::nullopt;
    }
    const auto execution = engine::Execution::create(env);
    if (!execution) {
        ADD_FAILURE() << execution.error().to_string();
        return std::nullopt;
    }
    static PacketBuffer packet;  // one for all: what earlier packets leave must not show
    engine::NoTask task;
    engine::Event event;
    event.task = &task;
    const bool started = is_xdp() ? packet.start_xdp(frame, {.metadata = metadata_})
                                  : packet.start_skb(frame, skb_info(frame));
    EXPECT_TRUE(started);
    packet.attach(event);
    const auto outcome = (*object)->find_prog("test")->run(**execution, event);
    if (outcome.fault) {
        ADD_FAILURE() << outcome.fault->to_string();
        return std::nullopt;
    }
    packet.narrow_ctx();
    Answer answer{.retval = static_cast<uint32_t>(outcome.r0)};
    if (is_xdp()) append(answer.data, packet.metadata());
    append(answer.data, packet.bytes());
    if (is_xdp()) {
        answer.xdp.data = static_cast<uint32_t>(packet.metadata().size());
        answer.xdp.data_end = static_cast<uint32_t>(answer.data.size());
    } else {
        answer.skb = packet.skb_ctx();
    }
    return answer;
}

void PacketHelpers::compare(const Answer& kernel, const Answer& engine) const {
    EXPECT_EQ(kernel.retval, engine.retval);
    EXPECT_EQ(to_hex(kernel.data), to_hex(engine.data));
    if (is_xdp()) {
        EXPECT_EQ(kernel.xdp.data, engine.xdp.data);
        EXPECT_EQ(kernel.xdp.data_end, engine.xdp.data_end);
        return;
    }
    EXPECT_EQ(kernel.skb.mark, engine.skb.mark);
    EXPECT_EQ(kernel.skb.priority, engine.skb.priority);
    EXPECT_EQ(kernel.skb.ingress_ifindex, engine.skb.ingress_ifindex);
    EXPECT_EQ(kernel.skb.ifindex, engine.skb.ifindex);
    EXPECT_EQ(kernel.skb.tstamp, engine.skb.tstamp);
    EXPECT_EQ(kernel.skb.wire_len, engine.skb.wire_len);
    EXPECT_EQ(kernel.skb.gso_segs, engine.skb.gso_segs);
    EXPECT_EQ(kernel.skb.hwtstamp, engine.skb.hwtstamp);
    EXPECT_EQ(std::memcmp(kernel.skb.cb, engine.skb.cb, sizeof(kernel.skb.cb)), 0);
}

TEST_P(PacketHelpers, DoWhatTheKernelsDo) {
    Random random(seed());
    int compared = 0;
    for (int round = 0; round < kRounds; ++round) {
        const Bytes frame = random_frame(random);
        random_context(random, frame);
        const uint32_t seen = static_cast<uint32_t>(frame.size()) - (from_network() ? 14 : 0);
        // The kernel checks a known sum after the run, and crashes (BUG in skb_checksum(), 6.18)
        // where a program has moved the network header beyond the packet's end.
        const StepProgram program = random_program(random, kind_, seen, sum_known_);
        const auto kernel = in_kernel(program, frame);
        if (HasFailure()) break;
        if (!kernel) continue;
        ++compared;
        if (const auto engine = here(program, frame)) compare(*kernel, *engine);
        if (HasFailure()) {
            FAIL() << "round " << round << (sum_known_ ? ", with a sum" : "") << ":\n"
                   << program.to_string() << "on " << to_hex(frame);
        }
    }
    EXPECT_GT(compared, kRounds / 2);
}

INSTANTIATE_TEST_SUITE_P(
    , PacketHelpers,
    testing::Values(platform::ProgKind{ProgType::Xdp}, platform::ProgKind{ProgType::SchedCls},
                    platform::ProgKind{ProgType::SocketFilter},
                    platform::ProgKind{ProgType::CgroupSkb, AttachType::CgroupInetIngress}),
    [](const auto& test) { return std::string(to_string(test.param.type)); });

}  // namespace
}  // namespace skep::kernel_test
