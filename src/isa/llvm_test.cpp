// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <regex>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "base/text.hpp"
#include "isa/disasm.hpp"
#include "isa/samples.hpp"

// LLVM 19 is the oracle of the text: its assembler must make the same bytes of ours, and its
// disassembler the same text of our bytes. What it cannot do is listed here, with what it does.

namespace skep::isa {
namespace {

using skep::testing::ScratchDir;
using testing::legal_samples;
using testing::Sample;

bool have_llvm() {
    return std::system("llvm-mc-19 --version >/dev/null 2>&1") == 0 &&
           std::system("llvm-objdump-19 --version >/dev/null 2>&1") == 0;
}

std::string output_of(const std::string& command) {
    std::string out;
    FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) return out;
    char buffer[65536];
    while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
    EXPECT_EQ(pclose(pipe), 0) << command;
    return out;
}

std::string text_of(const Sample& sample) {
    std::string text;
    append_text(text, sample.insns, 0);
    return text;
}

/// Has LLVM 19 an instruction for this, in text and bytes alike?
bool llvm_knows(const Sample& sample) {
    switch (sample.info->form) {
        case Form::LoadAcquire:
        case Form::StoreRelease:  // LLVM 20
        case Form::CallKfunc:
        case Form::CallLocal: return false;  // relocations only
        case Form::SkbInd: return sample.insns[0].imm == 0;
        case Form::LdPseudo: return sample.insns[1].imm == 0;  // its upper half is lost
        default: return true;
    }
}

TEST(Llvm, AssemblesOurTextToTheSameBytes) {
    if (!have_llvm()) SKEP_SKIP("llvm-mc-19 is not installed");
    std::string source;
    std::string expected;
    for (const Sample& sample : legal_samples()) {
        if (!llvm_knows(sample)) continue;
        // Its parser refuses the one distance.
        if (sample.info->form == Form::Gotol && sample.insns[0].imm == INT32_MAX) continue;
        source += text_of(sample) + '\n';
        for (const Insn& insn : sample.insns) {
            const ByteView bytes = bytes_of(insn);
            for (const uint8_t byte : bytes) expected += fmt::format("0x{:02x},", byte);
        }
        expected.back() = '\n';
    }
    ScratchDir dir;
    ASSERT_TRUE(write_file(dir.file("in.s"), bytes_of(std::string_view(source))));
    const std::string out = output_of("llvm-mc-19 -triple=bpfel -mcpu=v4 --show-encoding " +
                                      dir.file("in.s") + " 2>" + dir.file("err"));
    std::string encodings;
    static constexpr std::string_view kMark = "# encoding: [";
    for (size_t at = 0; (at = out.find(kMark, at)) != std::string::npos;) {
        at += kMark.size();
        encodings += out.substr(at, out.find(']', at) - at) + '\n';
    }
    const auto ours = split(expected, '\n'), theirs = split(encodings, '\n'),
               lines = split(source, '\n');
    ASSERT_EQ(ours.size(), theirs.size());
    ASSERT_GT(ours.size(), 5000u);
    for (size_t i = 0; i < ours.size(); ++i) ASSERT_EQ(ours[i], theirs[i]) << lines[i];
}

/// llvm-objdump's text of each sample, from bytes.
std::vector<std::string> objdump(const std::vector<Sample>& samples, const std::string& mcpu) {
    ScratchDir dir;
    std::string source = "f:\n";
    for (const Sample& sample : samples) {
        for (const Insn& insn : sample.insns) {
            uint64_t bits;
            std::memcpy(&bits, &insn, sizeof bits);
            source += fmt::format(".quad 0x{:x}\n", bits);
        }
    }
    EXPECT_TRUE(write_file(dir.file("in.s"), bytes_of(std::string_view(source))));
    output_of(fmt::format("llvm-mc-19 -triple=bpfel --filetype=obj {} -o {}", dir.file("in.s"),
                          dir.file("in.o")));
    const std::string out = output_of(
        fmt::format("llvm-objdump-19 -d --no-show-raw-insn {} {}", mcpu, dir.file("in.o")));

    // "      74:\tgoto +0x3 <f+0x270>"
    static const std::regex kLine("\\s*[0-9]+:\t(.*?)( <f\\+0x[0-9a-f]+>)?");
    std::vector<std::string> texts;
    for (const std::string_view line : split(out, '\n')) {
        std::cmatch match;
        if (!std::regex_match(line.begin(), line.end(), match, kLine)) continue;
        std::string text = match[1];
        if (const size_t tab = text.find('\t'); tab != std::string::npos) text[tab] = ' ';
        texts.push_back(text);
    }
    return texts;
}

TEST(Llvm, DisassemblesOurBytesToTheSameText) {
    if (!have_llvm()) SKEP_SKIP("llvm-objdump-19 is not installed");
    std::vector<Sample> samples;
    for (const Sample& sample : legal_samples()) {
        if (llvm_knows(sample)) samples.push_back(sample);
    }
    // Without --mcpu it knows no 32-bit atomics but +=, of which it prints "lock" for the fetching
    // one too; --mcpu=v3 knows them, but prints w registers for 32-bit accesses.
    const auto needs_v3 = [](const OpcodeInfo& info) {
        return info.group == Group::Atomic32 && info.name != "lock_add32";
    };
    const auto plain = objdump(samples, ""), v3 = objdump(samples, "--mcpu=v3");
    ASSERT_EQ(plain.size(), samples.size());
    ASSERT_EQ(v3.size(), samples.size());
    for (size_t i = 0; i < samples.size(); ++i) {
        const OpcodeInfo& info = *samples[i].info;
        std::string ours = text_of(samples[i]);
        // A helper's number has no sign in ours: that is a call into the program.
        if (info.form == Form::CallHelper && samples[i].insns[0].imm < 0) continue;
        ASSERT_EQ(ours, needs_v3(info) ? v3[i] : plain[i]) << info.name;
    }
}

}  // namespace
}  // namespace skep::isa
