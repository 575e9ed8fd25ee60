// SPDX-License-Identifier: Apache-2.0
#include "apps/test/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "btf/print.hpp"
#include "packet/address.hpp"

namespace skep::test {

namespace {

using btf::Kind;
using btf::Type;

bool is_char(const Type& type) {
    return type.kind() == Kind::Int && type.size() == 1 &&
           (type.name() == "char" || type.integer().is_char);
}

bool is_flag(const Type& type) {
    return type.kind() == Kind::Int && type.integer().is_bool;
}

/// "be16(53)": the number whose bytes in memory are those of N in network order.
std::optional<uint64_t> network_order(std::string_view text) {
    const size_t open = text.find('(');
    if (!text.ends_with(')') || open == text.npos) return std::nullopt;
    const std::string_view name = text.substr(0, open);
    const auto number = parse_uint(trim(text.substr(open + 1, text.size() - open - 2)));
    if (!number) return std::nullopt;
    if (name == "be16" && *number <= UINT16_MAX) return __builtin_bswap16(uint16_t(*number));
    if (name == "be32" && *number <= UINT32_MAX) return __builtin_bswap32(uint32_t(*number));
    if (name == "be64") return __builtin_bswap64(*number);
    return std::nullopt;
}

/// The bytes of an address of that many bytes.
std::optional<Bytes> address(std::string_view text, size_t size) {
    if (size == 4)
        if (const auto ip = packet::parse_ipv4(text))
            return Bytes(ip->bytes.begin(), ip->bytes.end());
    if (size == 6)
        if (const auto mac = packet::parse_mac(text))
            return Bytes(mac->bytes.begin(), mac->bytes.end());
    if (size == 16)
        if (const auto ip = packet::parse_ipv6(text))
            return Bytes(ip->bytes.begin(), ip->bytes.end());
    return std::nullopt;
}

std::optional<Bytes> hex_of(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    if (text.empty()) return std::nullopt;
    return from_hex(text);
}

/// The value of an enumerator of that name in any enum of the object.
std::optional<uint64_t> any_enumerator(const btf::Btf& btf, std::string_view name) {
    for (uint32_t id = btf.first_id(); id < btf.type_count(); id++) {
        const Type type = btf.type(id);
        if (!type.is_enum()) continue;
        for (const btf::Enumerator one : type.enumerators())
            if (one.name == name) return one.value;
    }
    return std::nullopt;
}

class Encoder {
  public:
    Encoder(const Shape& shape, Value& out) : btf_(shape.btf), out_(out) {
        out_.bytes.resize(shape.size);
        out_.mask.resize(shape.size);
    }

    Result<void> whole(const Shape& shape, const Yaml& node) {
        if (btf_ && shape.type != 0) return put(shape.type, 0, 0, node, "");
        return untyped(shape.size, node);
    }

  private:
    Result<void> put(uint32_t id, uint32_t bit_offset, uint32_t bitfield, const Yaml& node,
                     const std::string& path) {
        const Type type = btf_->resolve(id);
        const uint32_t size = btf_->size_of(type.id()).value_or(0);
        if (uint64_t{bit_offset} + uint64_t{size} * 8 > out_.bytes.size() * 8 && bitfield == 0)
            return std::unexpected(node.error("this lies behind the end of the value"));
        switch (type.kind()) {
            case Kind::Int:
            case Kind::Enum:
            case Kind::Enum64:
            case Kind::Ptr:
                return number(type, bit_offset, bitfield, SKEP_TRY(scalar(type, size, node)), node,
                              path);
            case Kind::Float: return floating(type, bit_offset, node, path);
            case Kind::Struct:
            case Kind::Union: return members(type, bit_offset, node, path);
            case Kind::Array: return elements(type, bit_offset, node, path);
            default: break;
        }
        return std::unexpected(node.error("a value of this type cannot be written"));
    }

    void leaf(const std::string& path, uint32_t type, uint32_t bit_offset, uint32_t bitfield) {
        out_.leaves.push_back({path, type, bit_offset, bitfield});
    }

    void bytes(uint32_t bit_offset, ByteView from) {
        std::ranges::copy(from, out_.bytes.begin() + bit_offset / 8);
        std::fill_n(out_.mask.begin() + bit_offset / 8, from.size(), uint8_t{0xff});
    }

    Result<uint64_t> scalar(const Type& type, uint32_t size, const Yaml& node) {
        if (is_flag(type) && node.is_plain()) {
            if (node.text == "true" || node.text == "yes") return 1;
            if (node.text == "false" || node.text == "no") return 0;
        }
        if (node.is_scalar() && is_char(type) && node.text.size() == 1 &&
            (node.quoted || !parse_int(node.text)))
            return uint8_t(node.text[0]);
        if (type.is_enum() && node.is_scalar()) {
            std::vector<std::string_view> names;
            for (const btf::Enumerator one : type.enumerators()) {
                if (one.name == node.text) return one.value;
                names.push_back(one.name);
            }
            if (!parse_int(node.text)) {
                const auto meant = closest(node.text, names);
                return std::unexpected(node.error(
                    fmt::format("enum {} has no {}", printable(type.name()), node.describe()),
                    meant ? fmt::format("did you mean '{}'?", *meant) : ""));
            }
        }
        auto value = read_number(node, size);
        if (!value && node.is_plain())
            if (const auto enumerator = any_enumerator(*btf_, node.text)) return *enumerator;
        return value;
    }

    Result<void> number(const Type& type, uint32_t bit_offset, uint32_t bitfield, uint64_t value,
                        const Yaml& node, const std::string& path) {
        const uint32_t bits = bitfield != 0 ? bitfield : 8 * btf_->size_of(type.id()).value_or(0);
        const auto as_signed = int64_t(value);
        const bool fits =
            bits >= 64 || value >> bits == 0 || (as_signed < 0 && as_signed >> (bits - 1) == -1);
        if (!fits || uint64_t{bit_offset} + bits > out_.bytes.size() * 8)
            return std::unexpected(
                node.error(fmt::format("{} does not fit into {} bits", node.describe(), bits)));
        for (uint32_t i = 0; i < bits; i++) {
            const uint32_t at = bit_offset + i;
            const auto bit = uint8_t(1u << at % 8);
            out_.mask[at / 8] |= bit;
            if (i < 64 && (value >> i & 1))
                out_.bytes[at / 8] |= bit;
            else
                out_.bytes[at / 8] &= uint8_t(~bit);
        }
        leaf(path, type.id(), bit_offset, bitfield);
        return {};
    }

    Result<void> floating(const Type& type, uint32_t bit_offset, const Yaml& node,
                          const std::string& path) {
        double value = 0;
        const char* end = node.text.data() + node.text.size();
        const auto read = std::from_chars(node.text.data(), end, value);
        if (!node.is_scalar() || read.ec != std::errc() || read.ptr != end ||
            (type.size() != 4 && type.size() != 8))
            return std::unexpected(node.error(fmt::format("{} is no number", node.describe())));
        const auto narrow = float(value);
        bytes(bit_offset, type.size() == 4 ? bytes_of(narrow) : bytes_of(value));
        leaf(path, type.id(), bit_offset, 0);
        return {};
    }

    Result<void> members(const Type& type, uint32_t bit_offset, const Yaml& node,
                         const std::string& path) {
        if (node.is_scalar()) return blob(type, bit_offset, node, path);
        if (!node.is_map())
            return std::unexpected(node.error(fmt::format(
                "{} stands where the fields of {} {} should, as a mapping", node.describe(),
                type.kind() == Kind::Struct ? "struct" : "union", printable(type.name()))));
        for (size_t i = 0; i < node.keys.size(); i++) {
            const Yaml& key = node.keys[i];
            if (!key.is_scalar())
                return std::unexpected(key.error("the name of a field should stand here"));
            const auto field = btf_->find_field(type.id(), key.text);
            if (!field) return std::unexpected(no_field(type, key));
            SKEP_TRY(put(field->type, bit_offset + field->bit_offset, field->bitfield_size,
                         node.items[i], path.empty() ? key.text : path + "." + key.text));
        }
        return {};
    }

    Error no_field(const Type& type, const Yaml& key) const {
        std::vector<std::string_view> names;
        collect(type, names, 0);
        const auto meant = closest(key.text, names);
        std::string list;
        for (const std::string_view name : names)
            list += (list.empty() ? "it has " : ", ") + printable(name);
        return key.error(
            fmt::format("{} {} has no field {}", type.kind() == Kind::Struct ? "struct" : "union",
                        printable(type.name()), key.describe()),
            meant ? fmt::format("did you mean '{}'?", *meant) : list);
    }

    void collect(const Type& type, std::vector<std::string_view>& names, int depth) const {
        for (const btf::Member member : type.members()) {
            if (names.size() >= 32 || depth > 8) return;
            const Type inner = btf_->resolve(member.type);
            if (!member.name.empty())
                names.push_back(member.name);
            else if (inner.is_composite())
                collect(inner, names, depth + 1);
        }
    }

    Result<void> elements(const Type& type, uint32_t bit_offset, const Yaml& node,
                          const std::string& path) {
        const btf::Array array = type.array();
        const Type element = btf_->resolve(array.element);
        const uint32_t size = btf_->size_of(array.element).value_or(0);
        if (node.is_scalar())
            return is_char(element) ? text(type, array.count, bit_offset, node, path)
                                    : blob(type, bit_offset, node, path);
        if (!node.is_list() && !node.is_map())
            return std::unexpected(node.error(fmt::format(
                "{} stands where a list of {} values should", node.describe(), array.count)));
        for (size_t i = 0; i < node.items.size(); i++) {
            uint64_t index = i;
            if (node.is_map()) index = SKEP_TRY(read_number(node.keys[i], 4));
            if (index >= array.count)
                return std::unexpected(node.items[i].error(
                    fmt::format("element {}; the array has {}", index, array.count)));
            SKEP_TRY(put(array.element, bit_offset + uint32_t(index) * size * 8, 0, node.items[i],
                         fmt::format("{}[{}]", path, index)));
        }
        return {};
    }

    /// Text ends with a NUL where there is room for one; what is behind it does not count.
    Result<void> text(const Type& type, uint32_t count, uint32_t bit_offset, const Yaml& node,
                      const std::string& path) {
        if (node.text.size() > count)
            return std::unexpected(
                node.error(fmt::format("this text has {} bytes; there is room "
                                       "for {}",
                                       node.text.size(), count)));
        Bytes with_nul(node.text.begin(), node.text.end());
        if (with_nul.size() < count) with_nul.push_back(0);
        bytes(bit_offset, with_nul);
        leaf(path, type.id(), bit_offset, 0);
        return {};
    }

    /// A struct or an array in one word: an address, or all of its bytes.
    Result<void> blob(const Type& type, uint32_t bit_offset, const Yaml& node,
                      const std::string& path) {
        const uint32_t size = btf_->size_of(type.id()).value_or(0);
        auto all = address(node.text, size);
        if (!all) all = hex_of(node.text);
        if (!all || all->size() != size)
            return std::unexpected(node.error(
                fmt::format("{} is neither an address of {} bytes nor {} hex digits",
                            node.describe(), size, 2 * size),
                "a mapping names fields, a list has elements: {packets: 1}, [10, 0, 0, 1]"));
        bytes(bit_offset, *all);
        leaf(path, type.id(), bit_offset, 0);
        return {};
    }

    Result<void> untyped(uint32_t size, const Yaml& node) {
        leaf("", 0, 0, 0);
        if (node.is_scalar()) {
            auto all = address(node.text, size);
            const bool number = size == 1 || size == 2 || size == 4 || size == 8;
            if (!all && number && (parse_int(node.text) || network_order(node.text))) {
                const uint64_t value = SKEP_TRY(read_number(node, size));
                all = Bytes(bytes_of(value).begin(), bytes_of(value).begin() + size);
            }
            if (!all) all = hex_of(node.text);
            if (!all || all->size() != size)
                return std::unexpected(
                    node.error(fmt::format("{} are not {} bytes in hex", node.describe(), size),
                               "the object has no type for this value (BTF)"));
            bytes(0, *all);
            return {};
        }
        const Bytes all = SKEP_TRY(read_bytes(node));
        if (all.size() != size)
            return std::unexpected(
                node.error(fmt::format("{} bytes; the value has {}", all.size(), size)));
        bytes(0, all);
        return {};
    }

    const btf::Btf* btf_;
    Value& out_;
};

std::string leaf_text(const Shape& shape, const Value::Leaf& leaf, ByteView bytes) {
    if (leaf.type == 0 || !shape.btf) return to_text(shape, bytes);
    if (leaf.bitfield_size == 0) {
        const size_t offset = std::min<size_t>(leaf.bit_offset / 8, bytes.size());
        return btf::print_c(*shape.btf, leaf.type, bytes.subspan(offset));
    }
    uint64_t value = 0;
    for (uint32_t i = 0; i < leaf.bitfield_size && i < 64; i++) {
        const uint32_t at = leaf.bit_offset + i;
        if (at / 8 < bytes.size() && bytes[at / 8] >> at % 8 & 1) value |= uint64_t{1} << i;
    }
    return fmt::to_string(value);
}

bool same(const Shape& shape, const Value::Leaf& leaf, const Value& expected, ByteView actual) {
    uint32_t bits = leaf.bitfield_size;
    if (bits == 0)
        bits =
            8 * (leaf.type && shape.btf ? shape.btf->size_of(leaf.type).value_or(0) : shape.size);
    for (uint32_t at = leaf.bit_offset; at < leaf.bit_offset + bits; at++) {
        if (at / 8 >= expected.mask.size()) return true;
        if (!(expected.mask[at / 8] >> at % 8 & 1)) continue;
        if (at / 8 >= actual.size()) return false;
        if ((expected.bytes[at / 8] ^ actual[at / 8]) >> at % 8 & 1) return false;
    }
    return true;
}

// Adds `from` to `to`; both have the bytes of `type`.
void add(const btf::Btf& btf, uint32_t id, uint8_t* to, const uint8_t* from) {
    const Type type = btf.resolve(id);
    const uint32_t size = btf.size_of(type.id()).value_or(0);
    const bool empty = std::all_of(to, to + size, [](uint8_t byte) { return byte == 0; });
    if (type.kind() == Kind::Int && size <= 8 && !is_flag(type)) {
        uint64_t a = 0, b = 0;
        std::memcpy(&a, to, size);
        std::memcpy(&b, from, size);
        a += b;
        std::memcpy(to, &a, size);
    } else if (type.kind() == Kind::Struct) {
        for (const btf::Member member : type.members()) {
            const uint32_t offset = member.bit_offset / 8;
            const uint32_t width = btf.size_of(member.type).value_or(0);
            if (offset > size || width > size - offset) continue;
            if (member.bitfield_size == 0)
                add(btf, member.type, to + offset, from + offset);
            else if (empty)
                std::memcpy(to + offset, from + offset, width);
        }
    } else if (type.kind() == Kind::Array && !is_char(btf.resolve(type.array().element))) {
        const uint32_t width = btf.size_of(type.array().element).value_or(0);
        for (uint32_t i = 0; i < type.array().count && width != 0; i++)
            add(btf, type.array().element, to + size_t{i} * width, from + size_t{i} * width);
    } else if (empty) {
        std::memcpy(to, from, size);
    }
}

}  // namespace

bool Value::matches(ByteView actual) const {
    if (actual.size() < bytes.size()) return false;
    for (size_t i = 0; i < bytes.size(); i++)
        if ((bytes[i] ^ actual[i]) & mask[i]) return false;
    return true;
}

Result<Value> encode(const Shape& shape, const Yaml& node) {
    Value value;
    SKEP_TRY(Encoder(shape, value).whole(shape, node));
    return value;
}

std::vector<std::string> differences(const Shape& shape, const Value& expected, ByteView actual) {
    std::vector<std::string> lines;
    for (const Value::Leaf& leaf : expected.leaves) {
        if (same(shape, leaf, expected, actual)) continue;
        lines.push_back(
            fmt::format("{}{}expected {}, actual {}", leaf.path, leaf.path.empty() ? "" : ": ",
                        leaf_text(shape, leaf, expected.bytes), leaf_text(shape, leaf, actual)));
    }
    return lines;
}

std::string to_text(const Shape& shape, ByteView bytes) {
    if (shape.btf && shape.type != 0) return btf::print_c(*shape.btf, shape.type, bytes);
    if (bytes.size() <= 8 && bytes.size() >= 4) {
        uint64_t number = 0;
        std::memcpy(&number, bytes.data(), bytes.size());
        return fmt::to_string(number);
    }
    return to_hex(bytes);
}

Bytes sum_cpus(const Shape& shape, ByteView copies, size_t step) {
    Bytes sum(shape.size);
    for (size_t at = 0; at + shape.size <= copies.size(); at += step) {
        const uint8_t* from = copies.data() + at;
        if (shape.btf && shape.type != 0 &&
            shape.btf->size_of(shape.type).value_or(0) == shape.size) {
            add(*shape.btf, shape.type, sum.data(), from);
        } else if (shape.size <= 8) {
            uint64_t a = 0, b = 0;
            std::memcpy(&a, sum.data(), shape.size);
            std::memcpy(&b, from, shape.size);
            a += b;
            std::memcpy(sum.data(), &a, shape.size);
        } else if (std::ranges::all_of(sum, [](uint8_t byte) { return byte == 0; })) {
            sum.assign(from, from + shape.size);
        }
        if (step == 0) break;
    }
    return sum;
}

Result<uint64_t> read_number(const Yaml& node, uint32_t size) {
    if (node.is_scalar()) {
        std::optional<uint64_t> value = parse_uint(node.text);
        if (!value)
            if (const auto negative = parse_int(node.text)) value = uint64_t(*negative);
        if (!value) value = network_order(node.text);
        if (!value && size == 4)
            if (const auto ip = packet::parse_ipv4(node.text)) {
                uint32_t number = 0;
                std::memcpy(&number, ip->bytes.data(), sizeof(number));
                value = number;
            }
        if (value) {
            const uint32_t bits = 8 * size;
            const auto as_signed = int64_t(*value);
            if (bits >= 64 || *value >> bits == 0) return *value;
            if (bits > 0 && node.text.starts_with('-') && as_signed >> (bits - 1) == -1)
                return *value;
            return std::unexpected(
                node.error(fmt::format("{} does not fit into {} bits", node.describe(), bits)));
        }
    }
    return std::unexpected(
        node.error(fmt::format("{} stands where a number should", node.describe())));
}

Result<Bytes> read_bytes(const Yaml& node) {
    if (node.is_scalar()) {
        if (node.quoted && !node.text.starts_with("0x"))
            return Bytes(node.text.begin(), node.text.end());
        if (auto hex = hex_of(node.text)) return std::move(*hex);
        return std::unexpected(node.error(fmt::format("{} are no hex digits", node.describe()),
                                          "quote it if it is text"));
    }
    if (!node.is_list())
        return std::unexpected(node.error(fmt::format(
            "{} stands where bytes should: text, hex digits or a list", node.describe())));
    Bytes bytes;
    for (const Yaml& item : node.items) bytes.push_back(uint8_t(SKEP_TRY(read_number(item, 1))));
    return bytes;
}

}  // namespace skep::test
