// SPDX-License-Identifier: Apache-2.0
#include "apps/test/ctx.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "apps/test/test_file.hpp"
#include "apps/test/values.hpp"
#include "base/text.hpp"
#include "platform/ctx.hpp"

namespace skep::test {

namespace {

const platform::CtxField* field_named(const platform::CtxLayout& layout, std::string_view name) {
    const auto found = std::ranges::find(layout.fields, name, &platform::CtxField::name);
    return found == layout.fields.end() ? nullptr : &*found;
}

Error no_field(const platform::CtxLayout& layout, const Yaml& key) {
    std::vector<std::string_view> names;
    for (const platform::CtxField& field : layout.fields)
        if (field.kind == platform::CtxKind::Scalar) names.push_back(field.name);
    const auto meant = closest(key.text, names);
    std::string list = "it has";
    for (const std::string_view name : names) list += fmt::format(" {}", name);
    return key.error(fmt::format("struct {} has no field {}", layout.name, key.describe()),
                     meant ? fmt::format("did you mean '{}'?", *meant) : list);
}

Result<void> put(CtxFields& out, const Yaml& node, uint32_t offset, uint32_t size) {
    const uint64_t value = SKEP_TRY(read_number(node, size));
    std::copy_n(bytes_of(value).begin(), size, out.bytes.begin() + offset);
    return {};
}

Result<void> put_field(CtxFields& out, const platform::CtxField& field, const Yaml& key,
                       const Yaml& node) {
    if (field.kind != platform::CtxKind::Scalar)
        return std::unexpected(key.error(fmt::format("{} is a pointer", key.describe()),
                                         "the packet comes from 'packet'"));
    const uint32_t element = field.element;
    if (!node.is_list()) {
        // An array of bytes or words can be an address.
        if (field.count > 1) {
            const Value all = SKEP_TRY(encode({.size = element * field.count}, node));
            std::ranges::copy(all.bytes, out.bytes.begin() + field.offset);
        } else {
            SKEP_TRY(put(out, node, field.offset, element));
        }
        out.fields.push_back({key.text, field.offset, element * field.count, &node});
        return {};
    }
    if (node.items.size() > field.count)
        return std::unexpected(node.error(
            fmt::format("{} values; {} has {}", node.items.size(), key.text, field.count)));
    for (size_t i = 0; i < node.items.size(); i++) {
        const auto offset = field.offset + uint32_t(i) * element;
        SKEP_TRY(put(out, node.items[i], offset, element));
        out.fields.push_back({fmt::format("{}[{}]", key.text, i), offset, element, &node.items[i]});
    }
    return {};
}

}  // namespace

Result<CtxFields> read_ctx(const object::ProgSpec& prog, const Yaml& node) {
    CtxFields out;
    if (!node.is_map())
        return std::unexpected(node.error("fields of the context should stand here, as a mapping",
                                          "{mark: 7}, or {bytes: HEX}"));
    if (const Yaml* bytes = node.find("bytes")) {
        SKEP_TRY(check_keys(node, {"bytes"}));
        out.bytes = SKEP_TRY(read_bytes(*bytes));
        out.fields.push_back({"bytes", 0, uint32_t(out.bytes.size()), bytes});
        return out;
    }
    const platform::CtxLayout* layout = platform::ctx_layout(prog.type);
    if (!layout) {
        SKEP_TRY(check_keys(node, {"args", "bytes"}));
        const Yaml* args = node.find("args");
        if (!args || !args->is_list() || args->items.size() > 12)
            return std::unexpected(node.error("no context", "{args: [1, 2]} or {bytes: HEX}"));
        out.bytes.resize(8 * args->items.size());
        for (size_t i = 0; i < args->items.size(); i++) {
            SKEP_TRY(put(out, args->items[i], uint32_t(8 * i), 8));
            out.fields.push_back({fmt::format("args[{}]", i), uint32_t(8 * i), 8, &args->items[i]});
        }
        return out;
    }
    out.bytes.resize(layout->size);
    for (size_t i = 0; i < node.keys.size(); i++) {
        const platform::CtxField* field =
            node.keys[i].is_scalar() ? field_named(*layout, node.keys[i].text) : nullptr;
        if (!field) return std::unexpected(no_field(*layout, node.keys[i]));
        SKEP_TRY(put_field(out, *field, node.keys[i], node.items[i]));
    }
    return out;
}

}  // namespace skep::test
