// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "base/text.hpp"
#include "btf/declare.hpp"
#include "btf/parse.hpp"
#include "cli/command.hpp"
#include "cli/kernel_objects.hpp"
#include "cli/map_print.hpp"
#include "kernel/listing.hpp"
#include "kernel/running.hpp"
#include "object/describe.hpp"
#include "runtime/map_file.hpp"

namespace skep::cli {

namespace {

using kernel::ObjectKind;

struct Options {
    std::string action;
    std::string map;
    std::optional<std::string> first, second;
    std::string when = "any";
    std::optional<std::string> interval;
    std::optional<uint64_t> count;
    bool json = false;
};

/// A map with its types: one of the kernel, or the file of a pinned map of the embedded runtime.
class LiveMap {
  public:
    static Result<LiveMap> open(const std::string& name, uint32_t open_flags) {
        if (name.contains('/') && runtime::MapFile::is_one(name))
            return open_file(name, open_flags != BPF_F_RDONLY);
        KernelObject object = SKEP_TRY(find_kernel_object(name, ObjectKind::Map, open_flags));
        const bpf_map_info info = SKEP_TRY(kernel::map_info(object.fd.get()));
        LiveMap live;
        live.map_ = SKEP_TRY(kernel::Map::from_fd(std::move(object.fd)));
        live.shape_ = {.name = live.map_->info().name,
                       .type = live.map_->info().type,
                       .key_size = info.key_size,
                       .value_size = info.value_size,
                       .max_entries = info.max_entries};
        if (info.btf_vmlinux_value_type_id != 0) {  // struct_ops: a type of the kernel's
            live.types_ = kernel::running_types();
            live.shape_.value_type = info.btf_vmlinux_value_type_id;
        } else {
            live.types_ = kernel::TypeNames().types(info.btf_id);
            live.shape_.key_type = info.btf_key_type_id;
            live.shape_.value_type = info.btf_value_type_id;
        }
        live.shape_.btf = live.types_.get();
        return live;
    }

    /// Null for a file.
    const kernel::Map* map() const { return map_ ? &*map_ : nullptr; }
    const maps::MapDef& file_def() const { return kept_.map->def(); }
    bool frozen() const { return map_ ? map_->frozen() : kept_.map->frozen(); }
    const MapShape& shape() const { return shape_; }
    MapPrinter printer() const { return MapPrinter(shape_); }

    Result<std::vector<MapElement>> elements() const {
        std::vector<MapElement> all;
        if (kept_.map) return kept_elements();
        if (shape_.key_size == 0) {  // queue, stack: what would come next
            auto next = map_->lookup({});
            if (!next) return std::unexpected(no_elements(std::move(next).error()));
            if (*next) all.push_back({{}, std::move(**next)});
            return all;
        }
        auto entries = map_->entries();
        if (!entries) return std::unexpected(no_elements(std::move(entries).error()));
        for (kernel::MapEntry& entry : *entries)
            all.push_back({std::move(entry.key), std::move(entry.value)});
        return all;
    }

    Result<std::optional<Bytes>> lookup(const Bytes& key) const {
        if (map_) return map_->lookup(key);
        Bytes value(kept_.map->user_value_size());
        const int error = kept_.map->user_lookup(key.data(), value.data());
        if (error == -ENOENT) return std::nullopt;
        if (error) return std::unexpected(failed(error));
        return std::optional(std::move(value));
    }

    Result<void> update(const Bytes& key, const Bytes& value, uint64_t flags) const {
        if (map_) return map_->update(key, value, flags);
        if (const int error = kept_.map->user_update(key.data(), value.data(), flags))
            return std::unexpected(failed(error));
        return file_->save(*kept_.map, kept_.types);
    }

    /// False where there is no such element.
    Result<bool> erase(const Bytes& key) const {
        if (map_) return map_->erase(key);
        const int error = kept_.map->user_erase(key.data());
        if (error == -ENOENT) return false;
        if (error) return std::unexpected(failed(error));
        SKEP_TRY(file_->save(*kept_.map, kept_.types));
        return true;
    }

    Result<Bytes> parse_key(const std::string& text) const {
        auto key = parse(shape_.key_type, shape_.key_size, text);
        if (!key) return std::unexpected(std::move(key).error().in("key"));
        return key;
    }

    /// Of all CPUs: the same for each, or a list with as many as there are.
    Result<Bytes> parse_value(const std::string& text) const {
        if (!is_per_cpu(shape_.type)) return parse_one(text);
        const std::vector<std::string> items = split_list(text);
        const uint32_t cpus = kernel::possible_cpus();
        if (!items.empty() && items.size() != cpus)
            return fail(ErrorCode::Usage, "value: a list of {} values, one a CPU, not {}", cpus,
                        items.size());
        Bytes all;
        for (uint32_t cpu = 0; cpu < cpus; cpu++) {
            append(all, ByteView(SKEP_TRY(parse_one(items.empty() ? text : items[cpu]))));
            all.resize(align_up(all.size(), 8));
        }
        return all;
    }

  private:
    LiveMap() = default;

    /// Whoever writes is the one process that has it open.
    static Result<LiveMap> open_file(const std::string& path, bool writes) {
        LiveMap live;
        if (writes) live.file_ = SKEP_TRY(runtime::MapFile::open(path));
        live.kept_ = SKEP_TRY(runtime::MapFile::read(path));
        const maps::MapDef& def = live.kept_.map->def();
        live.types_ = live.kept_.types.btf;
        live.shape_ = {.name = def.name,
                       .type = def.type,
                       .key_size = def.key_size,
                       .value_size = def.value_size,
                       .max_entries = def.max_entries,
                       .btf = live.types_.get(),
                       .key_type = live.kept_.types.key_type_id,
                       .value_type = live.kept_.types.value_type_id};
        return live;
    }

    Result<std::vector<MapElement>> kept_elements() const {
        std::vector<MapElement> all;
        Bytes key(shape_.key_size), next(shape_.key_size);
        for (const void* from = nullptr; kept_.map->next_key(from, next.data()) == 0;) {
            key = next;
            from = key.data();
            if (auto value = SKEP_TRY(lookup(key))) all.push_back({key, std::move(*value)});
        }
        return all;
    }

    Error failed(int error) const {
        return sys_error(fmt::format("map '{}'", printable(shape_.name)), -error);
    }

    Result<Bytes> parse(uint32_t type, uint32_t size, const std::string& text) const {
        if (types_ && type != 0) return btf::parse_value(*types_, type, text);
        return btf::parse_bytes(size, text);
    }
    Result<Bytes> parse_one(const std::string& text) const {
        auto value = parse(shape_.value_type, shape_.value_size, text);
        if (!value) return std::unexpected(std::move(value).error().in("value"));
        return value;
    }

    /// "[1, 2]" -> its items. Where values are arrays themselves, a list of lists. Empty where the
    /// text is one value.
    std::vector<std::string> split_list(std::string_view text) const {
        text = trim(text);
        if (!text.starts_with('[') || !text.ends_with(']')) return {};
        text = text.substr(1, text.size() - 2);
        const bool arrays = types_ && shape_.value_type != 0 &&
                            types_->resolve(shape_.value_type).kind() == btf::Kind::Array;
        if (arrays && !trim(text).starts_with('[')) return {};
        std::vector<std::string> items(1);
        int depth = 0;
        char quote = 0;
        for (const char c : text) {
            if (quote) {
                if (c == quote) quote = 0;
            } else if (c == '"' || c == '\'') {
                quote = c;
            } else if (c == '{' || c == '[') {
                depth++;
            } else if (c == '}' || c == ']') {
                depth--;
            } else if (c == ',' && depth == 0) {
                items.emplace_back();
                continue;
            }
            items.back() += c;
        }
        return items;
    }

    Error no_elements(Error error) const {
        constexpr int kNotSupported = 524;  // the kernel's own
        if (error.sys_errno == EOPNOTSUPP || error.sys_errno == kNotSupported ||
            error.sys_errno == EINVAL) {
            error.code = ErrorCode::Unsupported;
            error.hint = fmt::format("a {} has no elements that can be read from outside",
                                     to_string(shape_.type));
        }
        return error;
    }

    std::optional<kernel::Map> map_;
    runtime::MapFile::Contents kept_ = {};
    std::unique_ptr<runtime::MapFile> file_;  ///< held while it is written
    std::shared_ptr<const btf::Btf> types_;
    MapShape shape_;
};

std::string type_text(const MapShape& shape, uint32_t type, uint32_t size) {
    if (shape.btf && type != 0) {
        const btf::Type resolved = shape.btf->type(type);
        return resolved.kind() == btf::Kind::Datasec
                   ? fmt::format("{} ({} bytes)", resolved.name(), size)
                   : fmt::format("{} ({} bytes)", btf::c_type(*shape.btf, type), size);
    }
    return fmt::format("{} bytes", size);
}

Result<int> show(const Options& options, Context& context) {
    const LiveMap live = SKEP_TRY(LiveMap::open(options.map, BPF_F_RDONLY));
    const MapShape& shape = live.shape();
    const uint32_t id = live.map() ? live.map()->info().id : 0;  // files have none
    const std::vector<std::string> flags =
        object::flag_names(live.map() ? live.map()->info().flags : live.file_def().flags);
    // The listing adds who holds it and where it is pinned, where this user may see that.
    const auto listing = live.map() ? kernel::list_objects() : kernel::Listing();
    const kernel::MapRow* row = nullptr;
    if (listing)
        for (const kernel::MapRow& one : listing->maps)
            if (one.id == id) row = &one;
    std::vector<std::string> progs, holders;
    if (row) {
        for (const uint32_t prog : row->progs) progs.push_back(fmt::to_string(prog));
        for (const kernel::Holder& one : row->holders)
            holders.push_back(fmt::format("{}[{}]", one.comm, one.pid));
    }
    std::vector<std::string> pins = row ? row->pins : std::vector<std::string>();
    if (!live.map()) pins.push_back(options.map);
    if (options.json) {
        JsonWriter json;
        json.begin_object().key("id").value(id).key("name").value(shape.name);
        json.key("type").value(to_string(shape.type)).key("key_size").value(shape.key_size);
        json.key("value_size").value(shape.value_size).key("max_entries").value(shape.max_entries);
        if (shape.btf && shape.key_type != 0)
            json.key("key_type").value(btf::c_type(*shape.btf, shape.key_type));
        if (shape.btf && shape.value_type != 0)
            json.key("value_type").value(btf::c_type(*shape.btf, shape.value_type));
        json.key("flags").begin_array();
        for (const std::string& flag : flags) json.value(flag);
        json.end_array().key("frozen").value(live.frozen());
        json.key("pinned").begin_array();
        for (const std::string& path : pins) json.value(path);
        json.end_array().key("prog_ids").begin_array();
        for (const std::string& prog : progs) json.raw(prog);
        json.end_array().end_object();
        SKEP_TRY(context.terminal.print(json.text() + '\n'));
        return kDone;
    }
    std::string out;
    const auto line = [&](std::string_view name, std::string text) {
        out += fmt::format("{:<8} {}\n", name, text.empty() ? "-" : printable(text));
    };
    line("map", live.map() ? fmt::format("{} (id {})", shape.name, id) : shape.name);
    line("type", std::string(to_string(shape.type)));
    line("key", type_text(shape, shape.key_type, shape.key_size));
    line("value", type_text(shape, shape.value_type, shape.value_size) +
                      (is_per_cpu(shape.type) ? " for each CPU" : ""));
    line("entries", fmt::format("at most {}", shape.max_entries));
    line("flags", fmt::format("{}{}", fmt::join(flags, ", "),
                              live.frozen() ? " (frozen: no writes from outside)" : ""));
    line("used by", progs.empty() ? "" : fmt::format("programs {}", fmt::join(progs, ", ")));
    line("pinned", fmt::format("{}", fmt::join(pins, ", ")));
    line("held by", fmt::format("{}", fmt::join(holders, ", ")));
    SKEP_TRY(context.terminal.print(out));
    return kDone;
}

Result<int> dump(const Options& options, Context& context) {
    const LiveMap live = SKEP_TRY(LiveMap::open(options.map, BPF_F_RDONLY));
    std::vector<MapElement> elements = SKEP_TRY(live.elements());
    std::string out;
    if (options.json) {
        JsonWriter json;
        live.printer().json(std::move(elements), json);
        out = json.text() + '\n';
    } else {
        out = live.printer().text(std::move(elements));
    }
    SKEP_TRY(context.terminal.print(out));
    return kDone;
}

Error missing(const LiveMap& live, ByteView key) {
    return {ErrorCode::Failed,
            fmt::format("map '{}' has no element {}", printable(live.shape().name),
                        live.printer().key_text(key)),
            {},
            ENOENT};
}

Result<int> get(const Options& options, Context& context) {
    const LiveMap live = SKEP_TRY(LiveMap::open(options.map, BPF_F_RDONLY));
    MapElement element;
    if (live.shape().key_size != 0) {
        if (!options.first) return fail(ErrorCode::Usage, "KEY is missing");
        element.key = SKEP_TRY(live.parse_key(*options.first));
    }
    auto value = SKEP_TRY(live.lookup(element.key));
    if (!value) {
        context.terminal.report(missing(live, element.key));
        return kNo;
    }
    element.value = std::move(*value);
    std::string out;
    if (options.json) {
        JsonWriter json;
        json.begin_object().key("key");
        live.printer().put_key(json, element.key);
        json.key("value");
        live.printer().put_value(json, element);
        json.end_object();
        out = json.text() + '\n';
    } else if (is_per_cpu(live.shape().type)) {
        const std::vector<ByteView> copies = live.printer().values(element);
        JsonWriter json;
        for (size_t cpu = 0; cpu < copies.size(); cpu++) {
            const Bytes one(copies[cpu].begin(), copies[cpu].end());
            MapShape single = live.shape();
            single.type = MapType::Hash;
            out += fmt::format("cpu {}: {}\n", cpu, MapPrinter(single).value_text({{}, one}));
        }
    } else {
        out = live.printer().value_text(element) + '\n';
    }
    SKEP_TRY(context.terminal.print(out));
    return kDone;
}

/// Maps of maps and of programs take a descriptor where they show an id.
std::optional<ObjectKind> held_kind(MapType type) {
    if (type == MapType::ProgArray) return ObjectKind::Prog;
    if (type == MapType::ArrayOfMaps || type == MapType::HashOfMaps) return ObjectKind::Map;
    return std::nullopt;
}

Result<int> set(const Options& options, Context&) {
    const LiveMap live = SKEP_TRY(LiveMap::open(options.map, 0));
    const bool keyed = live.shape().key_size != 0;
    const auto& text = keyed ? options.second : options.first;
    if (!text) return fail(ErrorCode::Usage, "{} is missing", options.first ? "VALUE" : "KEY");
    if (!keyed && options.second)
        return fail(ErrorCode::Usage, "a {} has no keys: skep map set MAP VALUE",
                    to_string(live.shape().type));
    const Bytes key = keyed ? SKEP_TRY(live.parse_key(*options.first)) : Bytes();
    const uint64_t flags = options.when == "new"        ? BPF_NOEXIST
                           : options.when == "existing" ? BPF_EXIST
                                                        : BPF_ANY;
    if (const auto kind = held_kind(live.shape().type); kind && live.map()) {
        const KernelObject object = SKEP_TRY(find_kernel_object(*text, *kind));
        SKEP_TRY(live.map()->update_fd(key, object.fd.get(), flags));
    } else {
        SKEP_TRY(live.update(key, SKEP_TRY(live.parse_value(*text)), flags));
    }
    return kDone;
}

Result<int> remove(const Options& options, Context& context) {
    const LiveMap live = SKEP_TRY(LiveMap::open(options.map, 0));
    if (live.shape().key_size == 0 && live.map()) {  // a queue gives its next
        auto value = SKEP_TRY(live.map()->lookup_and_delete({}));
        if (!value) context.terminal.report(missing(live, {}));
        return value ? kDone : kNo;
    }
    if (!options.first) return fail(ErrorCode::Usage, "KEY is missing");
    const Bytes key = SKEP_TRY(live.parse_key(*options.first));
    const bool there = SKEP_TRY(live.erase(key));
    if (!there) context.terminal.report(missing(live, key));
    return there ? kDone : kNo;
}

/// One line, or one JSON object, for each element that is not as it was.
std::string changes(const LiveMap& live, const std::map<Bytes, Bytes>& before,
                    const std::vector<MapElement>& now, bool as_json) {
    const MapPrinter printer = live.printer();
    std::string out;
    const auto put = [&](std::string_view what, const MapElement& element, const Bytes* old) {
        if (as_json) {
            JsonWriter json;
            json.begin_object().key("change").value(what).key("key");
            printer.put_key(json, element.key);
            json.key("value");
            printer.put_value(json, element);
            if (old) {
                json.key("before");
                printer.put_value(json, {element.key, *old});
            }
            json.end_object();
            out += json.text() + '\n';
            return;
        }
        const char mark = what == "new" ? '+' : what == "gone" ? '-' : '~';
        out += fmt::format("{} {}: ", mark, printer.key_text(element.key));
        if (old) out += printer.value_text({element.key, *old}) + " -> ";
        out += printer.value_text(element) + '\n';
    };
    std::map<Bytes, Bytes> left = before;
    for (const MapElement& element : now) {
        const auto old = left.find(element.key);
        if (old == left.end()) {
            put("new", element, nullptr);
            continue;
        }
        if (old->second != element.value) put("changed", element, &old->second);
        left.erase(old);
    }
    for (const auto& [key, value] : left) put("gone", {key, value}, nullptr);
    return out;
}

Result<int> watch(const Options& options, Context& context) {
    char* end = nullptr;
    const std::string interval = options.interval.value_or("1");
    const double seconds = std::strtod(interval.c_str(), &end);
    if (*end || interval.empty() || !(seconds >= 0.001 && seconds <= 86400))
        return fail(ErrorCode::Usage, "--interval: '{}' is not a number of seconds",
                    printable(interval));
    const LiveMap live = SKEP_TRY(LiveMap::open(options.map, BPF_F_RDONLY));
    std::map<Bytes, Bytes> known;
    for (uint64_t round = 0; !options.count || round < *options.count; round++) {
        std::vector<MapElement> now = SKEP_TRY(live.elements());
        live.printer().sort(now);
        if (const std::string out = changes(live, known, now, options.json); !out.empty())
            SKEP_TRY(context.terminal.print(out));
        known.clear();
        for (MapElement& element : now)
            known.emplace(std::move(element.key), std::move(element.value));
        if (!options.count || round + 1 < *options.count)
            std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    }
    return kDone;
}

struct ActionRow {
    const char* name;
    Result<int> (*run)(const Options&, Context&);
    int operands;  ///< behind MAP, at most
};
constexpr ActionRow kActions[] = {{"show", show, 0}, {"dump", dump, 0},     {"get", get, 1},
                                  {"set", set, 2},   {"delete", remove, 1}, {"watch", watch, 0}};

Result<int> run_action(const Options& options, Context& context) {
    for (const ActionRow& row : kActions) {
        if (row.name != options.action) continue;
        const auto& extra = row.operands == 0 ? options.first : options.second;
        if (row.operands < 2 && extra)
            return fail(ErrorCode::Usage, "unexpected argument '{}'", printable(*extra));
        return row.run(options, context);
    }
    return fail(ErrorCode::Usage, "unknown action '{}'", printable(options.action));
}

Action declare(Arguments& args) {
    auto options = std::make_shared<Options>();
    args.operand("ACTION", options->action, "what to do").choices = {"show", "dump",   "get",
                                                                     "set",  "delete", "watch"};
    args.operand("MAP", options->map,
                 "its id, name, or path where it is pinned, also by a process of skep");
    args.operand("KEY", options->first, "of get, set, delete");
    args.operand("VALUE", options->second, "of set");
    args.option("--when", "STATE", options->when, "set: only if the element is so").choices = {
        "any", "new", "existing"};
    args.option("--interval", "SECONDS", options->interval, "watch: how often to look (1)");
    args.option("--count", "N", options->count, "watch: stop after so many looks");
    args.flag("--json", options->json, "JSON, as skep run writes it; watch: an object a line");
    return [options](Context& context) { return run_action(*options, context); };
}

}  // namespace

const Command kMap = {
    .name = "map",
    .summary = "read and write maps in the kernel",
    .description =
        "Keys and values are shown as the C types that the map's BTF gives them, and read\n"
        "in the same way: numbers, enumerators, strings, { .a = 1, .b = 2 } or JSON, or\n"
        "hex:0a0b for the bytes of anything. Values of per-CPU maps are lists; one value\n"
        "sets all. Prog arrays and maps of maps show ids, and take an id, a name or a pin.\n"
        "get and delete say no (1) where there is no such element.",
    .examples =
        "sudo skep map dump packets\n"
        "sudo skep map get 12 TCP\n"
        "sudo skep map set allowed '{ .addr = 0x0a000001, .port = 80 }' true\n"
        "sudo skep map set /sys/fs/bpf/jmp_table 2 parse_udp    # a program, by name\n"
        "sudo skep map watch packets --interval 0.5\n"
        "skep map dump /run/user/1000/skep/seen    # pinned by a program in a process\n",
    .declare = declare,
};

}  // namespace skep::cli
