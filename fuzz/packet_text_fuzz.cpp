// SPDX-License-Identifier: Apache-2.0
// Any text as the description of a packet, which is then built and looked at.
#include "packet/packet_text.hpp"
#include "packet/summary.hpp"

using namespace skep::packet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto layers = parse_packet_text({reinterpret_cast<const char*>(data), size});
    if (layers) (void)summary(LinkType::Ethernet, build_packet(*layers));
    return 0;
}
