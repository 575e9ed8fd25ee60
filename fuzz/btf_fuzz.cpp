// SPDX-License-Identifier: Apache-2.0
// Any bytes as BTF: what is accepted can be dumped in both forms, laid out, searched, and used to
// show values. The first two bytes say how much of the end is something else: a value, and .BTF.ext
// with its CO-RE relocations.
#include "btf/btf.hpp"
#include "btf/core_relo.hpp"
#include "btf/declare.hpp"
#include "btf/dump_c.hpp"
#include "btf/dump_raw.hpp"
#include "btf/ext.hpp"
#include "btf/print.hpp"

using namespace skep;
using namespace skep::btf;

namespace {

constexpr uint32_t kTypesLookedAt = 64;

void look_at(const Btf& btf, uint32_t id, ByteView value) {
    const Type type = btf.type(id);
    (void)btf.resolve(id);
    (void)btf.size_of(id);
    (void)btf.align_of(id);
    (void)btf.find_flavors(type.name());
    (void)c_type(btf, id);
    (void)print_c(btf, id, value);
    JsonWriter json;
    print_json(btf, id, value, json);
    if (type.kind() == Kind::Struct || type.kind() == Kind::Union)
        for (const Member member : type.members()) (void)btf.find_field(id, member.name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto tail = load<uint16_t>({data, size}, 0);
    if (!tail) return 0;
    const ByteView input(data + 2, size - 2);
    const size_t split = input.size() - std::min<size_t>(*tail, input.size());
    const ByteView rest = input.subspan(split);
    const auto parsed = Btf::parse(Bytes(input.begin(), input.begin() + ptrdiff_t(split)));
    if (!parsed) {
        SKEP_CHECK(parsed.error().code == ErrorCode::Malformed);
        return 0;
    }
    const Btf& btf = **parsed;
    for (uint32_t id = 0; id < std::min(btf.type_count(), kTypesLookedAt); id++)
        look_at(btf, id, rest);
    (void)dump_raw(btf);
    (void)dump_c(btf);

    const auto ext = Ext::parse(rest, btf);
    if (!ext) return 0;
    CoreRelocator relocator(btf, btf);
    for (const auto& section : ext->relocations)
        for (const CoreRecord& record : section.records) {
            if (record.kind >= kCoreKindCount) continue;
            const CoreRelo relo = {0, record.type, record.access, CoreKind(record.kind)};
            (void)describe(btf, relo);
            (void)relocator.resolve(relo);
        }
    return 0;
}
