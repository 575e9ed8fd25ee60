// SPDX-License-Identifier: Apache-2.0
#include "matrix/contents.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "base/hex.hpp"
#include "platform/types.hpp"

namespace skep::test {

namespace {

bool comparable(const Map& map) {
    const std::string& name = map.info().name;
    if (name.ends_with(".rodata") || name.ends_with(".kconfig")) return false;
    switch (map.info().type) {
        case MapType::Hash:
        case MapType::Array:
        case MapType::PercpuHash:
        case MapType::PercpuArray:
        case MapType::LruHash:
        case MapType::LruPercpuHash:
        case MapType::LpmTrie: return true;
        default: return false;
    }
}

}  // namespace

Result<Contents> contents(const Object& object) {
    Contents all;
    for (const Map& map : object.maps()) {
        if (!comparable(map)) continue;
        auto& elements = all[map.info().name];
        for (const Element& one : SKEP_TRY(map.elements())) {
            std::string value = to_hex(one.value);
            if (map.per_cpu()) {
                uint64_t sum = 0;
                for (size_t at = 0; at + 8 <= one.value.size(); at += 8)
                    sum += load<uint64_t>(one.value, at).value_or(0);
                value = fmt::to_string(sum);
            }
            elements[to_hex(one.key)] = std::move(value);
        }
    }
    return all;
}

}  // namespace skep::test
