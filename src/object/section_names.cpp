// SPDX-License-Identifier: Apache-2.0
#include "object/section_names.hpp"

#include <vector>

#include "base/text.hpp"

namespace skep::object {

namespace {

enum class Target : uint8_t { Never, Maybe };
enum class Flags : uint8_t { Plain, Sleepable, Frags };

struct Definition {
    std::string_view prefix;
    Target target;
    ProgType type;
    AttachType attach_type;
    Flags flags;
};

constexpr Definition kDefinitions[] = {
#define SECTION(prefix, target, type, attach_type, flags) \
    {prefix, Target::target, ProgType::type, AttachType::attach_type, Flags::flags},
#include "object/section_defs.def"
#undef SECTION
};

bool fits(const Definition& definition, std::string_view name) {
    if (name == definition.prefix) return true;
    return definition.target == Target::Maybe && name.starts_with(definition.prefix) &&
           name[definition.prefix.size()] == '/';
}

}  // namespace

SectionMeaning interpret_section(std::string_view name) {
    SectionMeaning meaning;
    if (name.starts_with('?')) {
        meaning.autoload = false;
        name.remove_prefix(1);
    }
    for (const Definition& definition : kDefinitions) {
        if (!fits(definition, name)) continue;
        meaning.type = definition.type;
        meaning.attach_type = definition.attach_type;
        meaning.sleepable = definition.flags == Flags::Sleepable;
        meaning.multi_buffer = definition.flags == Flags::Frags;
        if (name.size() > definition.prefix.size())
            meaning.attach_target = name.substr(definition.prefix.size() + 1);
        break;
    }
    return meaning;
}

std::optional<std::string_view> suggest_section(std::string_view name) {
    if (name.starts_with('?')) name.remove_prefix(1);
    std::vector<std::string_view> prefixes;
    for (const Definition& definition : kDefinitions) prefixes.push_back(definition.prefix);
    if (const auto whole = closest(name, prefixes)) return whole;
    // "xdp/foo" or "kprob/do_exit": what stands before the slash may be what was meant.
    const std::string_view head = name.substr(0, name.find('/'));
    for (const std::string_view prefix : prefixes)
        if (prefix == head) return prefix;
    return closest(head, prefixes);
}

}  // namespace skep::object
