// SPDX-License-Identifier: Apache-2.0
#include "packet/link_type.hpp"

#include <fmt/core.h>
#include <strings.h>

#include <algorithm>
#include <array>

namespace skep::packet {
namespace {

struct Row {
    uint32_t number;
    int dlt;
    const char* name;
    const char* description;
};

constexpr Row kRows[] = {
#define LINK_TYPE(number, dlt, name, description) {number, dlt, name, description},
#include "packet/link_types.def"
#undef LINK_TYPE
};

const Row* find(LinkType type) {
    const auto* row = std::ranges::find(kRows, static_cast<uint32_t>(type), &Row::number);
    return row == std::end(kRows) ? nullptr : row;
}

}  // namespace

std::optional<std::string_view> link_type_name(LinkType type) {
    if (const Row* row = find(type)) return row->name;
    return std::nullopt;
}

std::optional<std::string_view> link_type_description(LinkType type) {
    if (const Row* row = find(type)) return row->description;
    return std::nullopt;
}

std::string to_string(LinkType type) {
    if (const Row* row = find(type)) return fmt::format("{} ({})", row->name, row->description);
    return fmt::format("{}", static_cast<uint32_t>(type));
}

std::optional<LinkType> link_type_from_name(std::string_view name) {
    const std::string text(name);
    for (const Row& row : kRows) {
        if (strcasecmp(row.name, text.c_str()) == 0) return LinkType{row.number};
    }
    return std::nullopt;
}

int to_dlt(LinkType type) {
    const Row* row = find(type);
    return row ? row->dlt : static_cast<int>(type);
}

LinkType link_type_from_dlt(int dlt) {
    const auto* row = std::ranges::find(kRows, dlt, &Row::dlt);
    return row == std::end(kRows) ? static_cast<LinkType>(dlt) : LinkType{row->number};
}

LinkType link_type_from_file(uint32_t number) {
    return find(LinkType{number}) ? LinkType{number} : link_type_from_dlt(static_cast<int>(number));
}

uint32_t max_packet_size(LinkType type) {
    constexpr uint32_t kDbus = 231, kUsbPcap = 249, kEbhscr = 279;
    switch (static_cast<uint32_t>(type)) {
        case kDbus: return 128 << 20;
        case kEbhscr: return 8 << 20;
        case kUsbPcap: return 1 << 20;
        default: return 256 << 10;
    }
}

}  // namespace skep::packet
