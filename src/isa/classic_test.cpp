// SPDX-License-Identifier: Apache-2.0
#include "isa/classic.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "base/text.hpp"
#include "isa/classic_text.hpp"

namespace skep::isa {
namespace {

using skep::testing::ScratchDir;
using ::testing::HasSubstr;

constexpr ClassicInsn kReturn{.code = 0x06, .k = 1};

struct Case {
    std::string_view what;
    std::vector<ClassicInsn> program;
    std::string_view error;  ///< "" for valid
};

TEST(ClassicValidate, FollowsTheKernelsRules) {
    const std::vector<Case> cases = {
        {"empty", {}, "the filter has no instructions"},
        {"too long", std::vector<ClassicInsn>(4097, kReturn), "4097 instructions"},
        {"longest", std::vector<ClassicInsn>(4096, kReturn), ""},
        {"unknown", {{.code = 0x0e}, kReturn}, "instruction 0 (0x0e): unknown opcode"},
        {"wide unknown", {{.code = 0x106}, kReturn}, "instruction 0 (0x106): unknown opcode"},
        {"no return", {{.code = 0x00}}, "the last instruction must be ret"},
        {"return A", {{.code = 0x16}}, ""},
        {"divide by 0", {{.code = 0x34}, kReturn}, "instruction 0 (0x34): division by zero"},
        {"modulo 0", {{.code = 0x94}, kReturn}, "division by zero"},
        {"divide by X", {{.code = 0x3c}, kReturn}, ""},
        {"shift 31", {{.code = 0x64, .k = 31}, kReturn}, ""},
        {"shift 32", {{.code = 0x74, .k = 32}, kReturn}, "shift by 32"},
        {"ja to the end", {{.code = 0x05, .k = 0}, kReturn}, ""},
        {"ja behind", {{.code = 0x05, .k = 1}, kReturn}, "jumps 1 instructions ahead; only 1"},
        {"ja backwards", {{.code = 0x05, .k = UINT32_MAX}, kReturn}, "only 1 follow"},
        {"jt behind", {{.code = 0x15, .jt = 1}, kReturn}, "jumps 1 instructions ahead"},
        {"jf behind", {{.code = 0x1d, .jf = 1}, kReturn}, "jumps 1 instructions ahead"},
        {"M[16]", {{.code = 0x02, .k = 16}, kReturn}, "M[16] is outside memory"},
        {"M[3] unwritten", {{.code = 0x60, .k = 3}, kReturn}, "M[3] may be read before"},
        {"M[3]", {{.code = 0x03, .k = 3}, {.code = 0x61, .k = 3}, kReturn}, ""},
        {"M[0] on one path",
         {{.code = 0x15, .jt = 1}, {.code = 0x02}, {.code = 0x60}, kReturn},
         "instruction 2 (0x60): M[0] may be read before"},
        {"M[0] on both paths",
         {{.code = 0x15, .jt = 2},
          {.code = 0x02},
          {.code = 0x05, .k = 1},
          {.code = 0x02},
          {.code = 0x60},
          kReturn},
         ""},
        {"M[0] out of reach", {{.code = 0x05, .k = 1}, {.code = 0x60}, kReturn}, ""},
        {"ancillary", {{.code = 0x30, .k = kSkfAdOff + 48}, kReturn}, ""},
        {"no ancillary", {{.code = 0x20, .k = kSkfAdOff + 64}, kReturn}, "number 64"},
        {"indirect is none", {{.code = 0x40, .k = kSkfAdOff + 64}, kReturn}, ""},
    };
    for (const Case& c : cases) {
        const auto result = validate_classic(c.program);
        if (c.error.empty())
            EXPECT_TRUE(result) << c.what << ": " << result.error().message;
        else
            EXPECT_THAT(result ? "" : result.error().message, HasSubstr(c.error)) << c.what;
    }
}

TEST(ClassicText, WritesTheThreeForms) {
    const std::vector<ClassicInsn> program = {
        {.code = 0x28, .k = 12},
        {.code = 0x15, .jf = 1, .k = 0x800},
        {.code = 0x06, .k = 262144},
        {.code = 0x06},
    };
    EXPECT_EQ(classic_text(program, ClassicStyle::Text),
              "(000) ldh      [12]\n"
              "(001) jeq      #0x800           jt 2\tjf 3\n"
              "(002) ret      #262144\n"
              "(003) ret      #0\n");
    EXPECT_EQ(classic_text(program, ClassicStyle::C),
              "{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 1, 0x00000800 },\n"
              "{ 0x6, 0, 0, 0x00040000 },\n{ 0x6, 0, 0, 0x00000000 },\n");
    EXPECT_EQ(classic_text(program, ClassicStyle::Decimal),
              "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n");
    EXPECT_EQ(*parse_classic(classic_text(program, ClassicStyle::Decimal)), program);
    EXPECT_EQ(*parse_classic("4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0,"), program);
    EXPECT_EQ(*decode_classic({reinterpret_cast<const uint8_t*>(program.data()), 32}), program);
    EXPECT_FALSE(decode_classic({reinterpret_cast<const uint8_t*>(program.data()), 31}));
}

TEST(ClassicText, ParseErrorsNameTheInstruction) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", "the number of instructions, which comes first"},
        {"4097", "from 0 to 4096, not '4097'"},
        {"x", "not 'x'"},
        {"2\n6 0 0 0\n", "instruction 1: the text ends where the opcode should be"},
        {"1\n65536 0 0 0\n", "instruction 0: the opcode must be a number from 0 to 65535"},
        {"1\n6 256 0 0\n", "instruction 0: jt must be"},
        {"1\n6 0 -1 0\n", "instruction 0: jf must be"},
        {"1\n6 0 0 4294967296\n", "instruction 0: k must be"},
        {"1\n6 0 0 0\n6", "more than the 1 instructions"},
    };
    for (const auto& [text, error] : cases) {
        const auto result = parse_classic(text);
        EXPECT_THAT(result ? "" : result.error().message, HasSubstr(error)) << text;
    }
}

// Every opcode with every kind of k, in one long program so that line numbers grow too.
TEST(ClassicText, EqualsLibpcapForEveryOpcode) {
    std::vector<uint32_t> ks = {
        0, 1, 12, 255, 0x800, 0x7fffffff, 0x80000000, 0xffffffff, kSkfNetOff + 9, kSkfLlOff};
    for (uint32_t number = 0; number < 80; ++number) ks.push_back(kSkfAdOff + number);
    std::vector<ClassicInsn> program;
    std::string expected;
    for (uint16_t code = 0; code < 0x120; ++code) {
        if (code == 0x81) continue;  // ldx #pktlen, which libpcap lacks
        for (const uint32_t k : ks) {
            const bpf_insn theirs{code, 3, 255, k};
            expected += bpf_image(&theirs, static_cast<int>(program.size())) + std::string("\n");
            program.push_back({code, 3, 255, k});
        }
    }
    EXPECT_EQ(program.size(), 287u * 90u);
    const std::string text = classic_text(program, ClassicStyle::Text);
    const auto ours = split(text, '\n'), theirs = split(expected, '\n');
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t i = 0; i < ours.size(); ++i) ASSERT_EQ(ours[i], theirs[i]);
    EXPECT_EQ(classic_text({{{.code = 0x81}}}, ClassicStyle::Text), "(000) ldx      #pktlen\n");
}

std::string output_of(const std::string& command) {
    std::string out;
    FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) return out;
    char buffer[4096];
    while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
    EXPECT_EQ(pclose(pipe), 0) << command;
    return out;
}

TEST(ClassicText, EqualsTcpdump) {
    if (std::system("tcpdump --version >/dev/null 2>&1") != 0)
        SKEP_SKIP("tcpdump is not installed");
    ScratchDir dir;
    for (const int link : {DLT_EN10MB, DLT_RAW, DLT_LINUX_SLL}) {
        const pcap_file_header header{.magic = 0xa1b2c3d4,
                                      .version_major = 2,
                                      .version_minor = 4,
                                      .thiszone = 0,
                                      .sigfigs = 0,
                                      .snaplen = 65535,
                                      .linktype = static_cast<bpf_u_int32>(link)};
        ASSERT_TRUE(write_file(dir.file("empty.pcap"), bytes_of(header)));
        for (const char* expression :
             {"", "ip", "tcp port 80", "not arp", "udp and portrange 1000-2000",
              "host 10.1.2.3 or net 192.168.0.0/16", "ip6 and tcp", "icmp[icmptype] == icmp-echo",
              "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "len > 100 and len < 1000",
              "ip[2:2] - ((ip[0]&0xf)<<2) > 40", "ip[8] / 3 * 7 % 5 ^ 1 = 2",
              "port 53 or (tcp and dst portrange 1-1024 and not src host 127.0.0.1)",
              "ip proto 47 and greater 64", "ip6 host 2001:db8::1 and ip6[8:4] & 0xffff0000 = 0"}) {
            const std::string command =
                "tcpdump -r " + dir.file("empty.pcap") + " '" + expression + "' 2>/dev/null ";
            const std::string decimal = output_of(command + "-ddd");
            const auto program = parse_classic(decimal);
            ASSERT_TRUE(program) << program.error().message;
            ASSERT_TRUE(validate_classic(*program));
            EXPECT_EQ(classic_text(*program, ClassicStyle::Decimal), decimal) << expression;
            EXPECT_EQ(classic_text(*program, ClassicStyle::C), output_of(command + "-dd"));
            EXPECT_EQ(classic_text(*program, ClassicStyle::Text), output_of(command + "-d"));
        }
    }
}

}  // namespace
}  // namespace skep::isa
