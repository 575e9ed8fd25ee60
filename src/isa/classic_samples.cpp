// SPDX-License-Identifier: Apache-2.0
#include "isa/classic_samples.hpp"

#include <pcap/pcap.h>

#include <algorithm>

namespace skep::isa::testing {
namespace {

uint32_t random_offset(Rng& rng) {
    switch (below(rng, 16)) {
        case 0: return kSkfNetOff + below(rng, 64);
        case 1: return kSkfLlOff + below(rng, 64);
        case 2: return static_cast<uint32_t>(rng());
        case 3: return kPacketSize - 8 + below(rng, 16);
        default: return below(rng, kPacketSize - 8);
    }
}

uint32_t random_constant(Rng& rng) {
    static constexpr uint32_t kEdges[] = {0, 1, 2, 31, 0x7fffffff, 0x80000000, 0xffffffff};
    switch (below(rng, 4)) {
        case 0: return pick(rng, kEdges);
        case 1: return static_cast<uint32_t>(rng());
        default: return below(rng, 256);
    }
}

/// A known instruction with operands that mostly make sense, `left` instructions before the end.
ClassicInsn random_insn(Rng& rng, uint32_t left) {
    static constexpr uint32_t kCodes[] = {
        0x00, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x60, 0x80, 0x01, 0x61, 0x81, 0xb1, 0x02,
        0x03, 0x07, 0x87, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x94, 0x9c, 0x44,
        0x4c, 0x54, 0x5c, 0xa4, 0xac, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x05, 0x15, 0x1d, 0x25,
        0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x15, 0x25, 0x35, 0x45, 0x20, 0x28, 0x30};
    ClassicInsn insn{.code = static_cast<uint16_t>(pick(rng, kCodes)), .k = random_constant(rng)};
    const auto distance = [&] { return below(rng, std::min(left, 12u)); };
    switch (find_classic(insn.code)->operand) {
        case ClassicOperand::Abs:
            insn.k = below(rng, 4) ? random_offset(rng) : kSkfAdOff + pick(rng, kSteadyAncillary);
            break;
        case ClassicOperand::Msh: insn.k = random_offset(rng); break;
        case ClassicOperand::Ind: insn.k = below(rng, 64); break;
        case ClassicOperand::Mem: insn.k = below(rng, 16); break;
        case ClassicOperand::Target: insn.k = distance(); break;
        default: break;
    }
    if (insn.is_conditional()) {
        insn.jt = static_cast<uint8_t>(distance());
        insn.jf = static_cast<uint8_t>(distance());
    }
    const bool shift = insn.code == 0x64 || insn.code == 0x74;
    if (shift) insn.k %= 32;
    return insn;
}

}  // namespace

void finish(std::vector<ClassicInsn>& program) {
    program.push_back({.code = 0x24, .k = 0x9e3779b1});
    program.push_back({.code = 0x74, .k = 22});
    program.push_back({.code = 0x16});
}

std::vector<ClassicInsn> random_program(Rng& rng) {
    std::vector<ClassicInsn> program;
    const uint32_t length = 1 + below(rng, 30);
    if (below(rng, 2)) {  // so that loads of memory are valid
        for (uint32_t word = 0; word < kClassicWords; ++word)
            program.push_back({.code = static_cast<uint16_t>(2 + below(rng, 2)), .k = word});
    }
    for (uint32_t i = 0; i < length; ++i) program.push_back(random_insn(rng, length - i));
    finish(program);
    return program;
}

Bytes random_packet(Rng& rng) {
    Bytes packet(kPacketSize);
    const bool attributes = below(rng, 2);
    for (size_t i = 0; i < packet.size(); ++i)
        packet[i] = static_cast<uint8_t>(attributes ? (i % 2 ? 0 : below(rng, 24)) : rng());
    return packet;
}

std::vector<ClassicInsn> compile_filter(const char* expression) {
    pcap_t* pcap = pcap_open_dead(DLT_EN10MB, 65535);
    bpf_program compiled{};
    std::vector<ClassicInsn> program;
    if (pcap_compile(pcap, &compiled, expression, 1, PCAP_NETMASK_UNKNOWN) == 0) {
        for (u_int i = 0; i < compiled.bf_len; ++i) {
            const bpf_insn& insn = compiled.bf_insns[i];
            program.push_back({insn.code, insn.jt, insn.jf, insn.k});
        }
        pcap_freecode(&compiled);
    }
    pcap_close(pcap);
    return program;
}

}  // namespace skep::isa::testing
