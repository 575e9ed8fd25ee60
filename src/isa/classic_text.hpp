// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "isa/classic.hpp"

// Classic BPF as text, byte for byte as tcpdump 4.99 with libpcap 1.10 writes it:
//
//     -d    (000) ldh      [12]
//           (001) jeq      #0x800           jt 2	jf 5
//     -dd   { 0x28, 0, 0, 0x0000000c },
//     -ddd  the number of instructions, then "40 0 0 12" for each
//
// One instruction differs on purpose: "ldx #pktlen", which libpcap does not know ("unimp").

namespace skep::isa {

enum class ClassicStyle : uint8_t { Text, C, Decimal };  ///< -d, -dd, -ddd

/// Works on any instructions; what is unknown prints as "unimp 0x33".
std::string classic_text(ClassicView program, ClassicStyle style);

/// Reads the -ddd form; commas may stand for blanks and newlines, as in the bytecode that tc, ip
/// and iptables take ("2,40 0 0 12,6 0 0 0"). The result is not validated.
Result<std::vector<ClassicInsn>> parse_classic(std::string_view text);

}  // namespace skep::isa
