// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "isa/opcode.hpp"

// For tests only: instructions of every form in the table, so that a test which walks them cannot
// miss an opcode that is added later.

namespace skep::isa::testing {

/// One legal instruction; two slots where it is wide.
struct Sample {
    const OpcodeInfo* info;
    std::vector<Insn> insns;
};

/// For each row of the table: every register in each register field, and the edges of the values
/// in off and imm, combined so that each meets each at least once.
inline std::vector<Sample> legal_samples() {
    static constexpr int16_t kOffs[] = {0, 1, -1, 4, 32767, -32768};
    static constexpr int32_t kImms[] = {0, 1, -1, 0x1234, INT32_MAX, INT32_MIN};
    const auto count = [](Field field, size_t any) -> size_t {
        switch (field) {
            case Field::R: return kMaxRegister + 1;
            case Field::W:
            case Field::RW: return kMaxRegister;
            case Field::Any: return any;
            case Field::No:
            case Field::Key: return 1;
        }
        return 1;
    };
    std::vector<Sample> samples;
    for (const OpcodeInfo& info : opcodes()) {
        const size_t dsts = count(info.dst, 1), srcs = count(info.src, 1);
        const size_t offs = count(info.off, std::size(kOffs));
        const size_t imms = count(info.imm, std::size(kImms));
        for (size_t i = 0; i < dsts * srcs * std::max(offs, imms); ++i) {
            Insn insn{.opcode = info.opcode};
            const auto dst = static_cast<uint8_t>(i % dsts);
            const auto src = static_cast<uint8_t>(i / dsts % srcs);
            insn.dst = info.dst == Field::No ? 0 : dst;
            insn.src = info.src == Field::Key  ? static_cast<uint8_t>(info.key)
                       : info.src == Field::No ? 0
                                               : src;
            const size_t turn = i / (dsts * srcs) + i % dsts;
            insn.off = info.off == Field::Key   ? static_cast<int16_t>(info.key)
                       : info.off == Field::Any ? kOffs[turn % offs]
                                                : int16_t{0};
            insn.imm = info.imm == Field::Key   ? info.key
                       : info.imm == Field::Any ? kImms[(turn + i / dsts) % imms]
                                                : 0;
            Sample sample{&info, {insn}};
            if (insn.is_wide()) sample.insns.push_back({});
            samples.push_back(sample);
            const bool high_half = info.name == "lddw_imm" || info.name == "lddw_map_value" ||
                                   info.name == "lddw_btf_id" || info.name == "lddw_map_idx_value";
            if (high_half) {
                samples.push_back(sample);
                samples.back().insns[1].imm = kImms[(turn + 2) % std::size(kImms)];
            }
        }
    }
    return samples;
}

}  // namespace skep::isa::testing
