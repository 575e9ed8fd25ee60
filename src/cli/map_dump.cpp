// SPDX-License-Identifier: Apache-2.0
#include "cli/map_dump.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/hex.hpp"
#include "base/table.hpp"
#include "base/text.hpp"
#include "btf/print.hpp"

namespace skep::cli {

namespace {

using object::MapSpec;

struct Element {
    Bytes key;    ///< empty where the type has none
    Bytes value;  ///< of all CPUs
};

bool is_per_cpu(MapType type) {
    return type == MapType::PercpuHash || type == MapType::PercpuArray ||
           type == MapType::LruPercpuHash;
}

bool is_array(MapType type) {
    return type == MapType::Array || type == MapType::PercpuArray || type == MapType::ProgArray ||
           type == MapType::ArrayOfMaps;
}

/// Keys as numbers where they are of such a size, else byte by byte.
bool key_less(const Element& a, const Element& b) {
    const auto number = [](const Bytes& key) {
        uint64_t value = 0;
        std::copy_n(key.data(), std::min(key.size(), sizeof(value)),
                    reinterpret_cast<uint8_t*>(&value));
        return value;
    };
    if (a.key.size() <= sizeof(uint64_t)) return number(a.key) < number(b.key);
    return a.key < b.key;
}

std::vector<Element> read_elements(maps::Map& map) {
    std::vector<Element> elements;
    Element element = {Bytes(map.def().key_size), Bytes(map.user_value_size())};
    if (element.key.empty()) {  // queue, stack; a bloom filter says no
        while (map.user_lookup_and_delete(nullptr, element.value.data()) == 0)
            elements.push_back(element);
        return elements;
    }
    Bytes next(element.key.size());
    const void* from = nullptr;
    while (map.next_key(from, next.data()) == 0) {
        element.key = next;
        from = element.key.data();
        if (map.user_lookup(element.key.data(), element.value.data()) == 0)
            elements.push_back(element);
    }
    std::ranges::stable_sort(elements, key_less);
    return elements;
}

// One map with what its object says about its types.
class Dumper {
  public:
    Dumper(const engine::Object& object, size_t index)
        : btf_(object.spec().btf.get()),
          spec_(object.spec().maps[index]),
          map_(*object.maps()[index]),
          per_cpu_(is_per_cpu(spec_.type)) {}

    void json(JsonWriter& out) {
        out.begin_array();
        for (const Element& element : read_elements(map_)) {
            out.begin_object().key("key");
            put_key(out, element.key);
            out.key("value");
            if (per_cpu_) out.begin_array();
            for (const ByteView value : values(element)) put_value(out, value);
            if (per_cpu_) out.end_array();
            out.end_object();
        }
        out.end_array();
    }

    std::string text() {
        const std::vector<Element> elements = read_elements(map_);
        Table table(columns());
        size_t zeros = 0;
        for (const Element& element : elements) {
            if (is_array(spec_.type) && elements.size() > 1 &&
                std::ranges::all_of(element.value, [](uint8_t byte) { return byte == 0; })) {
                zeros++;
                continue;
            }
            table.row(row(element));
        }
        std::string out = fmt::format("{} ({}): {} of {} elements{}\n", printable(spec_.name),
                                      to_string(spec_.type), elements.size(), spec_.max_entries,
                                      zeros ? fmt::format(", {} of them zero", zeros) : "");
        return table.empty() ? out : out + table.to_string();
    }

  private:
    std::vector<std::string> columns() const {
        std::vector<std::string> columns = {"KEY"};
        if (numeric()) columns.emplace_back(per_cpu_ ? ">SUM" : ">VALUE");
        if (!numeric() && !per_cpu_) columns.emplace_back("VALUE");
        if (per_cpu_)
            for (uint32_t cpu = 0; cpu < maps::possible_cpus(); cpu++)
                columns.push_back(fmt::format("{}CPU {}", numeric() ? ">" : "", cpu));
        return columns;
    }

    std::vector<std::string> row(const Element& element) const {
        std::vector<std::string> cells = {key_text(element.key)};
        if (per_cpu_ && numeric()) cells.push_back(fmt::to_string(sum(element)));
        for (const ByteView value : values(element)) cells.push_back(value_text(value));
        return cells;
    }

    /// The copies of the value: one, or one a CPU, each padded to 8 bytes.
    std::vector<ByteView> values(const Element& element) const {
        if (!per_cpu_) return {element.value};
        std::vector<ByteView> copies;
        const size_t step = align_up(spec_.value_size, 8);
        for (size_t at = 0; at + step <= element.value.size(); at += step)
            copies.push_back(ByteView(element.value).subspan(at, spec_.value_size));
        return copies;
    }

    bool numeric() const {
        return btf_ && spec_.value_type_id != 0 &&
               btf_->resolve(spec_.value_type_id).kind() == btf::Kind::Int;
    }
    uint64_t sum(const Element& element) const {
        uint64_t total = 0;
        for (const ByteView value : values(element)) {
            uint64_t number = 0;
            std::copy_n(value.data(), std::min(value.size(), sizeof(number)),
                        reinterpret_cast<uint8_t*>(&number));
            total += number;
        }
        return total;
    }

    void put_key(JsonWriter& out, ByteView key) const {
        if (key.empty())
            out.null();
        else if (btf_ && spec_.key_type_id != 0)
            btf::print_json(*btf_, spec_.key_type_id, key, out);
        else if (is_array(spec_.type))
            out.value(load<uint32_t>(key, 0).value_or(0));
        else
            out.value(to_hex(key));
    }
    void put_value(JsonWriter& out, ByteView value) const {
        if (btf_ && spec_.value_type_id != 0)
            btf::print_json(*btf_, spec_.value_type_id, value, out);
        else
            out.value(to_hex(value));
    }

    std::string key_text(ByteView key) const {
        if (key.empty()) return "-";
        if (btf_ && spec_.key_type_id != 0) return btf::print_c(*btf_, spec_.key_type_id, key);
        if (is_array(spec_.type)) return fmt::to_string(load<uint32_t>(key, 0).value_or(0));
        return to_hex(key);
    }
    std::string value_text(ByteView value) const {
        if (btf_ && spec_.value_type_id != 0)
            return btf::print_c(*btf_, spec_.value_type_id, value);
        return to_hex(value);
    }

    const btf::Btf* btf_;
    const MapSpec& spec_;
    maps::Map& map_;
    bool per_cpu_;
};

}  // namespace

std::string map_text(const engine::Object& object, size_t index) {
    if (!object.maps()[index])
        return fmt::format("{}: not created\n", printable(object.spec().maps[index].name));
    return Dumper(object, index).text();
}

void map_json(const engine::Object& object, size_t index, JsonWriter& json) {
    if (!object.maps()[index])
        json.null();
    else
        Dumper(object, index).json(json);
}

}  // namespace skep::cli
