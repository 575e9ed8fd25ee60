// SPDX-License-Identifier: Apache-2.0
#include "helpers/both.hpp"

#include <fmt/core.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/file.hpp"
#include "engine/embedded_types.hpp"
#include "engine/testing.hpp"
#include "isa/assemble.hpp"
#include "kernel/kernel_probe.hpp"
#include "maps/array.hpp"
#include "platform/embedded.hpp"

namespace skep::helper_test {
namespace {

long bpf(int command, bpf_attr& attr) {
    return syscall(SYS_bpf, command, &attr, sizeof attr);
}

Bytes padded(Bytes bytes) {
    bytes.resize(kMemorySize);
    return bytes;
}

std::optional<int32_t> number_of(std::string_view name) {
    if (const auto* kfunc = platform::find_embedded_kfunc(name))
        return -1 - static_cast<int32_t>(kfunc->id);
    const auto* helper = platform::find_helper(name);
    return helper ? std::optional(static_cast<int32_t>(helper->id)) : std::nullopt;
}

/// The program, with kernel functions called by what `id_of` says.
template <typename IdOf>
std::vector<isa::Insn> assemble(const std::string& text, IdOf id_of) {
    auto assembly = isa::assemble(text, number_of);
    EXPECT_TRUE(assembly) << text << (assembly ? "" : assembly.error().message);
    if (!assembly) return {};
    for (isa::Insn& insn : assembly->insns)
        if (insn.opcode == (isa::kJmp | isa::kCall) && insn.src == 0 && insn.imm < 0) {
            insn.src = 2;
            insn.imm = static_cast<int32_t>(
                id_of(platform::embedded_kfuncs()[static_cast<size_t>(-1 - insn.imm)].name));
        }
    return assembly->insns;
}

bool loads_map_value(const isa::Insn& insn) {
    return insn.opcode == 0x18 && insn.src == isa::kPseudoMapValue;
}

UniqueFd kernel_array(const Bytes& value, bool constant) {
    bpf_attr attr{};
    attr.map_type = BPF_MAP_TYPE_ARRAY;
    attr.key_size = 4;
    attr.value_size = kMemorySize;
    attr.max_entries = 1;
    attr.map_flags = constant ? BPF_F_RDONLY_PROG : 0;
    UniqueFd map(static_cast<int>(bpf(BPF_MAP_CREATE, attr)));
    const uint32_t key = 0;
    attr = {};
    attr.map_fd = static_cast<uint32_t>(map.get());
    attr.key = reinterpret_cast<uint64_t>(&key);
    attr.value = reinterpret_cast<uint64_t>(value.data());
    bpf(BPF_MAP_UPDATE_ELEM, attr);
    attr = {};
    attr.map_fd = static_cast<uint32_t>(map.get());
    if (constant) bpf(BPF_MAP_FREEZE, attr);
    return map;
}

Bytes kernel_value(const UniqueFd& map) {
    Bytes value(kMemorySize);
    const uint32_t key = 0;
    bpf_attr attr{};
    attr.map_fd = static_cast<uint32_t>(map.get());
    attr.key = reinterpret_cast<uint64_t>(&key);
    attr.value = reinterpret_cast<uint64_t>(value.data());
    bpf(BPF_MAP_LOOKUP_ELEM, attr);
    return value;
}

}  // namespace

std::string address_of(int reg, uint32_t map, uint64_t offset) {
    return fmt::format("ld_pseudo r{}, 0x2, {:#x}\n", reg, offset << 32 | map);
}

std::optional<std::string> why_no_kernel() {
    return kernel_test::why_not_comparable();
}

Answer in_kernel(const Case& one) {
    std::vector<isa::Insn> insns = assemble(one.text, [](std::string_view name) {
        return kernel_test::kernel_btf_id(btf::Kind::Func, name);
    });
    const UniqueFd memory = kernel_array(padded(one.memory), false);
    const UniqueFd constants = kernel_array(padded(one.constants), true);
    for (isa::Insn& insn : insns)
        if (loads_map_value(insn)) insn.imm = insn.imm ? constants.get() : memory.get();
    const auto loaded = kernel_test::offer({.type = ProgType::RawTracepoint, .insns = insns});
    if (!loaded.accepted()) return {.refused = true, .why = loaded.log};
    bpf_attr attr{};
    attr.test.prog_fd = static_cast<uint32_t>(loaded.prog.get());
    if (bpf(BPF_PROG_TEST_RUN, attr) != 0) return {.refused = true, .why = std::strerror(errno)};
    return {.r0 = attr.test.retval, .memory = kernel_value(memory)};
}

Answer in_engine(const Case& one) {
    const btf::Btf& types = engine::embedded_types();
    const std::vector<isa::Insn> insns = assemble(one.text, [&](std::string_view name) {
        const auto type = types.find(name, btf::Kind::Func);
        return type ? type->id() : 0;
    });
    object::ObjectSpec spec{.name = "test", .license = "GPL"};
    spec.progs.push_back({.name = "test", .type = ProgType::RawTracepoint, .insns = insns});
    object::ProgSpec& prog = spec.progs[0];
    prog.subprogs = {{.name = "test", .insn = 0}};
    for (uint32_t i = 0; i + 1 < insns.size(); ++i) {
        if (!loads_map_value(insns[i])) continue;
        prog.references.push_back({.kind = object::Reference::Kind::MapValue,
                                   .insn = i,
                                   .index = static_cast<uint32_t>(insns[i].imm),
                                   .addend = insns[i + 1].imm});
    }
    object::MapSpec map{
        .type = MapType::Array, .key_size = 4, .value_size = kMemorySize, .max_entries = 1};
    map.name = "memory";
    map.origin = object::MapSpec::Origin::Data;
    map.initial_value = padded(one.memory);
    spec.maps.push_back(map);
    map.name = "constants";
    map.flags = BPF_F_RDONLY_PROG;
    map.origin = object::MapSpec::Origin::Rodata;
    map.initial_value = padded(one.constants);
    spec.maps.push_back(map);

    const engine::Env env;
    auto object = engine::Object::load(spec, env);
    if (!object) return {.refused = true, .why = object.error().to_string()};
    const engine::Outcome outcome = engine::run_object(**object);
    if (outcome.fault) return {.refused = true, .why = outcome.fault->to_string()};
    const auto value = (*object)->find_map("memory")->as<maps::ArrayMap>()->direct_value();
    return {.r0 = static_cast<uint32_t>(outcome.r0), .memory = Bytes(value.begin(), value.end())};
}

}  // namespace skep::helper_test
