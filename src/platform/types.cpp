// SPDX-License-Identifier: Apache-2.0
#include "platform/types.hpp"

namespace skep {

std::string_view to_string(ProgType type) {
    switch (type) {
        case ProgType::Unspec: return "unspec";
#define PROG_TYPE(name, value, text, since) \
    case ProgType::name: return text;
#include "platform/prog_types.def"
#undef PROG_TYPE
    }
    return "unknown";
}

std::string_view to_string(MapType type) {
    switch (type) {
        case MapType::Unspec: return "unspec";
#define MAP_TYPE(name, value, text, since) \
    case MapType::name: return text;
#include "platform/map_types.def"
#undef MAP_TYPE
    }
    return "unknown";
}

std::string_view to_string(AttachType type) {
    switch (type) {
        case AttachType::None: return "unspec";
#define ATTACH_TYPE(name, value, text) \
    case AttachType::name: return text;
#include "platform/attach_types.def"
#undef ATTACH_TYPE
    }
    return "unknown";
}

std::optional<ProgType> prog_type_from(std::string_view name) {
#define PROG_TYPE(enumerator, value, text, since) \
    if (name == text) return ProgType::enumerator;
#include "platform/prog_types.def"
#undef PROG_TYPE
    return std::nullopt;
}

std::optional<MapType> map_type_from(std::string_view name) {
#define MAP_TYPE(enumerator, value, text, since) \
    if (name == text) return MapType::enumerator;
#include "platform/map_types.def"
#undef MAP_TYPE
    return std::nullopt;
}

}  // namespace skep
