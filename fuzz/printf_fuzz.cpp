// SPDX-License-Identifier: Apache-2.0
// Any format with any arguments: it is refused, or the same text comes out however little room
// there is for it. Input: a byte of room, a byte of arguments, 8 bytes for each, the format.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "engine/printf.hpp"

using namespace skep::engine;

namespace {

/// Addresses are lengths; long strings and odd addresses are not there.
class FuzzMemory final : public PrintfMemory {
  public:
    int read(void* to, size_t size, uint64_t address) override {
        if (address % 2) return -1;
        std::memset(to, static_cast<int>(address), size);
        return 0;
    }
    int64_t read_string(char* to, size_t size, uint64_t address, From from) override {
        if (address % 8 == 7 || from == From::User) return -1;
        const size_t length = std::min<size_t>(address % 700 + 1, size);
        std::memset(to, 'x', length);
        to[length - 1] = 0;
        return static_cast<int64_t>(length);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const size_t room = data[0], count = std::min<size_t>(data[1] % 16, (size - 2) / 8);
    std::vector<uint64_t> args(count);
    if (count) std::memcpy(args.data(), data + 2, 8 * count);
    const std::string format(reinterpret_cast<const char*>(data) + 2 + 8 * count,
                             size - 2 - 8 * count);
    const std::string_view until_nul(format.c_str());

    FuzzMemory memory;
    std::vector<char> small(room), large(4096);
    const int64_t whole = bpf_printf(large, until_nul, args, memory);
    const int64_t cut = bpf_printf(small, until_nul, args, memory);
    // Addresses and %pks do not count once the buffer is full, so only `cut` may be less.
    SKEP_CHECK((whole < 0) == (cut < 0) || whole > INT32_MAX);
    if (whole < 0 || whole >= static_cast<int64_t>(large.size()) || room == 0) return 0;
    SKEP_CHECK(cut <= whole);
    const size_t same = std::min<size_t>(room - 1, static_cast<size_t>(cut));
    SKEP_CHECK(std::equal(small.begin(), small.begin() + static_cast<long>(same), large.begin()));
    SKEP_CHECK(small[std::min<size_t>(room - 1, static_cast<size_t>(cut))] == 0);
    return 0;
}
