// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "isa/assemble.hpp"
#include "platform/helpers.hpp"
#include "verifier/verify.hpp"

// Programs in assembler text, for tests of the verifier. Maps are numbered in the order of
// kTestMaps: "r1 = map 0" is written as `ld_pseudo r1, 0x1, 0x0`.

namespace skep::verifier {

/// 0: hash, keys of 4 and values of 16 bytes; 1: array of 8 values of 48 bytes; 2: read-only data.
inline object::ObjectSpec test_object() {
    object::ObjectSpec object;
    object.license = "GPL";
    object::MapSpec hash;
    hash.name = "hash";
    hash.type = MapType::Hash;
    hash.key_size = 4;
    hash.value_size = 16;
    hash.max_entries = 16;
    object.maps.push_back(hash);
    object::MapSpec array = hash;
    array.name = "array";
    array.type = MapType::Array;
    array.value_size = 48;
    array.max_entries = 8;
    object.maps.push_back(array);
    object::MapSpec rodata = array;
    rodata.name = "test.rodata";
    rodata.max_entries = 1;
    rodata.value_size = 8;
    rodata.flags = 1u << 7;  // BPF_F_RDONLY_PROG
    rodata.origin = object::MapSpec::Origin::Rodata;
    rodata.initial_value.resize(8);
    rodata.initial_value[0] = static_cast<Bytes::value_type>(3);
    object.maps.push_back(rodata);
    return object;
}

struct TestProgram {
    object::ObjectSpec object = test_object();
    object::ProgSpec prog;
};

inline TestProgram test_program(std::string_view source, ProgType type = ProgType::SocketFilter) {
    TestProgram test;
    test.prog.name = "test";
    test.prog.type = type;
    const auto assembly =
        isa::assemble(source, [](std::string_view name) -> std::optional<int32_t> {
            if (name.starts_with("bpf_")) name.remove_prefix(4);
            const platform::HelperInfo* info = platform::find_helper(name);
            return info ? std::optional(int32_t(info->id)) : std::nullopt;
        });
    if (!assembly) {
        ADD_FAILURE() << isa::render(assembly.error(), source, "test.s");
        return test;
    }
    test.prog.insns = assembly->insns;
    for (uint32_t i = 0; i + 1 < test.prog.insns.size(); ++i) {
        const isa::Insn& insn = test.prog.insns[i];
        if (!insn.is_wide()) continue;
        if (insn.src == isa::kPseudoMapFd)
            test.prog.references.push_back({object::Reference::Kind::Map, i, uint32_t(insn.imm)});
        if (insn.src == isa::kPseudoMapValue)
            test.prog.references.push_back({object::Reference::Kind::MapValue, i,
                                            uint32_t(insn.imm), test.prog.insns[i + 1].imm});
    }
    return test;
}

inline Verdict verdict_of(std::string_view source, ProgType type = ProgType::SocketFilter,
                          Options options = {}) {
    const TestProgram test = test_program(source, type);
    options.log = true;
    auto verdict = verify(test.object, test.prog, platform::linux_6_18(), options);
    if (!verdict) {
        ADD_FAILURE() << verdict.error().to_string();
        return {};
    }
    return *verdict;
}

inline void accepts(std::string_view source, ProgType type = ProgType::SocketFilter,
                    Options options = {}) {
    const Verdict verdict = verdict_of(source, type, options);
    EXPECT_TRUE(verdict.accepted) << verdict.log;
}

inline void refuses(std::string_view words, std::string_view source,
                    ProgType type = ProgType::SocketFilter, Options options = {}) {
    const Verdict verdict = verdict_of(source, type, options);
    EXPECT_FALSE(verdict.accepted) << verdict.log;
    EXPECT_NE(verdict.reason.find(words), std::string::npos) << verdict.reason << "\n"
                                                             << verdict.log;
}

}  // namespace skep::verifier
