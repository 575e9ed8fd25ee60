// SPDX-License-Identifier: Apache-2.0
#include "cli/run_output.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>

#include "base/hex.hpp"
#include "base/json.hpp"
#include "base/table.hpp"
#include "base/text.hpp"
#include "btf/print.hpp"
#include "cli/map_dump.hpp"
#include "object/event_type.hpp"
#include "packet/summary.hpp"

namespace skep::cli {

namespace {

/// "pid=812 comm=\"cat\""
std::string fields_text(const btf::Btf& btf, uint32_t id, ByteView bytes) {
    const btf::Type type = btf.type(id);
    if (type.kind() != btf::Kind::Struct) return btf::print_c(btf, id, bytes);
    std::string out;
    for (const btf::Member member : type.members()) {
        const auto size = btf.size_of(member.type);
        const auto field = size ? slice(bytes, member.bit_offset / 8, *size) : std::nullopt;
        if (member.name.empty() || member.bitfield_size != 0 || !field)
            return btf::print_c(btf, id, bytes);
        if (!out.empty()) out += ' ';
        out += fmt::format("{}={}", member.name, btf::print_c(btf, member.type, *field));
    }
    return out;
}

}  // namespace

void RunOutput::put(std::string_view text) {
    if (!result_) return;
    result_ = fd_ < 0 ? terminal_.print(text) : write_fd(fd_, bytes_of(text), "output");
}

void RunOutput::printk(std::string_view line) {
    if (!json_) return put(fmt::format("{}\n", line));
    JsonWriter json;
    json.begin_object().key("printk").value(line).end_object();
    put(json.text() + '\n');
}

void RunOutput::iterator(std::string_view prog, std::string_view text) {
    if (!json_) return put(text);
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.empty()) return;
    for (const std::string_view line : split(text, '\n')) {
        JsonWriter json;
        json.begin_object().key("iter").value(prog).key("line").value(line).end_object();
        put(json.text() + '\n');
    }
}

const std::optional<uint32_t>& RunOutput::event_type(const object::ObjectSpec& spec,
                                                     std::string_view map, size_t size) {
    if (const auto known = event_types_.find(map); known != event_types_.end())
        return known->second;
    std::optional<uint32_t> type;
    if (spec.btf) type = object::event_type(*spec.btf, map, size);
    return event_types_.emplace(map, type).first->second;
}

void RunOutput::record(const object::ObjectSpec& spec, std::string_view map, ByteView bytes) {
    const std::optional<uint32_t>& type = event_type(spec, map, bytes.size());
    if (!json_)
        return put(fmt::format("{}: {}\n", printable(map),
                               type ? fields_text(*spec.btf, *type, bytes) : to_hex(bytes)));
    JsonWriter json;
    json.begin_object().key("map").value(map).key("event");
    if (type)
        btf::print_json(*spec.btf, *type, bytes, json);
    else
        json.value(to_hex(bytes));
    put(json.end_object().text() + '\n');
}

void RunOutput::packet(const hooks::PacketEvent& event) {
    const std::string about = packet::summary(event.packet.link_type, event.packet.data);
    std::string verdict(event.verdict);
    if (!event.result.ran())
        verdict = fmt::format("not run: {}", hooks::to_string(event.result.skipped));
    else if (event.result.outcome.fault)
        verdict = "fault";
    if (!json_) return put(fmt::format("{:>5}  {:<10} {}\n", event.number, verdict, about));
    JsonWriter json;
    json.begin_object().key("packet").value(event.number).key("verdict").value(verdict);
    json.key("time_ns").value(event.packet.time_ns).key("length").value(event.packet.length);
    put(json.key("about").value(about).end_object().text() + '\n');
}

namespace {

/// How the programs ran.
std::string_view mode_of(const engine::Object& object) {
    size_t unchecked = 0, native = 0, optimised = 0;
    for (const auto& prog : object.progs()) {
        unchecked += prog->runs_unchecked();
        native += prog->native() != nullptr;
        optimised += prog->optimised() != nullptr;
    }
    const size_t all = object.progs().size();
    if (unchecked == 0) return "checked";
    if (optimised == all) return "optimised";
    return native == all ? "native" : native == 0 && unchecked == all ? "verified" : "mixed";
}

/// Why machine code was wanted and not made; usually empty.
std::string_view why_not_native(const engine::Object& object) {
    for (const auto& prog : object.progs())
        if (!prog->why_not_native().empty()) return prog->why_not_native();
    return {};
}

/// Likewise of better code than the baseline's.
std::string_view why_not_optimised(const engine::Object& object) {
    for (const auto& prog : object.progs())
        if (!prog->why_not_optimised().empty()) return prog->why_not_optimised();
    return {};
}

}  // namespace

/// The maps of an object, wherever they are.
struct RunOutput::MapsShown {
    std::string_view mode;
    std::string_view why_not_native, why_not_optimised;
    const object::ObjectSpec& spec;
    std::function<std::string(size_t)> text;
    std::function<void(size_t, JsonWriter&)> json;
};

void RunOutput::summary(const RunSummary& summary, const engine::Object& object,
                        const std::vector<size_t>& maps) {
    write_summary(summary,
                  {mode_of(object), why_not_native(object), why_not_optimised(object),
                   object.spec(), [&](size_t i) { return map_text(object, i); },
                   [&](size_t i, JsonWriter& json) { map_json(object, i, json); }},
                  maps);
}

void RunOutput::summary(const RunSummary& summary, const object::ObjectSpec& spec,
                        const Object& object, const std::vector<size_t>& maps) {
    write_summary(
        summary,
        {"verified", "", "", spec,
         [&](size_t i) { return map_text(spec.maps[i], spec.btf.get(), object); },
         [&](size_t i, JsonWriter& json) { map_json(spec.maps[i], spec.btf.get(), object, json); }},
        maps);
}

void RunOutput::write_summary(const RunSummary& summary, const MapsShown& shown,
                              const std::vector<size_t>& maps) {
    if (json_) {
        JsonWriter json;
        json.begin_object().key("summary").begin_object();
        json.key("prog").value(summary.prog).key("type").value(summary.type);
        json.key("mode").value(shown.mode);
        if (!shown.why_not_native.empty()) json.key("not_native").value(shown.why_not_native);
        if (!shown.why_not_optimised.empty())
            json.key("not_optimised").value(shown.why_not_optimised);
        json.key("events").value(summary.events).key("verdicts").begin_object();
        for (const auto& [name, count] : summary.verdicts) json.key(name).value(count);
        json.end_object().key("maps").begin_object();
        for (size_t i = 0; i < shown.spec.maps.size(); i++) {
            json.key(shown.spec.maps[i].name);
            shown.json(i, json);
        }
        json.end_object().key("faults").value(summary.faults).key("lost").value(summary.lost);
        json.key("ns_per_event").value(summary.ns_per_event);
        return put(json.end_object().end_object().text() + '\n');
    }
    Table table({"VERDICT", ">PACKETS"});
    for (const auto& [name, count] : summary.verdicts) table.row({name, fmt::to_string(count)});
    std::string out = table.empty() ? "" : table.to_string();
    for (const size_t index : maps) {
        if (!out.empty()) out += '\n';
        out += shown.text(index);
    }
    if (!out.empty()) put(out);
}

}  // namespace skep::cli
