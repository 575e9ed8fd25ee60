// SPDX-License-Identifier: Apache-2.0
#include "engine/mocks.hpp"

#include <array>
#include <utility>

// One function for each helper's number, so that a call knows which helper it stands for without
// the interpreter's help.

namespace skep::engine {

namespace {

constexpr size_t kHelpers = 256;  // a closed set of 211

template <size_t number>
uint64_t mocked(Execution& x, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5) {
    return x.env().mock(x, platform::HelperId(number), {r1, r2, r3, r4, r5});
}

template <size_t... numbers>
constexpr std::array<HelperFn, sizeof...(numbers)> table(std::index_sequence<numbers...>) {
    return {mocked<numbers>...};
}

constexpr auto kMocked = table(std::make_index_sequence<kHelpers>());

}  // namespace

HelperFn mocked_helper(platform::HelperId id) {
    const auto number = uint32_t(id);
    return number < kHelpers && platform::find_helper(number) ? kMocked[number] : nullptr;
}

}  // namespace skep::engine
