// SPDX-License-Identifier: Apache-2.0
#include "runtime/execution_pool.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

#include "maps/map.hpp"

namespace skep::runtime {
namespace {

TEST(ExecutionPool, AThreadGetsTheSameOneAgain) {
    const engine::Env env;
    ExecutionPool pool(env);
    std::set<engine::Execution*> seen;
    for (int i = 0; i < 3; i++) {
        const auto lease = pool.borrow();
        ASSERT_TRUE(lease);
        seen.insert(&lease->execution());
    }
    EXPECT_EQ(seen.size(), 1u);
}

TEST(ExecutionPool, LeasesAtOneTimeAreDifferent) {
    const engine::Env env;
    ExecutionPool pool(env);
    std::vector<ExecutionPool::Lease> leases;
    std::set<uint32_t> cpus;
    for (uint32_t i = 0; i < maps::possible_cpus(); i++) {
        auto lease = pool.borrow();
        ASSERT_TRUE(lease);
        cpus.insert(lease->execution().cpu());
        leases.push_back(std::move(*lease));
    }
    EXPECT_EQ(cpus.size(), maps::possible_cpus());
}

TEST(ExecutionPool, WhoFindsNoneWaitsForOne) {
    const engine::Env env;
    ExecutionPool pool(env);
    std::atomic<int> inside = 0, most = 0, done = 0;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < 4 * maps::possible_cpus(); i++)
        threads.emplace_back([&] {
            for (int round = 0; round < 200; round++) {
                const auto lease = pool.borrow();
                if (!lease) return;
                const int now = ++inside;
                int before = most;
                while (now > before && !most.compare_exchange_weak(before, now)) {
                }
                if (round % 16 == 0) std::this_thread::yield();
                --inside;
                ++done;
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(done, int(4 * maps::possible_cpus() * 200));
    EXPECT_LE(most, int(maps::possible_cpus()));
}

// Executions that are being made are neither there yet nor in use elsewhere.
TEST(ExecutionPool, TheFirstCallersAllGetOne) {
    for (int round = 0; round < 100; round++) {
        const engine::Env env;
        ExecutionPool pool(env);
        std::atomic<uint32_t> refused = 0;
        std::atomic<bool> go = false;
        std::vector<std::thread> threads;
        for (uint32_t i = 0; i < 4 * maps::possible_cpus(); i++)
            threads.emplace_back([&] {
                go.wait(false);
                if (!pool.borrow()) refused++;
            });
        go = true;
        go.notify_all();
        for (std::thread& thread : threads) thread.join();
        ASSERT_EQ(refused, 0u) << "round " << round;
    }
}

TEST(ExecutionPool, WithoutACpuSlotItSaysSo) {
    const engine::Env env;
    ExecutionPool first(env), second(env);
    std::vector<ExecutionPool::Lease> leases;
    for (uint32_t i = 0; i < maps::possible_cpus(); i++) leases.push_back(*first.borrow());
    const auto none = second.borrow();
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::Unsupported);
}

}  // namespace
}  // namespace skep::runtime
