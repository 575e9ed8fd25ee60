// SPDX-License-Identifier: Apache-2.0
#include "packet/csum.hpp"

#include <linux/bpf.h>
#include <sys/syscall.h>

#include <array>
#include <random>

#include "base/file.hpp"
#include "base/hex.hpp"
#include "base/testing.hpp"

namespace skep::packet {
namespace {

// The definition, one byte after the other.
uint32_t naive_sum(ByteView bytes, uint32_t seed) {
    uint64_t sum = seed;
    for (size_t i = 0; i < bytes.size(); ++i) sum += uint64_t{bytes[i]} << (i % 4 * 8);
    while (sum >> 32) sum = (sum & 0xffffffff) + (sum >> 32);
    return static_cast<uint32_t>(sum);
}

Bytes random_bytes(std::mt19937& random, size_t size) {
    Bytes bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    return bytes;
}

TEST(Csum, PartialIsTheDefinitionAtEveryLengthAndAlignment) {
    std::mt19937 random(1);
    const Bytes bytes = random_bytes(random, 300);
    for (size_t begin = 0; begin < 9; ++begin) {
        for (size_t length = 0; length <= 280; ++length) {
            const ByteView part = ByteView(bytes).subspan(begin, length);
            const auto seed = static_cast<uint32_t>(random());
            ASSERT_EQ(csum_partial(part, seed), naive_sum(part, seed)) << begin << " " << length;
        }
    }
    const Bytes ones(4096, 0xff);
    EXPECT_EQ(csum_partial(ones), 0xffffffffu);
    EXPECT_EQ(csum_partial(Bytes(4096, 0)), 0u);
    EXPECT_EQ(csum_partial({}, 0), 0u);
}

TEST(Csum, KnownHeader) {
    // The IPv4 header that RFC 1071's readers know: checksum 0xb861.
    Bytes header = *from_hex("4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7");
    const uint16_t csum = csum_fold(csum_partial(header));
    EXPECT_EQ(csum, __builtin_bswap16(0xb861));
    std::memcpy(header.data() + 10, &csum, 2);
    EXPECT_EQ(csum_fold(csum_partial(header)), 0);
}

TEST(Csum, PseudoHeader) {
    // UDP 192.0.2.1:1000 > 192.0.2.2:53, no payload; summed by hand.
    const Bytes source = *from_hex("c0000201"), destination = *from_hex("c0000202");
    const Bytes udp = *from_hex("03e8 0035 0008 0000");
    const uint32_t sum = csum_partial(udp, pseudo_header_sum(source, destination, 17, 8));
    const uint32_t by_hand = 0xc000 + 0x0201 + 0xc000 + 0x0202 + 17 + 8 + 0x03e8 + 0x0035 + 8;
    EXPECT_EQ(csum_fold(sum), __builtin_bswap16(csum_fold(by_hand)));
}

// An update must leave what a computation from scratch gives.
TEST(Csum, IncrementalUpdatesAgreeWithRecomputation) {
    std::mt19937 random(2);
    for (int round = 0; round < 2000; ++round) {
        Bytes data = random_bytes(random, 40);
        data[0] |= 1;  // not all zero, so that there is one right answer
        const uint16_t before = csum_fold(csum_partial(data));
        Bytes changed = data;
        const size_t at = 4 + random() % 8 * 4;
        const auto to = static_cast<uint32_t>(round % 3 ? random() : 0xffffffff);
        const uint32_t from = *load<uint32_t>(data, at);
        std::memcpy(changed.data() + at, &to, 4);
        const uint16_t after = csum_fold(csum_partial(changed));
        EXPECT_EQ(csum_replace4(before, from, to), after);
        const auto diff = csum_diff(bytes_of(from), bytes_of(to), 0);
        EXPECT_EQ(csum_replace_by_diff(before, diff), after);

        std::memcpy(changed.data(), data.data(), data.size());
        std::memcpy(changed.data() + at, &to, 2);
        EXPECT_EQ(csum_replace2(before, static_cast<uint16_t>(from), static_cast<uint16_t>(to)),
                  csum_fold(csum_partial(changed)));
    }
}

// An XDP program that calls bpf_csum_diff(data + 8, from_size, data + 8 + from_size, to_size,
// seed), the seed being the packet's first word, and stores the answer at data.
constexpr int kPacketSize = 136;

UniqueFd load_csum_diff_program(int from_size, int to_size) {
    const std::array<bpf_insn, 18> program = {{
        {BPF_LDX | BPF_MEM | BPF_W, 6, 1, 0, 0},
        {BPF_LDX | BPF_MEM | BPF_W, 3, 1, 4, 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, 4, 6, 0, 0},
        {BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, kPacketSize},
        {BPF_JMP | BPF_JGT | BPF_X, 4, 3, 11, 0},
        {BPF_LDX | BPF_MEM | BPF_W, 5, 6, 0, 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0},
        {BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 8},
        {BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, from_size},
        {BPF_ALU64 | BPF_MOV | BPF_X, 3, 6, 0, 0},
        {BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, 8 + from_size},
        {BPF_ALU64 | BPF_MOV | BPF_K, 4, 0, 0, to_size},
        {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_csum_diff},
        {BPF_STX | BPF_MEM | BPF_DW, 6, 0, 0, 0},
        {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
        {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_ABORTED},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    }};
    bpf_attr attr = {};
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.insns = reinterpret_cast<uintptr_t>(program.data());
    attr.insn_cnt = program.size();
    attr.license = reinterpret_cast<uintptr_t>("GPL");
    return UniqueFd(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr))));
}

int64_t run_in_kernel(const UniqueFd& program, const Bytes& packet) {
    Bytes out(packet.size());
    bpf_attr attr = {};
    attr.test.prog_fd = static_cast<uint32_t>(program.get());
    attr.test.data_in = reinterpret_cast<uintptr_t>(packet.data());
    attr.test.data_size_in = static_cast<uint32_t>(packet.size());
    attr.test.data_out = reinterpret_cast<uintptr_t>(out.data());
    attr.test.data_size_out = static_cast<uint32_t>(out.size());
    EXPECT_EQ(syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)), 0);
    EXPECT_EQ(attr.test.retval, static_cast<uint32_t>(XDP_PASS));
    return load<int64_t>(out, 0).value();
}

TEST(Csum, DiffIsTheKernels) {
    std::mt19937 random(3);
    constexpr std::array<std::array<int, 2>, 9> kSizes = {
        {{0, 0}, {4, 4}, {0, 60}, {28, 0}, {16, 40}, {64, 64}, {3, 0}, {0, 6}, {5, 9}}};
    for (const auto& [from_size, to_size] : kSizes) {
        const UniqueFd program = load_csum_diff_program(from_size, to_size);
        if (!program) SKEP_SKIP("loading BPF programs needs CAP_BPF and CAP_NET_ADMIN");
        for (int round = 0; round < 200; ++round) {
            Bytes packet = random_bytes(random, kPacketSize);
            // Both zeros of ones-complement arithmetic, in data and in the seed.
            if (round % 4 == 1) std::fill(packet.begin() + 8, packet.end(), uint8_t{0});
            if (round % 4 == 2) std::fill(packet.begin() + 8, packet.end(), uint8_t{0xff});
            if (round % 3 == 1) std::fill_n(packet.begin(), 4, uint8_t{0});
            if (round % 3 == 2) std::fill_n(packet.begin(), 4, uint8_t{0xff});
            const ByteView data = ByteView(packet).subspan(8);
            const auto ours = csum_diff(data.first(from_size), data.subspan(from_size, to_size),
                                        *load<uint32_t>(packet, 0));
            const int64_t theirs = run_in_kernel(program, packet);
            if (theirs > 0xffff) SKEP_SKIP("this kernel's bpf_csum_diff is older than 6.13");
            ASSERT_EQ(ours, theirs) << from_size << " " << to_size << " round " << round;
        }
    }
}

}  // namespace
}  // namespace skep::packet
