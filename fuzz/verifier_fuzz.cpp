// SPDX-License-Identifier: Apache-2.0
// Any bytes as a program with maps: the verifier gives an answer, in bounded time, whatever they
// are. The first bytes choose program type, privileges and maps; the rest are instructions.
#include "isa/decode.hpp"
#include "verifier/verify.hpp"

using namespace skep;

namespace {

object::MapSpec map_from(uint8_t choice) {
    object::MapSpec map;
    map.name = "map";
    map.type = MapType(1 + choice % 33);
    map.key_size = 4;
    map.value_size = 8u << (choice % 5);
    map.max_entries = choice % 3 ? 16 : 1;
    map.flags = choice & 0x80 ? 1u << 7 : 0;
    return map;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr size_t kHead = 8;
    if (size < kHead) return 0;
    const auto insns = isa::decode({data + kHead, (size - kHead) / 8 * 8});
    if (!insns) return 0;
    object::ObjectSpec object;
    object.license = data[0] & 1 ? "GPL" : "";
    for (size_t i = 4; i < kHead; ++i) object.maps.push_back(map_from(data[i]));
    object::ProgSpec prog;
    prog.name = "fuzz";
    prog.type = ProgType(1 + data[1] % 32);
    prog.attach_type = data[2] ? AttachType(data[2] % 60) : AttachType::None;
    prog.sleepable = data[0] & 8;
    prog.insns = *insns;
    verifier::Options options;
    options.privileged = !(data[0] & 2);
    options.strict_alignment = data[0] & 4;
    options.test_state_freq = data[0] & 16;
    options.reg_invariants = true;
    options.path = data[0] & 32;
    options.facts = options.register_facts = data[0] & 64;
    options.log = data[3] == 1;
    options.max_insns = 20'000;
    const auto verdict = verifier::verify(object, prog, platform::linux_6_18(), options);
    SKEP_CHECK(verdict && (verdict->accepted || !verdict->reason.empty()));
    // The verifier's own contradictions are bugs, whatever the program does.
    SKEP_CHECK(verdict->rule != verifier::Rule::Internal);
    return 0;
}
