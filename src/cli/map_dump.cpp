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

uint64_t to_number(ByteView bytes) {
    uint64_t number = 0;
    std::copy_n(bytes.data(), std::min(bytes.size(), sizeof(number)),
                reinterpret_cast<uint8_t*>(&number));
    return number;
}

bool is_zero(ByteView bytes) {
    return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
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
        for (const Element& element : elements()) {
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
        const std::vector<Element> all = elements();
        Table table(columns());
        size_t zeros = 0;
        for (const Element& element : all) {
            if (is_array(spec_.type) && all.size() > 1 && is_zero(element.value))
                zeros++;
            else
                put_rows(table, element);
        }
        std::string out = fmt::format("{} ({}): {} of {} elements{}\n", printable(spec_.name),
                                      to_string(spec_.type), all.size(), spec_.max_entries,
                                      zeros ? fmt::format(", {} of them zero", zeros) : "");
        return table.empty() ? out : out + table.to_string();
    }

  private:
    /// In the order of their keys: numbers as such, others byte by byte.
    std::vector<Element> elements() {
        std::vector<Element> all = read_elements(map_);
        if (map_.def().key_size == 0) return all;  // a queue has an order of its own
        const bool by_number = is_array(spec_.type) || is_number(spec_.key_type_id);
        std::ranges::stable_sort(all, [&](const Element& a, const Element& b) {
            return by_number ? to_number(a.key) < to_number(b.key) : a.key < b.key;
        });
        return all;
    }

    std::vector<std::string> columns() const {
        if (!per_cpu_) return {"KEY", numeric() ? ">VALUE" : "VALUE"};
        if (numeric()) return {"KEY", ">SUM", "BY CPU"};
        return {"KEY", ">CPU", "VALUE"};
    }

    void put_rows(Table& table, const Element& element) const {
        const std::vector<ByteView> copies = values(element);
        if (!per_cpu_) return table.row({key_text(element.key), value_text(copies.front())});
        uint64_t sum = 0;
        std::string by_cpu;
        for (size_t cpu = 0; cpu < copies.size(); cpu++) {
            if (is_zero(copies[cpu])) continue;
            sum += to_number(copies[cpu]);
            by_cpu +=
                fmt::format("{}{}: {}", by_cpu.empty() ? "" : ", ", cpu, value_text(copies[cpu]));
            if (!numeric())
                table.row({key_text(element.key), fmt::to_string(cpu), value_text(copies[cpu])});
        }
        if (numeric()) table.row({key_text(element.key), fmt::to_string(sum), by_cpu});
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

    bool is_number(uint32_t type) const {
        if (!btf_ || type == 0) return false;
        const btf::Type resolved = btf_->resolve(type);
        return resolved.kind() == btf::Kind::Int || resolved.is_enum();
    }
    bool numeric() const { return is_number(spec_.value_type_id); }

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
