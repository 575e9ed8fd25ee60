// SPDX-License-Identifier: Apache-2.0
#include "engine/timers.hpp"

#include <time.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/testing.hpp"

namespace skep::engine {
namespace {

constexpr uint32_t kOffset = 8;  // of the timer in the value
constexpr uint64_t kAbsolute = 1;

// A map of timers, and a program whose function `fires` prints the key that it is called with.
class TimersTest : public ::testing::Test {
  protected:
    TimersTest() {
        env_.clock = [this](Clock) { return now_; };
        env_.printk = [this](std::string_view line) { lines_.emplace_back(line); };
        auto loaded = Object::load(object_of(R"(
                r2 = fires ll
                r2 = breaks ll
                r0 = 0
                exit
            fires:
                r3 = *(u32 *)(r2 + 0)
                r1 = 0x7525
                *(u64 *)(r10 - 8) = r1
                r1 = r10
                r1 += -8
                r2 = 3
                call 6
                r0 = 0
                exit
            breaks:
                r0 = *(u64 *)(r10 + 8)
                exit
        )",
                                             ProgType::RawTracepoint),
                                   env_, {.checked = true});  // the program itself starts none
        EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().to_string());
        object_ = std::move(*loaded);
        prog_ = object_->find_prog("test");
        auto map = maps::Map::create({.name = "timed",
                                      .type = MapType::Hash,
                                      .key_size = 4,
                                      .value_size = 32,
                                      .max_entries = 4,
                                      .timer_offset = kOffset});
        EXPECT_TRUE(map);
        map_ = std::move(*map);
        map_->on_release([this](maps::Map& from, uint8_t* value) { timers_.release(from, value); });
        execution_ = std::move(*Execution::create(env_));
        event_.task = &task_;
    }

    /// As the program would have it: 1 is `fires`, 2 is `breaks`.
    uint64_t function(size_t index) const {
        return reinterpret_cast<uint64_t>(&prog_->ops()[prog_->spec().subprogs.at(index).insn]);
    }
    uint8_t* element(uint32_t key) {
        const std::array<uint8_t, 32> zeros{};
        if (!map_->lookup(&key, 0)) map_->update(&key, zeros.data(), 0, 0);
        return static_cast<uint8_t*>(map_->lookup(&key, 0));
    }
    uint64_t timer(uint32_t key) { return reinterpret_cast<uint64_t>(element(key)) + kOffset; }
    long fired(uint32_t key) { return std::ranges::count(lines_, std::to_string(key)); }
    /// Ready to start.
    uint64_t make(uint32_t key) {
        EXPECT_EQ(timers_.init(*map_, element(key), timer(key), CLOCK_MONOTONIC), 0);
        EXPECT_EQ(timers_.set_callback(timer(key), *prog_, function(1)), 0);
        return timer(key);
    }
    void run() { EXPECT_FALSE(timers_.run_due(*execution_, event_)); }

    uint64_t now_ = 1000;
    std::vector<std::string> lines_;
    Env env_;
    Timers timers_{env_};
    std::unique_ptr<Object> object_;
    const Prog* prog_ = nullptr;
    std::unique_ptr<maps::Map> map_;
    std::unique_ptr<Execution> execution_;
    NoTask task_;
    Event event_;
};

TEST_F(TimersTest, HasToBeMadeInOrder) {
    const uint64_t one = timer(1);
    EXPECT_EQ(timers_.set_callback(one, *prog_, function(1)), -EINVAL);
    EXPECT_EQ(timers_.start(one, 0, 0), -EINVAL);
    EXPECT_EQ(timers_.cancel(*execution_, one), -EINVAL);
    EXPECT_EQ(timers_.init(*map_, element(1), one, CLOCK_TAI), -EINVAL);
    EXPECT_EQ(timers_.init(*map_, element(1), one, CLOCK_BOOTTIME), 0);
    EXPECT_EQ(timers_.init(*map_, element(1), one, CLOCK_BOOTTIME), -EBUSY);
    EXPECT_EQ(timers_.start(one, 0, 0), -EINVAL);  // no callback
    EXPECT_EQ(timers_.set_callback(one, *prog_, function(1)), 0);
    EXPECT_EQ(timers_.start(one, 0, 4), -EINVAL);
    EXPECT_EQ(timers_.start(one, 0, 2), 0);
}

TEST_F(TimersTest, FiresOnceWhenItIsDue) {
    EXPECT_FALSE(timers_.armed());
    EXPECT_EQ(timers_.start(make(1), 500, 0), 0);
    EXPECT_EQ(timers_.start(make(2), 1300, kAbsolute), 0);
    EXPECT_TRUE(timers_.armed());
    EXPECT_EQ(timers_.next_due(), 300u);
    run();
    EXPECT_EQ(fired(1) + fired(2), 0);
    now_ = 1400;
    EXPECT_EQ(timers_.next_due(), 0u);
    run();
    EXPECT_EQ(fired(1), 0);
    EXPECT_EQ(fired(2), 1);
    now_ = 5000;
    run();
    run();
    EXPECT_EQ(fired(1), 1);
    EXPECT_EQ(fired(2), 1);
    EXPECT_FALSE(timers_.armed());
    EXPECT_EQ(timers_.next_due(), std::nullopt);
}

TEST_F(TimersTest, StartingAgainMovesIt) {
    const uint64_t one = make(1);
    EXPECT_EQ(timers_.start(one, 100, 0), 0);
    EXPECT_EQ(timers_.start(one, 900, 0), 0);
    now_ = 1500;
    run();
    EXPECT_EQ(fired(1), 0);
    now_ = 1900;
    run();
    EXPECT_EQ(fired(1), 1);
    EXPECT_EQ(timers_.start(one, UINT64_MAX, 0), 0);
    now_ = UINT64_MAX / 4;
    run();
    EXPECT_EQ(fired(1), 1);
}

TEST_F(TimersTest, CancelSaysWhetherItWasRunning) {
    const uint64_t one = make(1);
    EXPECT_EQ(timers_.cancel(*execution_, one), 0);
    EXPECT_EQ(timers_.start(one, 0, 0), -EINVAL);  // cancelling lets go of the callback
    timers_.set_callback(one, *prog_, function(1));
    EXPECT_EQ(timers_.start(one, 0, 0), 0);
    EXPECT_EQ(timers_.cancel(*execution_, one), 1);
    run();
    EXPECT_EQ(fired(1), 0);
}

TEST_F(TimersTest, GoesWithItsElement) {
    const uint64_t one = make(1);
    EXPECT_EQ(timers_.start(one, 0, 0), 0);
    const uint32_t key = 1;
    EXPECT_EQ(map_->erase(&key), 0);
    EXPECT_FALSE(timers_.armed());
    run();
    make(1);  // -EBUSY if it were still there
}

TEST_F(TimersTest, AFaultOfACallbackIsReturned) {
    EXPECT_EQ(timers_.init(*map_, element(1), timer(1), CLOCK_REALTIME), 0);
    timers_.set_callback(timer(1), *prog_, function(2));
    timers_.start(timer(1), 0, 0);
    const auto fault = timers_.run_due(*execution_, event_);
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->kind, Fault::Kind::BadAccess);
}

}  // namespace
}  // namespace skep::engine
