// SPDX-License-Identifier: Apache-2.0
#include "object/kconfig.hpp"

#include <algorithm>
#include <bit>

#include "base/text.hpp"

namespace skep::object {

namespace {

// enum libbpf_tristate
constexpr uint64_t kNo = 0, kYes = 1, kModule = 2;

/// Whether `bytes` of a signed or unsigned integer hold the value.
bool fits(uint64_t value, uint32_t bytes, bool is_signed) {
    if (bytes >= 8) return true;
    const uint64_t span = uint64_t{1} << (8 * bytes);
    return is_signed ? value + span / 2 < span : value < span;
}

Result<uint64_t> tristate_value(KconfigType type, char letter) {
    switch (type) {
        case KconfigType::Bool:
            if (letter == 'm') return malformed("'m' does not fit a bool");
            return letter == 'y';
        case KconfigType::Char: return uint8_t(letter);
        case KconfigType::Tristate: return letter == 'y' ? kYes : letter == 'm' ? kModule : kNo;
        default: return malformed("'{}' fits only a bool, char or enum libbpf_tristate", letter);
    }
}

Result<uint64_t> number_value(KconfigType type, const std::string& text, uint32_t bytes,
                              bool is_signed) {
    const auto negative = parse_int(text);
    const auto positive = parse_uint(text);
    if (!negative && !positive) return malformed("'{}' is no value", printable(text));
    const uint64_t value = positive ? *positive : uint64_t(*negative);
    if (type == KconfigType::Bool ? value > 1 : !fits(value, bytes, is_signed))
        return malformed("{} does not fit {} bytes", text, bytes);
    if (type != KconfigType::Integer && type != KconfigType::Char && type != KconfigType::Bool)
        return malformed("{} fits only an integer", text);
    return value;
}

Result<void> store(const btf::Btf& btf, const Extern& external, const std::string& text,
                   std::span<uint8_t> out) {
    const auto type = kconfig_type(btf, external.type_id);
    if (!type) return malformed("the variable's type cannot hold a configuration value");
    if (text.starts_with('"')) {
        if (*type != KconfigType::Text || text.size() < 2 || !text.ends_with('"'))
            return malformed("{} fits only an array of char", printable(text));
        const size_t length = std::min(text.size() - 2, out.size() - 1);  // longer text is cut
        std::memcpy(out.data(), text.data() + 1, length);
        return {};
    }
    uint64_t value = 0;
    if (text == "y" || text == "n" || text == "m") {
        value = SKEP_TRY(tristate_value(*type, text[0]));
    } else {
        const btf::Type resolved = btf.resolve(external.type_id);
        const bool is_signed = resolved.kind() == btf::Kind::Int && resolved.integer().is_signed;
        value = SKEP_TRY(number_value(*type, text, external.size, is_signed));
    }
    std::memcpy(out.data(), &value, std::min(out.size(), sizeof(value)));
    return {};
}

}  // namespace

std::optional<KconfigType> kconfig_type(const btf::Btf& btf, uint32_t type_id) {
    const btf::Type type = btf.resolve(type_id);
    switch (type.kind()) {
        case btf::Kind::Int: {
            const uint32_t size = type.size();
            if (type.integer().is_bool)
                return size == 1 ? std::optional(KconfigType::Bool) : std::nullopt;
            if (size == 1) return KconfigType::Char;
            if (size > 8 || !std::has_single_bit(size)) return std::nullopt;
            return KconfigType::Integer;
        }
        case btf::Kind::Enum:
        case btf::Kind::Enum64:
            if (type.name() != "libbpf_tristate") return std::nullopt;
            return KconfigType::Tristate;
        case btf::Kind::Array: {
            const auto array = type.array();
            if (array.count == 0 || kconfig_type(btf, array.element) != KconfigType::Char)
                return std::nullopt;
            return KconfigType::Text;
        }
        default: return std::nullopt;
    }
}

Result<Bytes> evaluate_kconfig(const ObjectSpec& object, const KconfigLookup& lookup) {
    const auto map = std::ranges::find(object.maps, MapSpec::Origin::Kconfig, &MapSpec::origin);
    Bytes value(map == object.maps.end() ? 0 : map->value_size);
    for (const Extern& external : object.externs) {
        if (external.kind != Extern::Kind::Kconfig) continue;
        const auto text = lookup(external.name);
        if (!text && external.weak) continue;
        if (!text)
            return unsupported("kernel configuration variable '{}' is not known here",
                               printable(external.name));
        const auto stored = store(*object.btf, external, *text,
                                  std::span(value).subspan(external.data_offset, external.size));
        if (!stored)
            return std::unexpected(
                Error(stored.error())
                    .in(fmt::format("kernel configuration variable '{}'", external.name)));
    }
    return value;
}

}  // namespace skep::object
