// SPDX-License-Identifier: Apache-2.0
// Any bytes as a capture file, from memory and as a stream, and what is done with each packet.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "packet/capture_reader.hpp"
#include "packet/link.hpp"
#include "packet/summary.hpp"

using namespace skep;
using namespace skep::packet;

namespace {

void use(const Packet& packet) {
    (void)packet_comments(packet);
    SKEP_CHECK(!summary(packet.link_type, packet.data).empty());
    const auto view = ethernet_view(packet.link_type, packet.data);
    if (!view) return;
    // A frame that nobody changed becomes the packet that it was.
    const Bytes frame = view->to_bytes();
    const auto back = original_view(packet.link_type, frame, packet.data);
    SKEP_CHECK(back && std::ranges::equal(back->to_bytes(), packet.data));
}

/// How many packets there are, and whether an error ends them.
std::pair<uint64_t, bool> read(Result<CaptureReader> reader) {
    if (!reader) return {0, true};
    for (;;) {
        const auto packet = reader->next();
        if (!packet || !*packet) return {reader->packet_count(), !packet};
        use(**packet);
    }
}

UniqueFd memory_file(ByteView bytes) {
    UniqueFd fd(memfd_create("fuzz", MFD_CLOEXEC));
    SKEP_CHECK(write_fd(fd.get(), bytes, "memory") && lseek(fd.get(), 0, SEEK_SET) == 0);
    return fd;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const ByteView bytes(data, size);
    const auto mapped = read(CaptureReader::from_bytes(bytes, "fuzz"));
    const auto streamed = read(CaptureReader::from_fd(memory_file(bytes), "fuzz"));
    SKEP_CHECK(mapped == streamed);
    return 0;
}
