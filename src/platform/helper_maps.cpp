// SPDX-License-Identifier: Apache-2.0
#include "platform/helper_maps.hpp"

#include <algorithm>
#include <initializer_list>

namespace skep::platform {

namespace {

template <typename T>
bool among(T value, std::initializer_list<T> values) {
    return std::ranges::find(values, value) != values.end();
}

bool map_takes(MapType type, HelperId helper) {
    switch (type) {
#define MAP_TAKES(map, ...) \
    case MapType::map: return among(helper, {__VA_ARGS__});
#define HELPER_TAKES(helper, ...)
#include "platform/helper_maps.def"
#undef MAP_TAKES
#undef HELPER_TAKES
        default: return true;
    }
}

bool helper_takes(HelperId helper, MapType type) {
    switch (helper) {
#define MAP_TAKES(map, ...)
#define HELPER_TAKES(id, ...) \
    case HelperId::id: return among(type, {__VA_ARGS__});
#include "platform/helper_maps.def"
#undef MAP_TAKES
#undef HELPER_TAKES
        default: return true;
    }
}

}  // namespace

bool helper_takes_map(HelperId helper, MapType type) {
    return map_takes(type, helper) && helper_takes(helper, type);
}

}  // namespace skep::platform
