// SPDX-License-Identifier: Apache-2.0
#include "engine/mocks.hpp"

#include "engine/testing.hpp"

namespace skep::engine {
namespace {

using platform::HelperId;

TEST(Mocks, AnswerInPlaceOfTheHelper) {
    Env env;
    std::vector<HelperId> asked;
    env.mock = [&](Execution& x, HelperId helper, const std::array<uint64_t, 5>& args) -> uint64_t {
        asked.push_back(helper);
        if (helper != HelperId::get_current_comm) return 42;
        uint8_t* to = x.check_memory(args[0], args[1], true, 1, "text");
        std::memcpy(to, "cat", 4);
        return 0;
    };
    const auto object =
        Object::load(object_of("call 14\nr6 = r0\nr1 = r10\nr1 += -16\nr2 = 16\ncall 16\n"
                               "r0 = *(u8 *)(r10 - 16)\nr0 += r6\nexit"),
                     env, {.mocked = {HelperId::get_current_pid_tgid, HelperId::get_current_comm}});
    ASSERT_TRUE(object) << object.error().to_string();
    const auto execution = Execution::create(env);
    ASSERT_TRUE(execution);
    NoTask task;
    Event event{.task = &task};
    const Outcome outcome = (*object)->find_prog("test")->run(**execution, event);
    EXPECT_FALSE(outcome.fault);
    EXPECT_EQ(outcome.r0, 42u + 'c');
    EXPECT_EQ(asked, (std::vector{HelperId::get_current_pid_tgid, HelperId::get_current_comm}));
}

TEST(Mocks, MakeUpForHelpersThatTheEngineLacks) {
    Env env;
    env.mock = [](Execution&, HelperId, const std::array<uint64_t, 5>&) { return uint64_t{7}; };
    // bpf_override_return() is the kernel's alone.
    const auto spec = object_of("r2 = 1\ncall 58\nexit");
    EXPECT_FALSE(Object::load(spec, env));
    EXPECT_TRUE(Object::load(spec, env, {.mocked = {HelperId::override_return}}));
}

TEST(Mocks, ArgumentsAreCheckedBefore) {
    Env env;
    env.mock = [](Execution&, HelperId, const std::array<uint64_t, 5>&) { return uint64_t{0}; };
    const auto object = Object::load(object_of("r1 = 8\nr2 = 16\ncall 16\nexit"), env,
                                     {.mocked = {HelperId::get_current_comm}});
    ASSERT_TRUE(object);
    const Outcome outcome = run_object(**object);
    ASSERT_TRUE(outcome.fault);
    EXPECT_EQ(outcome.fault->kind, Fault::Kind::BadArgument);
}

}  // namespace
}  // namespace skep::engine
