// SPDX-License-Identifier: Apache-2.0
// Any bytes as a capture file, and what is done with each packet that comes out of it.
#include <algorithm>

#include "packet/capture_reader.hpp"
#include "packet/link.hpp"
#include "packet/summary.hpp"

using namespace skep;
using namespace skep::packet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto reader = CaptureReader::from_bytes({data, size}, "fuzz");
    if (!reader) return 0;
    for (;;) {
        const auto packet = reader->next();
        if (!packet || !*packet) return 0;
        const auto& [link_type, bytes] = std::pair((*packet)->link_type, (*packet)->data);
        (void)packet_comments(**packet);
        SKEP_CHECK(!summary(link_type, bytes).empty());
        const auto view = ethernet_view(link_type, bytes);
        if (!view) continue;
        // A frame that nobody changed becomes the packet that it was.
        const Bytes frame = view->to_bytes();
        const auto back = original_view(link_type, frame, bytes);
        SKEP_CHECK(back && std::ranges::equal(back->to_bytes(), bytes));
    }
}
