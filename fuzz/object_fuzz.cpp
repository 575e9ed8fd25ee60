// SPDX-License-Identifier: Apache-2.0
// Any bytes as a compiled object: what is read can be shown, listed and settled for the embedded
// runtime, whatever its BTF, relocations and line info claim.
#include "btf/print.hpp"
#include "isa/decode.hpp"
#include "object/inspect.hpp"
#include "object/listing.hpp"
#include "object/read.hpp"
#include "object/settle.hpp"
#include "platform/embedded.hpp"

using namespace skep;
using namespace skep::object;

namespace {

const btf::Btf& embedded_types() {
    static const auto types = [] {
        const ByteView bytes = platform::embedded_btf();
        return *btf::Btf::parse(Bytes(bytes.begin(), bytes.end()));
    }();
    return *types;
}

void check_program(const ObjectSpec& object, const ProgSpec& prog) {
    (void)listing(object, prog);
    for (const Subprog& subprog : prog.subprogs) SKEP_CHECK(subprog.insn < prog.insns.size());
    for (const Reference& reference : prog.references) {
        SKEP_CHECK(reference.insn < prog.insns.size());
        const bool map =
            reference.kind == Reference::Kind::Map || reference.kind == Reference::Kind::MapValue;
        SKEP_CHECK(reference.index < (map ? object.maps.size() : object.externs.size()));
    }
    for (const btf::CoreRelo& relo : prog.core_relos) SKEP_CHECK(relo.insn < prog.insns.size());
    for (const LineInfo& line : prog.lines) SKEP_CHECK(line.insn < prog.insns.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto object = read_object({data, size}, "fuzz.bpf.o");
    if (!object) {
        SKEP_CHECK(object.error().code == ErrorCode::Malformed);
        return 0;
    }
    for (const ProgSpec& prog : object->progs) check_program(*object, prog);
    (void)inspect_text(*object, &embedded_types());
    JsonWriter json;
    inspect_json(*object, json, &embedded_types());

    const auto zero = [](std::string_view) { return std::optional<std::string>("0"); };
    const auto settled = settle(*object, {.btf = &embedded_types(), .kconfig = zero});
    if (!settled) return 0;
    for (const ProgSpec& prog : settled->progs) {
        SKEP_CHECK(prog.core_relos.empty());
        (void)isa::validate(prog.insns);
        (void)listing(*settled, prog);
    }
    return 0;
}
