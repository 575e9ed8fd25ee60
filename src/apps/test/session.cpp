// SPDX-License-Identifier: Apache-2.0
#include "apps/test/session.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "apps/test/globals.hpp"
#include "apps/test/values.hpp"
#include "base/text.hpp"

namespace skep::test {

namespace {

/// Programs that nothing but a tail call leads to.
std::set<size_t> tail_called(const object::ObjectSpec& spec) {
    std::set<size_t> called;
    for (const object::MapSpec& map : spec.maps)
        if (map.type == MapType::ProgArray)
            for (const object::InitialSlot& slot : map.initial_slots) called.insert(slot.index);
    return called;
}

Error no_prog(const object::ObjectSpec& spec, const Step& step) {
    std::vector<std::string_view> names;
    for (const object::ProgSpec& prog : spec.progs) names.push_back(prog.name);
    if (step.prog.empty())
        return step.at->error(fmt::format("object '{}' has {} programs: which one?",
                                          printable(spec.name), names.size()),
                              printable(fmt::format("program: one of {}", fmt::join(names, ", "))));
    const auto meant = closest(step.prog, names);
    return step.at->error(
        fmt::format("object '{}' has no program '{}'", printable(spec.name), printable(step.prog)),
        meant ? fmt::format("did you mean '{}'?", *meant)
              : printable(fmt::format("it has {}", fmt::join(names, ", "))));
}

}  // namespace

bool is_per_cpu(MapType type) {
    return type == MapType::PercpuHash || type == MapType::PercpuArray ||
           type == MapType::LruPercpuHash;
}

Result<object::ObjectSpec> with_globals(object::ObjectSpec spec, const Test& test) {
    for (const Yaml* values : test.globals)
        for (size_t i = 0; i < values->keys.size(); i++) {
            const Global global = SKEP_TRY(find_global(spec, values->keys[i]));
            object::MapSpec& map = spec.maps[global.map];
            const Value value = SKEP_TRY(encode(global.shape, values->items[i]));
            map.initial_value.resize(map.value_size);
            for (size_t at = 0; at < value.bytes.size(); at++) {
                uint8_t& byte = map.initial_value[global.offset + at];
                byte = uint8_t((byte & ~value.mask[at]) | (value.bytes[at] & value.mask[at]));
            }
        }
    return spec;
}

Result<const object::ProgSpec*> find_prog(const object::ObjectSpec& spec, const Step& step) {
    if (!step.prog.empty()) {
        const object::ProgSpec* prog = spec.find_prog(step.prog);
        if (!prog) return std::unexpected(no_prog(spec, step));
        return prog;
    }
    const std::set<size_t> called = tail_called(spec);
    const object::ProgSpec* only = nullptr;
    for (size_t i = 0; i < spec.progs.size(); i++) {
        if (called.contains(i) && called.size() < spec.progs.size()) continue;
        if (only) return std::unexpected(no_prog(spec, step));
        only = &spec.progs[i];
    }
    if (!only) return std::unexpected(step.at->error("the object has no program"));
    return only;
}

std::vector<std::string> progs_of(const object::ObjectSpec& spec, const Test& test) {
    std::vector<std::string> names;
    for (const Step& step : test.steps)
        if (const auto prog = find_prog(spec, step)) names.push_back((*prog)->name);
    for (const size_t called : tail_called(spec)) names.push_back(spec.progs[called].name);
    // What the test puts into prog arrays.
    for (const Yaml* maps : test.maps)
        for (size_t i = 0; i < maps->keys.size(); i++) {
            const object::MapSpec* map = spec.find_map(maps->keys[i].text);
            if (!map || map->type != MapType::ProgArray) continue;
            for (const Yaml& prog : maps->items[i].items)
                if (spec.find_prog(prog.text)) names.push_back(prog.text);
        }
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

}  // namespace skep::test
