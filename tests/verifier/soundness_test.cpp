// SPDX-License-Identifier: Apache-2.0
// A little of verifier_soundness, the programs of random_code and the cases; and that the check
// finds what is wrong.
#include "verifier/soundness.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "differential/random_code.hpp"
#include "engine/embedded_types.hpp"
#include "engine/testing.hpp"
#include "isa/assemble.hpp"
#include "object/read.hpp"
#include "platform/platform.hpp"
#include "verifier/program_case.hpp"
#include "verifier/program_generator.hpp"
#include "verifier/state_checker.hpp"

namespace skep::verifier_test {
namespace {

TEST(Soundness, OfGeneratedPrograms) {
    uint64_t accepted = 0, compared = 0, unchecked = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        const object::ObjectSpec object = generate_program(seed);
        const Soundness found = check_soundness(object, seed);
        ASSERT_EQ(found.complaint, "") << case_text(minimise_unsound(object, seed), "");
        accepted += found.accepted;
        compared += found.compared;
        unchecked += found.unchecked;
    }
    EXPECT_GE(accepted, 100u);
    EXPECT_GE(compared * 10, accepted * 9);
    EXPECT_EQ(unchecked, accepted);
}

TEST(Soundness, OfRandomCode) {
    std::mt19937 random(42);
    for (int i = 0; i < 60; i++) {
        const object::ObjectSpec object =
            make_object(ProgType::SchedCls, kernel_test::random_code(random, 60), {});
        const Soundness found = check_soundness(object, uint64_t(i));
        EXPECT_TRUE(found.unchecked);
        ASSERT_EQ(found.complaint, "") << case_text(object, "");
    }
}

TEST(Soundness, OfTheCases) {
    size_t accepted = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(testing::source_dir() / "tests/verifier/cases")) {
        SCOPED_TRACE(entry.path().filename().string());
        const auto bytes = read_file(entry.path().string());
        ASSERT_TRUE(bytes);
        const auto parsed =
            parse_case({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
        ASSERT_TRUE(parsed) << parsed.error().message;
        const Soundness found = check_soundness(parsed->object, 1);
        EXPECT_EQ(found.complaint, "");
        accepted += found.accepted;
    }
    EXPECT_GE(accepted, 1u);
}

/// The object with this program alone.
object::ObjectSpec only(const object::ObjectSpec& object, size_t index) {
    object::ObjectSpec one = object;
    one.progs = {object.progs[index]};
    for (object::MapSpec& map : one.maps)
        if (map.type == MapType::ProgArray) map.initial_slots.clear();
    return one;
}

TEST(Soundness, OfCompiledPrograms) {
    size_t accepted = 0, unchecked = 0;
    for (const char* folder : {"examples", "tests/verifier/common"})
        for (const auto& entry :
             std::filesystem::directory_iterator(testing::binary_dir() / folder)) {
            if (!entry.path().string().ends_with(".bpf.o")) continue;
            const auto bytes = read_file(entry.path().string());
            ASSERT_TRUE(bytes);
            const auto object = object::read_object(*bytes, entry.path().string());
            ASSERT_TRUE(object) << object.error().to_string();
            for (size_t i = 0; i < object->progs.size(); i++) {
                SCOPED_TRACE(entry.path().filename().string() + " " + object->progs[i].name);
                const Soundness found = check_soundness(only(*object, i), i);
                EXPECT_EQ(found.complaint, "");
                accepted += found.accepted;
                unchecked += found.unchecked;
            }
        }
    EXPECT_GE(accepted, 25u);
    EXPECT_EQ(unchecked, accepted);
}

/// A verifier that believes something else than the program does: that of another program, with
/// the same instructions at the same places.
TEST(StateChecker, SeesANumberThatNoStateHas) {
    const auto object_with = [](int number) {
        const auto assembly = isa::assemble(fmt::format("r2 = {}\nr0 = r2\nr0 &= 1\nexit", number));
        return make_object(ProgType::Xdp, assembly->insns, {});
    };
    const object::ObjectSpec believed = object_with(1), real = object_with(2);
    const auto verdict = verifier::verify(believed, believed.progs[0], platform::embedded(),
                                          {.facts = true, .exact_numbers = true, .states = true});
    ASSERT_TRUE(verdict && verdict->accepted);
    const engine::Env env;
    const auto loaded = engine::Object::load(real, env, {.checked = true, .traced = true});
    ASSERT_TRUE(loaded);
    auto execution = engine::Execution::create(env);
    ASSERT_TRUE(execution);
    engine::NoTask task;
    uint8_t context[24] = {};
    engine::Event event{.ctx = context, .ctx_size = sizeof context, .task = &task};
    StateChecker checker(**loaded, verdict->states, verdict->facts);
    checker.watch(**execution, event);
    (*loaded)->progs()[0]->run(**execution, event);
    EXPECT_THAT(checker.complaint(),
                ::testing::HasSubstr("r2 is 0x2, which is in none of 1 states"));
    EXPECT_EQ(checker.instructions(), 2u);
}

}  // namespace
}  // namespace skep::verifier_test
