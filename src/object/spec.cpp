// SPDX-License-Identifier: Apache-2.0
#include "object/spec.hpp"

#include <algorithm>
#include <array>

namespace skep::object {

const ProgSpec* ObjectSpec::find_prog(std::string_view prog_name) const {
    const auto found = std::ranges::find(progs, prog_name, &ProgSpec::name);
    return found == progs.end() ? nullptr : &*found;
}

const MapSpec* ObjectSpec::find_map(std::string_view map_name) const {
    const auto found = std::ranges::find(maps, map_name, &MapSpec::name);
    return found == maps.end() ? nullptr : &*found;
}

bool ObjectSpec::gpl_compatible() const {
    // include/linux/license.h, Linux 6.12
    static constexpr std::array<std::string_view, 6> kCompatible = {
        "GPL",          "GPL v2",       "GPL and additional rights",
        "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};
    return std::ranges::find(kCompatible, license) != kCompatible.end();
}

}  // namespace skep::object
