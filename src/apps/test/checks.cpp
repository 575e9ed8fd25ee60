// SPDX-License-Identifier: Apache-2.0
#include "apps/test/checks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "apps/test/ctx.hpp"
#include "apps/test/globals.hpp"
#include "apps/test/packet_diff.hpp"
#include "apps/test/values.hpp"
#include "base/hex.hpp"
#include "base/text.hpp"
#include "object/event_type.hpp"
#include "platform/verdicts.hpp"

namespace skep::test {

namespace {

using object::MapSpec;

constexpr std::array<std::string_view, 9> kFaults = {"bad_access",   "read_only", "bad_context",
                                                     "bad_argument", "budget",    "call_depth",
                                                     "misaligned",   "bad_call",  "unreleased"};

bool is_queue(MapType type) {
    return type == MapType::Queue || type == MapType::Stack;
}

/// Maps of which an expectation names all elements; of others, those that it looks at.
bool is_hash(MapType type) {
    return type == MapType::Hash || type == MapType::LruHash || type == MapType::PercpuHash ||
           type == MapType::LruPercpuHash || type == MapType::LpmTrie;
}

bool has_elements(MapType type) {
    return is_hash(type) || type == MapType::Array || type == MapType::PercpuArray;
}

Shape key_shape(const object::ObjectSpec& spec, const MapSpec& map) {
    return {spec.btf.get(), map.key_type_id, map.key_size};
}
Shape value_shape(const object::ObjectSpec& spec, const MapSpec& map) {
    return {spec.btf.get(), map.value_type_id, map.value_size};
}

/// Whether `line` is `pattern`, in which "..." stands for any text.
bool like(std::string_view line, std::string_view pattern) {
    bool first = true;
    for (;;) {
        const size_t dots = pattern.find("...");
        const std::string_view piece = pattern.substr(0, dots);
        if (dots == pattern.npos) return first ? line == piece : line.ends_with(piece);
        const size_t at = first ? (line.starts_with(piece) ? 0 : line.npos) : line.find(piece);
        if (at == line.npos) return false;
        line.remove_prefix(at + piece.size());
        pattern.remove_prefix(dots + 3);
        first = false;
    }
}

Error no_elements(const Yaml& at, const MapSpec& map) {
    return at.error(fmt::format("map '{}' of type {} has no elements to look at",
                                printable(map.name), to_string(map.type)),
                    map.type == MapType::Ringbuf || map.type == MapType::PerfEventArray
                        ? "what comes out of it is expected under 'events'"
                        : "");
}

}  // namespace

std::string_view fault_name(engine::Fault::Kind kind) {
    return kFaults[size_t(kind)];
}

Result<std::vector<Entry>> read_entries(const Yaml& node, bool* more) {
    std::vector<Entry> entries;
    if (node.is_map()) {
        for (size_t i = 0; i < node.keys.size(); i++) {
            if (more && node.keys[i].is_plain() && node.keys[i].text == "...") {
                *more = true;
                continue;
            }
            entries.push_back({&node.keys[i], &node.items[i]});
        }
        return entries;
    }
    if (node.is_null()) return entries;
    if (!node.is_list())
        return std::unexpected(
            node.error(fmt::format("{} stands where elements should", node.describe()),
                       "{KEY: VALUE, ...} or a list of {key: ..., value: ...}"));
    for (const Yaml& item : node.items) {
        const Yaml *key = item.find("key"), *value = item.find("value");
        if (!item.is_map() || !key || !value)
            return std::unexpected(
                item.error("an element should stand here: {key: ..., value: ...}"));
        SKEP_TRY(check_keys(item, {"key", "value"}));
        entries.push_back({key, value});
    }
    return entries;
}

namespace {

Result<void> fill_prog_array(Session& session, const Yaml& values, size_t index) {
    const object::ObjectSpec& spec = session.spec();
    for (const Entry& entry : SKEP_TRY(read_entries(values))) {
        const uint64_t slot = SKEP_TRY(read_number(*entry.key, 4));
        const auto prog = std::ranges::find(spec.progs, entry.value->text, &object::ProgSpec::name);
        if (prog == spec.progs.end())
            return std::unexpected(entry.value->error(
                fmt::format("the object has no program {}", entry.value->describe())));
        if (const int error =
                session.set_prog(index, uint32_t(slot), size_t(prog - spec.progs.begin())))
            return std::unexpected(
                entry.key->error(fmt::format("slot {} of a map with {}: {}", slot,
                                             spec.maps[index].max_entries, std::strerror(error))));
    }
    return {};
}

Result<void> fill_map(Session& session, const Yaml& name, const Yaml& values) {
    const object::ObjectSpec& spec = session.spec();
    const size_t index = SKEP_TRY(find_map(spec, name));
    const MapSpec& map = spec.maps[index];
    if (map.type == MapType::ProgArray) return fill_prog_array(session, values, index);
    const Shape shape = value_shape(spec, map);
    const auto put = [&](const Yaml& at, ByteView key, const Yaml& node) -> Result<void> {
        const Value value = SKEP_TRY(encode(shape, node));
        if (const int error = session.update(index, key, value.bytes))
            return std::unexpected(at.error(fmt::format(
                "map '{}' does not take this: {}", printable(map.name), std::strerror(error))));
        return {};
    };
    if (is_queue(map.type) || map.type == MapType::BloomFilter) {
        for (const Yaml& item : values.items) SKEP_TRY(put(item, {}, item));
        return {};
    }
    if (!has_elements(map.type)) return std::unexpected(no_elements(name, map));
    if (values.is_list() && map.type == MapType::Array &&
        std::ranges::none_of(values.items, [](const Yaml& item) { return item.find("key"); })) {
        for (uint32_t i = 0; i < values.items.size(); i++)
            SKEP_TRY(put(values.items[i], bytes_of(i), values.items[i]));
        return {};
    }
    for (const Entry& entry : SKEP_TRY(read_entries(values))) {
        const Value key = SKEP_TRY(encode(key_shape(spec, map), *entry.key));
        SKEP_TRY(put(*entry.key, key.bytes, *entry.value));
    }
    return {};
}

}  // namespace

Result<void> fill_maps(Session& session, const Test& test) {
    for (const Yaml* maps : test.maps)
        for (size_t i = 0; i < maps->keys.size(); i++)
            SKEP_TRY(fill_map(session, maps->keys[i], maps->items[i]));
    return {};
}

void Checks::fail(const Yaml& at, std::string what, std::vector<std::string> lines) {
    failures_.push_back({at.place(), std::move(what), std::move(lines)});
}

Result<void> Checks::run(const Step& step, const object::ProgSpec& prog, const Ran& ran) {
    SKEP_TRY(fault(step, ran));
    const Expect& expect = step.expect;
    if (ran.fault) return {};
    if (expect.verdict) SKEP_TRY(verdict(*expect.verdict, prog, ran));
    if (expect.packet) SKEP_TRY(packet(*expect.packet, ran));
    if (expect.ctx) SKEP_TRY(ctx(*expect.ctx, prog, ran));
    if (expect.redirect) SKEP_TRY(redirect(*expect.redirect, ran));
    return {};
}

Result<void> Checks::verdict(const Yaml& expected, const object::ProgSpec& prog, const Ran& ran) {
    if (!expected.is_scalar())
        return std::unexpected(
            expected.error("the name of a verdict, or a number, should be here"));
    if (const auto number = parse_int(expected.text)) {
        if (int32_t(*number) == int32_t(ran.r0)) return {};
        fail(expected, "verdict",
             {fmt::format("expected {}, actual {}", *number,
                          ran.verdict == std::to_string(int32_t(ran.r0))
                              ? ran.verdict
                              : fmt::format("{} ({})", int32_t(ran.r0), ran.verdict))});
        return {};
    }
    if (expected.text == ran.verdict) return {};
    std::vector<std::string> names;
    for (int value = -16; value < 64; value++)
        if (std::string name = platform::verdict_name(prog.type, value, prog.attach_type);
            !parse_int(name))
            names.push_back(std::move(name));
    if (prog.type == ProgType::SocketFilter) names = {"KEEP", "TRUNCATE", "DROP"};
    if (std::ranges::count(names, expected.text) == 0) {
        const auto meant =
            closest(expected.text, std::vector<std::string_view>(names.begin(), names.end()));
        return std::unexpected(
            expected.error(fmt::format("programs of type {} have no verdict {}",
                                       to_string(prog.type), expected.describe()),
                           meant           ? fmt::format("did you mean '{}'?", *meant)
                           : names.empty() ? "give the number that it returns"
                                           : fmt::format("they have {}", fmt::join(names, ", "))));
    }
    fail(expected, "verdict", {fmt::format("expected {}, actual {}", expected.text, ran.verdict)});
    return {};
}

Result<void> Checks::packet(const Yaml& expected, const Ran& ran) {
    if (!ran.is_packet)
        return std::unexpected(expected.error("the program does not run on packets"));
    Bytes wanted = ran.given;
    if (!(expected.is_plain() && expected.text == "unchanged")) {
        const PacketInput input = SKEP_TRY(read_packet(file_, expected));
        if (input.link_type != packet::LinkType::Ethernet)
            return std::unexpected(expected.error("this is no Ethernet frame"));
        wanted = input.bytes;
    }
    if (auto lines = packet_diff(wanted, ran.packet); !lines.empty())
        fail(expected, "packet", std::move(lines));
    return {};
}

Result<void> Checks::ctx(const Yaml& expected, const object::ProgSpec& prog, const Ran& ran) {
    const CtxFields wanted = SKEP_TRY(read_ctx(prog, expected));
    for (const CtxFields::Field& field : wanted.fields) {
        const auto want = slice(wanted.bytes, field.offset, field.size);
        const auto got = slice(ran.ctx, field.offset, field.size);
        if (want && got && std::ranges::equal(*want, *got)) continue;
        const Shape shape{.size = field.size};
        fail(*field.at, "ctx." + field.name,
             {fmt::format("expected {}, actual {}", want ? to_text(shape, *want) : "nothing",
                          got ? to_text(shape, *got) : "nothing")});
    }
    return {};
}

Result<void> Checks::redirect(const Yaml& expected, const Ran& ran) {
    if (expected.is_plain() && expected.text == "none") {
        if (ran.redirect) fail(expected, "redirect", {"expected none, actual one"});
        return {};
    }
    SKEP_TRY(check_keys(expected, {"ifindex", "map", "key"}));
    if (!ran.redirect) {
        fail(expected, "redirect", {"expected one, actual none"});
        return {};
    }
    if (const Yaml* ifindex = expected.find("ifindex"))
        if (const uint64_t wanted = SKEP_TRY(read_number(*ifindex, 4));
            wanted != ran.redirect->ifindex)
            fail(*ifindex, "redirect.ifindex",
                 {fmt::format("expected {}, actual {}", wanted, ran.redirect->ifindex)});
    if (const Yaml* map = expected.find("map"))
        if (map->text != ran.redirect->map)
            fail(*map, "redirect.map",
                 {fmt::format("expected {}, actual {}", map->text,
                              ran.redirect->map.empty() ? "none" : ran.redirect->map)});
    if (const Yaml* key = expected.find("key"))
        if (const uint64_t wanted = SKEP_TRY(read_number(*key, 4)); wanted != ran.redirect->key)
            fail(*key, "redirect.key",
                 {fmt::format("expected {}, actual {}", wanted, ran.redirect->key)});
    return {};
}

Result<void> Checks::fault(const Step& step, const Ran& ran) {
    const Yaml* expected = step.expect.fault;
    std::string kind, message;
    if (expected) {
        if (expected->is_map()) {
            SKEP_TRY(check_keys(*expected, {"kind", "message"}));
            if (const Yaml* one = expected->find("kind")) kind = one->text;
            if (const Yaml* one = expected->find("message")) message = one->text;
        } else {
            kind = expected->text;
        }
        const bool known = kind.empty() || kind == "any" || kind == "none" ||
                           std::ranges::count(kFaults, kind) != 0;
        if (!known)
            return std::unexpected(
                expected->error(fmt::format("there is no kind of fault '{}'", printable(kind)),
                                fmt::format("kinds are any, none, {}", fmt::join(kFaults, ", "))));
    }
    const bool wanted = expected && kind != "none";
    if (!ran.fault) {
        if (wanted)
            fail(*expected, "fault",
                 {fmt::format("expected {}, actual none; it returned {}",
                              kind.empty() ? "one" : kind, ran.verdict)});
        return {};
    }
    const std::string text = ran.fault->to_string();
    std::vector<std::string> lines;
    for (const std::string_view line : split(text, '\n')) lines.emplace_back(line);
    if (!wanted) {
        fail(expected ? *expected : *step.at, "fault: the program was stopped", std::move(lines));
        return {};
    }
    const std::string_view actual = fault_name(ran.fault->kind);
    if (!kind.empty() && kind != "any" && kind != actual) {
        lines.insert(lines.begin(), fmt::format("expected {}, actual {}", kind, actual));
        fail(*expected, "fault", std::move(lines));
    } else if (!message.empty() && text.find(message) == text.npos) {
        lines.insert(lines.begin(), fmt::format("expected a message with '{}'; actual:", message));
        fail(*expected, "fault", std::move(lines));
    }
    return {};
}

Result<void> Checks::state(const Expect& expect, const std::vector<Record>& records,
                           const std::vector<std::string>& lines) {
    if (expect.maps)
        for (size_t i = 0; i < expect.maps->keys.size(); i++)
            SKEP_TRY(map(expect.maps->keys[i], expect.maps->items[i]));
    if (expect.globals) SKEP_TRY(globals(*expect.globals));
    if (expect.events) SKEP_TRY(events(*expect.events, records));
    if (expect.printk) SKEP_TRY(printk(*expect.printk, lines));
    return {};
}

Result<void> Checks::map(const Yaml& name, const Yaml& expected) {
    const size_t index = SKEP_TRY(find_map(session_.spec(), name));
    const MapSpec& spec = session_.spec().maps[index];
    if (is_queue(spec.type)) return queue(index, expected);
    if (!has_elements(spec.type)) return std::unexpected(no_elements(name, spec));
    return elements(index, expected);
}

Result<void> Checks::elements(size_t index, const Yaml& expected) {
    const object::ObjectSpec& spec = session_.spec();
    const MapSpec& map = spec.maps[index];
    const Shape shape = key_shape(spec, map);
    if (expected.is_list() && map.type == MapType::Array &&
        std::ranges::none_of(expected.items, [](const Yaml& item) { return item.find("key"); })) {
        for (uint32_t i = 0; i < expected.items.size(); i++)
            SKEP_TRY(element(index, expected.items[i], bytes_of(i), expected.items[i]));
        return {};
    }
    bool more = !is_hash(map.type);
    std::set<Bytes> named;
    for (const Entry& entry : SKEP_TRY(read_entries(expected, &more))) {
        const Value key = SKEP_TRY(encode(shape, *entry.key));
        named.insert(key.bytes);
        SKEP_TRY(element(index, *entry.key, key.bytes, *entry.value));
    }
    if (more) return {};
    std::vector<std::string> lines;
    const std::vector<Bytes> keys = SKEP_TRY(session_.keys(index));
    for (const Bytes& key : keys) {
        if (named.contains(key)) continue;
        const auto copies = SKEP_TRY(session_.lookup(index, key));
        if (!copies) continue;
        const Shape value = value_shape(spec, map);
        const Bytes one =
            is_per_cpu(map.type) ? sum_cpus(value, *copies, copy_step(map.value_size)) : *copies;
        lines.push_back(fmt::format("{}: {}", to_text(shape, key), to_text(value, one)));
    }
    if (lines.empty()) return {};
    std::ranges::sort(lines);
    lines.insert(lines.begin(), "these are there, too ('...' as a key allows it):");
    fail(expected, fmt::format("map '{}'", printable(map.name)), std::move(lines));
    return {};
}

Result<void> Checks::element(size_t index, const Yaml& at, ByteView key, const Yaml& expected) {
    const object::ObjectSpec& spec = session_.spec();
    const MapSpec& map = spec.maps[index];
    const Shape shape = value_shape(spec, map);
    const std::string what =
        fmt::format("map '{}', key {}", printable(map.name), to_text(key_shape(spec, map), key));
    const bool absent = expected.is_null() || (expected.is_plain() && expected.text == "absent");
    const bool any = expected.is_plain() && expected.text == "any";
    std::optional<Value> wanted;
    if (!absent && !any) wanted = SKEP_TRY(encode(shape, expected));
    const auto copies = SKEP_TRY(session_.lookup(index, key));
    if (!copies) {
        if (!absent)
            fail(at, what,
                 {fmt::format("expected {}, actual absent",
                              wanted ? to_text(shape, wanted->bytes) : "any value")});
        return {};
    }
    const Bytes actual =
        is_per_cpu(map.type) ? sum_cpus(shape, *copies, copy_step(map.value_size)) : *copies;
    if (absent)
        fail(at, what, {fmt::format("expected absent, actual {}", to_text(shape, actual))});
    else if (wanted && !wanted->matches(actual))
        fail(at, what, differences(shape, *wanted, actual));
    return {};
}

Result<void> Checks::queue(size_t index, const Yaml& expected) {
    const MapSpec& map = session_.spec().maps[index];
    const Shape shape = value_shape(session_.spec(), map);
    if (!expected.is_list())
        return std::unexpected(expected.error("the values of a queue are a list"));
    std::vector<Bytes> actual;
    while (auto value = session_.pop(index)) actual.push_back(std::move(*value));
    const std::string name = printable(map.name);
    if (actual.size() != expected.items.size()) {
        std::vector<std::string> lines = {
            fmt::format("expected {} values, actual {}", expected.items.size(), actual.size())};
        for (const Bytes& value : actual) lines.push_back(to_text(shape, value));
        fail(expected, fmt::format("map '{}'", name), std::move(lines));
    }
    for (size_t i = 0; i < std::min(actual.size(), expected.items.size()); i++) {
        const Value wanted = SKEP_TRY(encode(shape, expected.items[i]));
        if (!wanted.matches(actual[i]))
            fail(expected.items[i], fmt::format("map '{}', value {}", name, i),
                 differences(shape, wanted, actual[i]));
    }
    return {};
}

Result<void> Checks::globals(const Yaml& expected) {
    for (size_t i = 0; i < expected.keys.size(); i++) {
        const Global global = SKEP_TRY(find_global(session_.spec(), expected.keys[i]));
        const Value wanted = SKEP_TRY(encode(global.shape, expected.items[i]));
        const uint32_t zero = 0;
        const auto section = SKEP_TRY(session_.lookup(global.map, bytes_of(zero)));
        const auto actual =
            section ? slice(*section, global.offset, global.shape.size) : std::nullopt;
        if (!actual)
            fail(expected.keys[i], expected.keys[i].text, {"it cannot be read"});
        else if (!wanted.matches(*actual))
            fail(expected.keys[i], fmt::format("global '{}'", printable(expected.keys[i].text)),
                 differences(global.shape, wanted, *actual));
    }
    return {};
}

Result<void> Checks::events(const Yaml& expected, const std::vector<Record>& records) {
    for (size_t i = 0; i < expected.keys.size(); i++) {
        const size_t index = SKEP_TRY(find_map(session_.spec(), expected.keys[i]));
        const MapType type = session_.spec().maps[index].type;
        if (type != MapType::Ringbuf && type != MapType::PerfEventArray)
            return std::unexpected(expected.keys[i].error(
                fmt::format("map '{}' of type {} is no source of events",
                            printable(expected.keys[i].text), to_string(type)),
                "what it holds is expected under 'maps'"));
        SKEP_TRY(map_events(index, expected.items[i], records));
    }
    return {};
}

Result<void> Checks::map_events(size_t index, const Yaml& expected,
                                const std::vector<Record>& records) {
    const object::ObjectSpec& spec = session_.spec();
    const std::string& name = spec.maps[index].name;
    if (!expected.is_list())
        return std::unexpected(expected.error("events are a list, in their order"));
    std::vector<const Record*> actual;
    for (const Record& record : records)
        if (record.map == index) actual.push_back(&record);
    std::optional<uint32_t> type;
    if (const Yaml* named = test_.event_types ? test_.event_types->find(name) : nullptr) {
        const auto found = spec.btf ? spec.btf->find(named->text, btf::Kind::Struct) : std::nullopt;
        if (!found)
            return std::unexpected(
                named->error(fmt::format("the object has no struct {}", named->describe())));
        type = found->id();
    }
    const auto shape_of = [&](const Record* record) {
        const size_t size = record ? record->bytes.size() : 0;
        const auto id = type       ? type
                        : spec.btf ? object::event_type(*spec.btf, name, size)
                                   : std::nullopt;
        const uint32_t known = id ? spec.btf->size_of(*id).value_or(0) : 0;
        return Shape{spec.btf.get(), id.value_or(0), id ? known : uint32_t(size)};
    };
    const size_t count = std::max(actual.size(), expected.items.size());
    for (size_t i = 0; i < count; i++) {
        const Record* record = i < actual.size() ? actual[i] : nullptr;
        const Shape shape = shape_of(record);
        const std::string what = fmt::format("events of '{}', number {}", printable(name), i + 1);
        if (i >= expected.items.size()) {
            fail(expected, what, {"expected none, actual " + to_text(shape, record->bytes)});
            continue;
        }
        const Yaml& item = expected.items[i];
        if (!record) {
            fail(item, what, {fmt::format("expected {}, actual none", item.to_string())});
            continue;
        }
        if (item.is_plain() && item.text == "any") continue;
        const Value wanted = SKEP_TRY(encode(shape, item));
        if (!wanted.matches(record->bytes))
            fail(item, what, differences(shape, wanted, record->bytes));
    }
    return {};
}

Result<void> Checks::printk(const Yaml& expected, const std::vector<std::string>& lines) {
    std::vector<std::string> wanted;
    if (expected.is_scalar()) wanted.push_back(expected.text);
    if (expected.is_map())
        return std::unexpected(expected.error("a list of lines should stand here"));
    for (const Yaml& item : expected.items) wanted.push_back(item.text);
    for (size_t i = 0; i < std::max(wanted.size(), lines.size()); i++) {
        const Yaml& at = i < expected.items.size() ? expected.items[i] : expected;
        if (i < wanted.size() && i < lines.size() && like(lines[i], wanted[i])) continue;
        std::vector<std::string> diff;
        diff.push_back(i < wanted.size() ? fmt::format("expected \"{}\"", printable(wanted[i]))
                                         : "expected no more lines");
        diff.push_back(i < lines.size() ? fmt::format("actual   \"{}\"", printable(lines[i]))
                                        : "actual   no more lines");
        fail(at, fmt::format("printk, line {}", i + 1), std::move(diff));
    }
    return {};
}

}  // namespace skep::test
