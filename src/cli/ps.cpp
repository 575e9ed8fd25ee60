// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/json.hpp"
#include "base/table.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "kernel/bpf.hpp"
#include "kernel/listing.hpp"
#include "object/describe.hpp"
#include "runtime/map_file.hpp"
#include "skep/runtime.hpp"

namespace skep::cli {

namespace {

using kernel::Attachment;
using kernel::Holder;
using kernel::LinkRow;
using kernel::Listing;
using kernel::MapRow;
using kernel::ProgRow;

/// A map that the embedded runtime has pinned: a file.
struct PinnedHere {
    std::string path;
    runtime::MapFile::Contents contents;
    size_t elements = 0;
};

struct Options {
    std::optional<std::string> what;
    std::optional<uint64_t> seconds;
    bool json = false;

    bool shows(std::string_view kind) const { return !what || *what == kind; }
};

/// Those of this user's directory. A file that cannot be read is left out, with its reason.
std::vector<PinnedHere> find_pinned_here(std::vector<std::string>& unseen) {
    std::vector<PinnedHere> found;
    const auto runtime = Runtime::open(Place::Embedded);
    if (!runtime) return found;
    std::error_code error;
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(runtime->pin_directory(), error))
        if (runtime::MapFile::is_one(entry.path())) paths.push_back(entry.path());
    std::ranges::sort(paths);
    for (const std::string& path : paths) {
        auto contents = runtime::MapFile::read(path);
        if (!contents) {
            unseen.push_back(contents.error().message);
            continue;
        }
        PinnedHere pin{.path = path, .contents = std::move(*contents)};
        maps::Map& map = *pin.contents.map;
        Bytes key(map.def().key_size), next(map.def().key_size);
        for (const void* from = nullptr; map.next_key(from, next.data()) == 0; from = key.data()) {
            key = next;
            pin.elements++;
        }
        found.push_back(std::move(pin));
    }
    return found;
}

std::string or_dash(std::string text) {
    return text.empty() ? "-" : printable(text);
}

/// A few items, and how many more there are.
std::string some(const std::vector<std::string>& items) {
    constexpr size_t kShown = 3;
    if (items.size() <= kShown) return or_dash(fmt::format("{}", fmt::join(items, ", ")));
    const std::vector<std::string> first(items.begin(), items.begin() + kShown);
    return printable(fmt::format("{}, +{}", fmt::join(first, ", "), items.size() - kShown));
}

template <typename Row>
std::string held_by(const Row& row) {
    std::vector<std::string> items = row.pins;
    for (const Holder& holder : row.holders)
        items.push_back(fmt::format("{}[{}]", holder.comm, holder.pid));
    return some(items);
}

std::string at_hook(const Attachment& at, bool with_link) {
    std::string text = at.hook;
    if (!at.target.empty()) text += ' ' + at.target;
    if (with_link && at.link_id != 0) text += fmt::format(" (link {})", at.link_id);
    return text;
}

std::string attached_to(const ProgRow& prog) {
    std::vector<std::string> items;
    for (const Attachment& at : prog.attached) items.push_back(at_hook(at, true));
    if (items.empty() && !prog.target.empty()) items.push_back("for " + prog.target);
    return some(items);
}

std::string ids(const std::vector<uint32_t>& numbers) {
    std::vector<std::string> items;
    for (const uint32_t number : numbers) items.push_back(fmt::to_string(number));
    return some(items);
}

std::string tables(const Listing& listing, const std::vector<PinnedHere>& pins,
                   const Options& options, const Terminal& terminal) {
    std::string out;
    const auto put = [&](std::string_view title, const Table& table) {
        if (!out.empty()) out += '\n';
        out += terminal.paint(Style::Bold, title) + '\n';
        out += table.empty() ? "none\n" : table.to_string();
    };
    if (options.shows("progs")) {
        const bool stats = std::ranges::any_of(listing.progs, [](auto& p) { return p.runs != 0; });
        std::vector<std::string> headers = {">ID", "TYPE", "NAME", "ATTACHED TO", "MAPS"};
        if (stats || options.seconds) headers.insert(headers.end(), {">RUNS", ">NS/RUN"});
        headers.push_back("HELD BY");
        Table table(headers);
        for (const ProgRow& prog : listing.progs) {
            std::vector<std::string> row = {fmt::to_string(prog.id),
                                            std::string(to_string(prog.type)), or_dash(prog.name),
                                            attached_to(prog), ids(prog.maps)};
            if (stats || options.seconds) {
                row.push_back(fmt::to_string(prog.runs));
                row.push_back(prog.runs ? fmt::to_string(prog.run_ns / prog.runs) : "-");
            }
            row.push_back(held_by(prog));
            table.row(std::move(row));
        }
        put("PROGRAMS", table);
    }
    if (options.shows("links")) {
        Table table({">ID", "TYPE", ">PROG", "ATTACHED TO", "HELD BY"});
        for (const LinkRow& link : listing.links)
            table.row({fmt::to_string(link.id), std::string(to_string(link.type)),
                       fmt::to_string(link.prog_id), or_dash(at_hook(link.at, false)),
                       held_by(link)});
        put("LINKS", table);
    }
    if (options.shows("maps")) {
        Table table({">ID", "TYPE", "NAME", ">KEY", ">VALUE", ">ENTRIES", "USED BY", "HELD BY"});
        for (const MapRow& map : listing.maps)
            table.row({fmt::to_string(map.id), std::string(to_string(map.type)), or_dash(map.name),
                       fmt::to_string(map.key_size), fmt::to_string(map.value_size),
                       fmt::to_string(map.max_entries), ids(map.progs), held_by(map)});
        put("MAPS", table);
    }
    if (!pins.empty() || options.what == "pins") {
        Table table({"PATH", "TYPE", "NAME", ">KEY", ">VALUE", ">ELEMENTS", ">ENTRIES"});
        for (const PinnedHere& pin : pins) {
            const maps::MapDef& def = pin.contents.map->def();
            table.row({printable(pin.path), std::string(to_string(def.type)), or_dash(def.name),
                       fmt::to_string(def.key_size), fmt::to_string(def.value_size),
                       fmt::to_string(pin.elements), fmt::to_string(def.max_entries)});
        }
        put("PINNED MAPS OF THE EMBEDDED RUNTIME", table);
    }
    return out;
}

template <typename Row>
void put_holders(JsonWriter& json, const Row& row) {
    json.key("pinned").begin_array();
    for (const std::string& path : row.pins) json.value(path);
    json.end_array().key("pids").begin_array();
    for (const Holder& holder : row.holders)
        json.begin_object()
            .key("pid")
            .value(holder.pid)
            .key("comm")
            .value(holder.comm)
            .end_object();
    json.end_array();
}

void put_attachment(JsonWriter& json, const Attachment& at) {
    json.key("hook").value(at.hook).key("target").value(at.target);
}

void put_numbers(JsonWriter& json, std::string_view key, const std::vector<uint32_t>& numbers) {
    json.key(key).begin_array();
    for (const uint32_t number : numbers) json.value(number);
    json.end_array();
}

/// Seconds since 1970 of a time since boot.
int64_t wall_clock(uint64_t since_boot_ns) {
    timespec boot{}, now{};
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec - boot.tv_sec + static_cast<int64_t>(since_boot_ns / 1'000'000'000);
}

void put_prog(JsonWriter& json, const ProgRow& prog) {
    json.begin_object().key("id").value(prog.id);
    json.key("type").value(to_string(prog.type)).key("name").value(prog.name);
    json.key("tag").value(prog.tag).key("gpl").value(prog.gpl);
    if (!prog.target.empty()) json.key("for").value(prog.target);
    json.key("uid").value(prog.uid).key("loaded_at").value(wall_clock(prog.loaded_ns));
    json.key("insns").value(prog.insns).key("jited_bytes").value(prog.jited_bytes);
    json.key("btf_id").value(prog.btf_id);
    put_numbers(json, "map_ids", prog.maps);
    json.key("runs").value(prog.runs).key("run_ns").value(prog.run_ns);
    json.key("misses").value(prog.misses);
    json.key("attached").begin_array();
    for (const Attachment& at : prog.attached) {
        json.begin_object();
        put_attachment(json, at);
        if (at.link_id != 0) json.key("link_id").value(at.link_id);
        json.end_object();
    }
    json.end_array();
    put_holders(json, prog);
    json.end_object();
}

std::string as_json(const Listing& listing, const std::vector<PinnedHere>& pins,
                    const Options& options) {
    JsonWriter json;
    json.begin_object();
    if (options.shows("progs")) {
        json.key("progs").begin_array();
        for (const ProgRow& prog : listing.progs) put_prog(json, prog);
        json.end_array();
    }
    if (options.shows("links")) {
        json.key("links").begin_array();
        for (const LinkRow& link : listing.links) {
            json.begin_object().key("id").value(link.id).key("type").value(to_string(link.type));
            json.key("prog_id").value(link.prog_id);
            put_attachment(json, link.at);
            put_holders(json, link);
            json.end_object();
        }
        json.end_array();
    }
    if (options.shows("maps")) {
        json.key("maps").begin_array();
        for (const MapRow& map : listing.maps) {
            json.begin_object().key("id").value(map.id).key("type").value(to_string(map.type));
            json.key("name").value(map.name).key("key_size").value(map.key_size);
            json.key("value_size").value(map.value_size);
            json.key("max_entries").value(map.max_entries).key("flags").begin_array();
            for (const std::string& flag : object::flag_names(map.flags)) json.value(flag);
            json.end_array().key("btf_id").value(map.btf_id);
            put_numbers(json, "prog_ids", map.progs);
            put_holders(json, map);
            json.end_object();
        }
        json.end_array();
    }
    if (options.shows("pins")) {
        json.key("pins").begin_array();
        for (const PinnedHere& pin : pins) {
            const maps::MapDef& def = pin.contents.map->def();
            json.begin_object().key("path").value(pin.path).key("type").value(to_string(def.type));
            json.key("name").value(def.name).key("key_size").value(def.key_size);
            json.key("value_size").value(def.value_size).key("max_entries").value(def.max_entries);
            json.key("elements").value(pin.elements).end_object();
        }
        json.end_array();
    }
    json.key("unseen").begin_array();
    for (const std::string& text : listing.unseen) json.value(text);
    json.end_array().end_object();
    return json.text() + '\n';
}

/// What ran in these seconds, and not before.
Result<Listing> counted(uint64_t seconds) {
    const UniqueFd on = SKEP_TRY(kernel::enable_stats());
    const Listing before = SKEP_TRY(kernel::list_objects());
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    Listing now = SKEP_TRY(kernel::list_objects());
    for (ProgRow& prog : now.progs) {
        const auto old = std::ranges::find(before.progs, prog.id, &ProgRow::id);
        if (old == before.progs.end()) continue;
        prog.runs -= std::min(prog.runs, old->runs);
        prog.run_ns -= std::min(prog.run_ns, old->run_ns);
        prog.misses -= std::min(prog.misses, old->misses);
    }
    return now;
}

Result<int> ps(const Options& options, Context& context) {
    Listing listing;
    if (options.what != "pins")
        listing = SKEP_TRY(options.seconds ? counted(*options.seconds) : kernel::list_objects());
    std::vector<PinnedHere> pins;
    if (options.shows("pins")) pins = find_pinned_here(listing.unseen);
    SKEP_TRY(context.terminal.print(options.json
                                        ? as_json(listing, pins, options)
                                        : tables(listing, pins, options, context.terminal)));
    for (const std::string& unseen : listing.unseen)
        if (!options.json) context.terminal.note("not seen: " + unseen);
    return kDone;
}

Action declare(Arguments& args) {
    auto options = std::make_shared<Options>();
    args.operand("WHAT", options->what, "only these").choices = {"progs", "links", "maps", "pins"};
    args.option("--stats", "SECONDS", options->seconds,
                "count runs and their time for so long (all programs get slower by some 20 ns)");
    args.flag("--json", options->json, "one JSON object, with all that is known");
    return [options](Context& context) { return ps(*options, context); };
}

}  // namespace

const Command kPs = {
    .name = "ps",
    .summary = "what is loaded into the kernel, where it is attached, who holds it",
    .description =
        "Programs, links and maps of everybody, skep's or not: what programs are attached\n"
        "to (by links, netlink, clsact filters, control groups, perf events), which\n"
        "processes hold objects and where they are pinned. Interfaces are those of this\n"
        "network namespace. Needs root, or CAP_SYS_ADMIN; pins, the maps that programs in\n"
        "this user's processes have pinned, need nothing.",
    .examples =
        "sudo skep ps\n"
        "skep ps pins\n"
        "sudo skep ps progs --stats 5       # what runs how often, and for how long\n"
        "sudo skep ps --json | jq '.progs[] | select(.attached == [])'\n",
    .declare = declare,
};

}  // namespace skep::cli
