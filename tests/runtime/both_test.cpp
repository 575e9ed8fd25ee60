// SPDX-License-Identifier: Apache-2.0
// The interface of include/skep by a program of its own, in both places: what is asserted here is
// what it means. The kernel's half needs root, and says so where it is not.
#include <gmock/gmock.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "skep/skep.hpp"

namespace skep {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

struct request {
    uint32_t size;
    uint32_t method;
    uint64_t judge;
};

std::string object_path(const char* name) {
    const char* directory = std::getenv("SKEP_BINARY_DIR");
    return std::string(directory ? directory : ".") + "/tests/runtime/" + name + ".bpf.o";
}

template <typename T>
std::span<const uint8_t> raw(const T& value) {
    return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

#define VALUE_OF_(name, result)                        \
    __extension__({                                    \
        auto name = (result);                          \
        if (!name) {                                   \
            ADD_FAILURE() << name.error().to_string(); \
            return;                                    \
        }                                              \
        *std::move(name);                              \
    })
#define VALUE_OF(result) VALUE_OF_(SKEP_CONCAT(checked_, __COUNTER__), result)
#define EXPECT_DONE(result)                                             \
    do {                                                                \
        auto done_ = (result);                                          \
        EXPECT_TRUE(done_) << (done_ ? "" : done_.error().to_string()); \
    } while (0)

class Both : public ::testing::TestWithParam<Place> {
  protected:
    void SetUp() override {
        RuntimeOptions options;
        options.printk = [this](std::string_view line) { printed_.emplace_back(line); };
        auto runtime = Runtime::open(GetParam(), std::move(options));
        if (!runtime && GetParam() == Place::Kernel)
            GTEST_SKIP() << "SKIP: " << runtime.error().message;
        ASSERT_TRUE(runtime) << runtime.error().to_string();
        runtime_ = std::move(*runtime);
        auto object = runtime_->load_file(object_path("both"));
        ASSERT_TRUE(object) << object.error().to_string();
        object_ = std::move(*object);
    }

    Program program(const char* name) { return object_->program(name).value(); }
    Map map(const char* name) { return object_->map(name).value(); }

    std::vector<std::string> printed_;
    std::optional<Runtime> runtime_;
    std::optional<Object> object_;
};

TEST_P(Both, KnowsWhatItHasLoaded) {
    EXPECT_EQ(object_->name(), "both");
    EXPECT_EQ(object_->programs().size(), 9u);
    const Program first = program("first");
    EXPECT_EQ(first.section(), "syscall");
    EXPECT_EQ(to_string(first.type()), "syscall");
    EXPECT_TRUE(first.verified());
    EXPECT_NE(first.id(), 0u);
    std::ifstream jit("/proc/sys/net/core/bpf_jit_enable");
    int on = 0;
    if (GetParam() == Place::Kernel && jit >> on) {
        EXPECT_EQ(first.native(), on != 0);
    }
    const MapInfo& info = map("by_method").info();
    EXPECT_EQ(info.name, "by_method");
    EXPECT_EQ(to_string(info.type), "hash");
    EXPECT_EQ(info.key_size, 4u);
    EXPECT_EQ(info.value_size, 8u);
    EXPECT_EQ(info.max_entries, 8u);
    const auto missing = object_->map("by_methud");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::Usage);
    EXPECT_EQ(missing.error().hint, "did you mean 'by_method'?");
}

TEST_P(Both, AMapIsReadWrittenAndWalked) {
    Map map = this->map("by_method");
    EXPECT_EQ(VALUE_OF(map.get<uint64_t>(uint32_t{1})), std::nullopt);
    EXPECT_DONE(map.set(uint32_t{1}, uint64_t{10}));
    EXPECT_DONE(map.set(uint32_t{2}, uint64_t{20}, BPF_NOEXIST));
    EXPECT_EQ(VALUE_OF(map.get<uint64_t>(uint32_t{1})), 10u);

    const auto again = map.set(uint32_t{2}, uint64_t{21}, BPF_NOEXIST);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().sys_errno, EEXIST);
    EXPECT_THAT(again.error().message, HasSubstr("by_method"));
    EXPECT_EQ(map.set(uint32_t{9}, uint64_t{1}, BPF_EXIST).error().sys_errno, ENOENT);

    std::map<uint32_t, uint64_t> seen;
    EXPECT_DONE(map.for_each([&](Map::Key key, Map::Key value) {
        seen[*reinterpret_cast<const uint32_t*>(key.data())] =
            *reinterpret_cast<const uint64_t*>(value.data());
        return true;
    }));
    EXPECT_EQ(seen, (std::map<uint32_t, uint64_t>{{1, 10}, {2, 20}}));
    EXPECT_EQ(VALUE_OF(map.elements()).size(), 2u);

    EXPECT_TRUE(VALUE_OF(map.remove(uint32_t{1})));
    EXPECT_FALSE(VALUE_OF(map.remove(uint32_t{1})));
    uint64_t taken = 0;
    const uint32_t two = 2;
    EXPECT_TRUE(VALUE_OF(map.take(raw(two), {reinterpret_cast<uint8_t*>(&taken), 8})));
    EXPECT_EQ(taken, 20u);
    EXPECT_TRUE(VALUE_OF(map.elements()).empty());
}

TEST_P(Both, ElementsGoInAndOutByMany) {
    Map map = this->map("by_method");
    std::vector<Element> elements(8);
    for (uint32_t i = 0; i < 8; i++) {
        const uint64_t value = i * 3;
        elements[i].key.assign(raw(i).begin(), raw(i).end());
        elements[i].value.assign(raw(value).begin(), raw(value).end());
    }
    EXPECT_EQ(VALUE_OF(map.update_all(elements)), 8u);
    EXPECT_EQ(VALUE_OF(map.get<uint64_t>(uint32_t{7})), 21u);
    EXPECT_EQ(map.set(uint32_t{99}, uint64_t{1}).error().sys_errno, E2BIG);
    EXPECT_EQ(VALUE_OF(map.elements()).size(), 8u);
    EXPECT_EQ(VALUE_OF(map.erase_all(std::span(elements).first(3))), 3u);
    EXPECT_EQ(VALUE_OF(map.elements()).size(), 5u);
}

TEST_P(Both, SizesThatDoNotFitAreRefusedHere) {
    Map map = this->map("by_method");
    const auto wrong = map.get<uint32_t>(uint32_t{1});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, ErrorCode::Usage);
    EXPECT_EQ(wrong.error().message, "map 'by_method': a value has 8 bytes, not 4");
    EXPECT_EQ(map.set(uint64_t{1}, uint64_t{1}).error().code, ErrorCode::Usage);
}

TEST_P(Both, QueuesPushAndPop) {
    Map queue = map("queue");
    for (uint32_t i = 1; i <= 4; i++) EXPECT_DONE(queue.update({}, raw(i)));
    const uint32_t five = 5;
    EXPECT_EQ(queue.update({}, raw(five)).error().sys_errno, E2BIG);
    uint32_t value = 0;
    const std::span<uint8_t> into(reinterpret_cast<uint8_t*>(&value), 4);
    EXPECT_TRUE(VALUE_OF(queue.lookup({}, into)));
    EXPECT_EQ(value, 1u);
    for (uint32_t i = 1; i <= 4; i++) {
        EXPECT_TRUE(VALUE_OF(queue.take({}, into)));
        EXPECT_EQ(value, i);
    }
    EXPECT_FALSE(VALUE_OF(queue.take({}, into)));
}

TEST_P(Both, AFrozenMapIsWrittenNoMore) {
    Map map = this->map("by_method");
    EXPECT_DONE(map.set(uint32_t{1}, uint64_t{10}));
    EXPECT_DONE(map.freeze());
    EXPECT_EQ(map.set(uint32_t{1}, uint64_t{11}).error().sys_errno, EPERM);
    EXPECT_EQ(VALUE_OF(map.get<uint64_t>(uint32_t{1})), 10u);
}

TEST_P(Both, AHookRunsWhatIsAttached) {
    auto hook = VALUE_OF(Hook<request>::create(*runtime_, "on_request", 5));
    request one{.size = 150, .method = 3, .judge = 0};
    EXPECT_FALSE(hook.attached());
    EXPECT_EQ(VALUE_OF(hook.run(one)), 5u);
    EXPECT_EQ(one.judge, 0u);
    {
        Link link = VALUE_OF(program("first").attach({.hook = &hook}));
        EXPECT_TRUE(hook.attached());
        EXPECT_EQ(VALUE_OF(hook.run(one)), 0u);
        EXPECT_EQ(one.judge, 1u);
        EXPECT_DONE(link.update(program("second")));
        EXPECT_EQ(VALUE_OF(hook.run(one)), 1u);
        EXPECT_EQ(one.judge, 2u);
        EXPECT_EQ(program("first").attach({.hook = &hook}).error().sys_errno, EBUSY);
        EXPECT_EQ(link.update(program("drop")).error().code, ErrorCode::Usage);
    }
    EXPECT_EQ(VALUE_OF(hook.run(one)), 5u);
    EXPECT_EQ(VALUE_OF(map("by_method").get<uint64_t>(uint32_t{3})), 2u);
}

TEST_P(Both, AProgramThatReachesBehindTheContextIsStopped) {
    auto hook = VALUE_OF(Hook<request>::create(*runtime_, "small"));
    auto link = program("reaches_far").attach({.hook = &hook});
    if (!link) return;  // refused at once is as good
    request one{};
    EXPECT_FALSE(hook.run(one));
}

TEST_P(Both, GlobalsAreSetBeforeTheVerifierLooks) {
    const uint32_t limit = 1000;
    auto object = VALUE_OF(runtime_->load_file(
        object_path("both"),
        {.progs = {"first"}, .globals = {{"limit", {raw(limit).begin(), raw(limit).end()}}}}));
    request one{.size = 900, .method = 0, .judge = 0};
    const TestResult result =
        VALUE_OF(VALUE_OF(object.program("first")).test_run({.ctx = raw(one)}));
    EXPECT_EQ(result.retval, 1u);
    EXPECT_EQ(object.programs().size(), 1u);
    const auto wrong = runtime_->load_file(object_path("both"), {.globals = {{"limits", {1}}}});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, ErrorCode::Usage);
}

TEST_P(Both, MapsCanHaveAnotherSizeAndBeShared) {
    auto other = VALUE_OF(runtime_->load_file(
        object_path("both"), {.progs = {"first"}, .maps = {{"by_method", map("by_method")}}}));
    request one{.size = 1, .method = 6, .judge = 0};
    EXPECT_DONE(VALUE_OF(other.program("first")).test_run({.ctx = raw(one)}));
    EXPECT_EQ(VALUE_OF(map("by_method").get<uint64_t>(uint32_t{6})), 1u);

    auto larger = VALUE_OF(runtime_->load_file(
        object_path("both"), {.progs = {"first"}, .max_entries = {{"by_method", 100}}}));
    EXPECT_EQ(VALUE_OF(larger.map("by_method")).info().max_entries, 100u);
}

TEST_P(Both, ATestRunGivesVerdictPacketAndStatistics) {
    std::vector<uint8_t> packet(64, 7);
    Program drop = program("drop");
    const ProgramStats before = VALUE_OF(drop.stats());
    EXPECT_DONE(runtime_->enable_stats(true));
    const TestResult result = VALUE_OF(drop.test_run({.data = packet, .repeat = 5}));
    EXPECT_DONE(runtime_->enable_stats(false));
    EXPECT_EQ(result.retval, uint64_t{XDP_DROP});
    EXPECT_EQ(result.data, packet);
    EXPECT_EQ(VALUE_OF(map("packets").sum(uint32_t{1})), 5u);
    EXPECT_EQ(VALUE_OF(map("packets").sum(uint32_t{0})), 0u);
    EXPECT_EQ(VALUE_OF(drop.stats()).runs - before.runs, 5u);
}

TEST_P(Both, MapsOfMapsAndProgArraysTakeHandles) {
    EXPECT_DONE(map("outer").set_map(raw(uint32_t{1}), map("inner_one")));
    EXPECT_DONE(map("outer").set_map(raw(uint32_t{2}), map("inner_two")));
    request one{.size = 11, .method = 2, .judge = 0};
    EXPECT_EQ(VALUE_OF(program("add_inner").test_run({.ctx = raw(one)})).retval, 0u);
    EXPECT_EQ(VALUE_OF(map("inner_one").get<uint64_t>(uint32_t{0})), 0u);
    EXPECT_EQ(VALUE_OF(map("inner_two").get<uint64_t>(uint32_t{0})), 11u);
    EXPECT_EQ(map("outer").set_map(raw(uint32_t{3}), map("by_method")).error().sys_errno, EINVAL);

    const std::vector<uint8_t> packet(64, 7);
    EXPECT_EQ(VALUE_OF(program("jump").test_run({.data = packet})).retval, 77u);
    EXPECT_DONE(map("progs").set_prog(1, program("drop")));
    EXPECT_EQ(VALUE_OF(program("jump").test_run({.data = packet})).retval, uint64_t{XDP_DROP});
    EXPECT_TRUE(VALUE_OF(map("progs").remove(uint32_t{1})));
    EXPECT_EQ(VALUE_OF(program("jump").test_run({.data = packet})).retval, 77u);
}

TEST_P(Both, MapsAreMadeWithoutAnObject) {
    Map made = VALUE_OF(runtime_->create_map({.name = "made",
                                              .type = *map_type_from("array"),
                                              .key_size = 4,
                                              .value_size = 8,
                                              .max_entries = 1}));
    EXPECT_DONE(map("outer").set_map(raw(uint32_t{1}), made));
    request one{.size = 4, .method = 1, .judge = 0};
    EXPECT_EQ(VALUE_OF(program("add_inner").test_run({.ctx = raw(one)})).retval, 0u);
    EXPECT_EQ(VALUE_OF(made.get<uint64_t>(uint32_t{0})), 4u);
    EXPECT_FALSE(runtime_->create_map({.name = "no", .type = *map_type_from("array")}));
}

TEST_P(Both, RecordsAndPrintkReachUserSpace) {
    std::vector<request> seen;
    Events events = VALUE_OF(object_->events([&](const Record& record) {
        EXPECT_EQ(record.map, "events");
        ASSERT_EQ(record.bytes.size(), sizeof(request));
        request one;
        std::memcpy(&one, record.bytes.data(), sizeof one);
        seen.push_back(one);
    }));
    EXPECT_EQ(VALUE_OF(events.poll(0ms)), 0u);
    request one{.size = 41, .method = 1, .judge = 9};
    EXPECT_EQ(VALUE_OF(program("report").test_run({.ctx = raw(one)})).retval, 0u);
    one.size = 43;
    EXPECT_EQ(VALUE_OF(program("report").test_run({.ctx = raw(one)})).retval, 0u);
    size_t got = 0;
    for (int i = 0; i < 50 && got < 2; i++) got += VALUE_OF(events.poll(100ms));
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0].size, 41u);
    EXPECT_EQ(seen[1].size, 43u);
    EXPECT_EQ(seen[1].judge, 9u);
    for (int i = 0; i < 50 && printed_.size() < 2; i++) VALUE_OF(events.poll(10ms));
    EXPECT_THAT(printed_, Contains("runtime test: size 41"));
    EXPECT_THAT(printed_, Contains("runtime test: size 43"));
    EXPECT_EQ(events.lost(), 0u);
}

TEST_P(Both, WhatAFullRingBufferDoesNotTakeIsCounted) {
    size_t seen = 0;
    Events events = VALUE_OF(object_->events([&](const Record&) { seen++; }));
    request one{.size = 1, .method = 1, .judge = 0};
    EXPECT_EQ(VALUE_OF(program("flood").test_run({.ctx = raw(one)})).retval, 0u);
    while (VALUE_OF(events.poll(0ms)) != 0) {
    }
    EXPECT_GT(seen, 50u);
    EXPECT_LT(seen, 1000u);
    EXPECT_EQ(events.lost(), 1000 - seen);
}

TEST_P(Both, ARefusedProgramIsExplained) {
    const auto refused = runtime_->load_file(object_path("refused"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Failed);
    EXPECT_THAT(refused.error().message + refused.error().hint,
                HasSubstr("invalid access to packet"));
    EXPECT_THAT(refused.error().message, HasSubstr("careless"));
    EXPECT_THAT(refused.error().hint, HasSubstr("refused.bpf.c"));
}

TEST_P(Both, WhatIsNoObjectIsMalformed) {
    const std::vector<uint8_t> bytes = {1, 2, 3};
    const auto broken = runtime_->load(bytes, "broken.o");
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().code, ErrorCode::Malformed);
}

TEST_P(Both, APinnedMapIsFoundAgain) {
    const std::string name = "skep_runtime_test_" + std::to_string(getpid());
    {
        Map map = this->map("by_method");
        EXPECT_DONE(map.set(uint32_t{1}, uint64_t{10}));
        EXPECT_DONE(map.pin(name));
        EXPECT_DONE(map.set(uint32_t{2}, uint64_t{20}));
    }
    object_.reset();
    runtime_.reset();
    auto runtime = VALUE_OF(Runtime::open(GetParam()));
    {
        Map found = VALUE_OF(runtime.pinned_map(name));
        EXPECT_EQ(found.info().max_entries, 8u);
        EXPECT_EQ(VALUE_OF(found.get<uint64_t>(uint32_t{1})), 10u);
        EXPECT_EQ(VALUE_OF(found.get<uint64_t>(uint32_t{2})), 20u);
        EXPECT_DONE(found.unpin());
    }
    EXPECT_EQ(runtime.pinned_map(name).error().sys_errno, ENOENT);
}

// Callers on several threads, and a link that goes back and forth between two programs: each call
// is judged by one of them, and counted.
TEST_P(Both, AProgramIsReplacedUnderLoadWithoutLosingACall) {
    auto hook = VALUE_OF(Hook<request>::create(*runtime_, "busy", 99));
    // Two calls at once that both find no element would both make one.
    EXPECT_DONE(map("by_method").set(uint32_t{1}, uint64_t{0}));
    Link link = VALUE_OF(program("first").attach({.hook = &hook}));
    std::atomic<uint64_t> calls = 0, wrong = 0;
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&] {
            while (!stop) {
                request one{.size = 150, .method = 1, .judge = 0};
                const auto answer = hook.run(one);
                // `first` refuses 150, `second` takes it.
                if (!answer || one.judge < 1 || one.judge > 2 || *answer != one.judge - 1) wrong++;
                calls++;
            }
        });
    for (int i = 0; i < 300; i++) {
        EXPECT_DONE(link.update(program(i % 2 ? "first" : "second")));
        std::this_thread::sleep_for(500us);
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0u);
    EXPECT_GT(calls, 0u);
    EXPECT_EQ(VALUE_OF(map("by_method").get<uint64_t>(uint32_t{1})), calls);
}

std::string place_name(const ::testing::TestParamInfo<Place>& info) {
    return info.param == Place::Embedded ? "Embedded" : "Kernel";
}
INSTANTIATE_TEST_SUITE_P(Runtime, Both, ::testing::Values(Place::Embedded, Place::Kernel),
                         place_name);

}  // namespace
}  // namespace skep
