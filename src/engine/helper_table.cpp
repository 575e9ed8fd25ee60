// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "engine/helpers.hpp"

namespace skep::engine {

namespace {

constexpr size_t kHelperCount = 212;  // numbers end at 211

std::array<HelperFn, kHelperCount> make_helper_table() {
    std::array<HelperFn, kHelperCount> table{};
    for (const auto family :
         {map_helpers(), loop_helpers(), timer_helpers(), time_helpers(), text_helpers(),
          probe_helpers(), current_helpers(), output_helpers(), dynptr_helpers(), packet_helpers()})
        for (const HelperRow& row : family) table[size_t(row.id)] = row.fn;
    return table;
}

}  // namespace

HelperFn helper_fn(platform::HelperId id) {
    static const std::array<HelperFn, kHelperCount> table = make_helper_table();
    return size_t(id) < table.size() ? table[size_t(id)] : nullptr;
}

HelperFn kfunc_fn(platform::KfuncId id) {
    for (const KfuncRow& row : kfuncs())
        if (row.id == id) return row.fn;
    return nullptr;
}

}  // namespace skep::engine
