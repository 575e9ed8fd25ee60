// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skep::packet {

// What a captured packet begins with. Two numberings exist: capture files hold LINKTYPE_ numbers,
// which mean the same everywhere; libpcap's API speaks DLT_ numbers, of which a few differ from one
// system to the next. LinkType is the number of files; to_dlt() and link_type_from_dlt() are for
// calls into libpcap.
//
//     fmt::print("link-type {}\n", to_string(LinkType::Ethernet));   // EN10MB (Ethernet)
//
// The set is open (a file may hold any number); only the types that link.hpp reads have
// enumerators. The registry's names are in link_types.def.
enum class LinkType : uint32_t {
    Null = 0,
    Ethernet = 1,
    Ppp = 9,
    PppHdlc = 50,
    Raw = 101,
    Loop = 108,
    LinuxSll = 113,
    Ipv4 = 228,
    Ipv6 = 229,
    LinuxSll2 = 276,
};

/// libpcap's name ("EN10MB") and description ("Ethernet"); nothing for a number it does not know.
std::optional<std::string_view> link_type_name(LinkType type);
std::optional<std::string_view> link_type_description(LinkType type);

/// "EN10MB (Ethernet)", or the number alone.
std::string to_string(LinkType type);

/// By libpcap's name, in any case; what `tcpdump -y` takes.
std::optional<LinkType> link_type_from_name(std::string_view name);

/// The DLT_ number on Linux, and back.
int to_dlt(LinkType type);
LinkType link_type_from_dlt(int dlt);

/// What the number in a file's header means: the LINKTYPE_ or, where there is none of that number,
/// the DLT_ that writers older than the registry put there (12 for raw IP, for example).
LinkType link_type_from_file(uint32_t number);

/// The longest packet that is believed; a longer one means a damaged file. libpcap's limits.
uint32_t max_packet_size(LinkType type);

}  // namespace skep::packet
