// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.hpp"

#include <gmock/gmock.h>
#include <linux/bpf.h>

#include "kernel_runtime/sandbox.hpp"

namespace skep::kernel_test {
namespace {

using ::testing::HasSubstr;

Bytes key_of(uint32_t key) {
    const ByteView view = bytes_of(key);
    return Bytes(view.begin(), view.end());
}
Bytes value_of(uint64_t value) {
    const ByteView view = bytes_of(value);
    return Bytes(view.begin(), view.end());
}

class KernelMap : public ::testing::Test {
  protected:
    void SetUp() override {
        NEEDS_KERNEL();
        object_.emplace(load("maps", {.progs = {"target"}}));
    }
    kernel::Map map(const std::string& name) { return must(object_->map(name)); }
    std::optional<kernel::Object> object_;
};

TEST_F(KernelMap, FindsChangesAndDeletes) {
    const kernel::Map counts = map("counts");
    EXPECT_EQ(must(counts.lookup(key_of(1))), std::nullopt);
    must(counts.update(key_of(1), value_of(10)));
    must(counts.update(key_of(1), value_of(11), BPF_EXIST));
    const auto again = counts.update(key_of(1), value_of(12), BPF_NOEXIST);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().sys_errno, EEXIST);
    EXPECT_THAT(again.error().message, HasSubstr("map 'counts'"));
    EXPECT_EQ(must(counts.lookup(key_of(1))), value_of(11));
    EXPECT_EQ(must(counts.lookup_and_delete(key_of(1))), value_of(11));
    EXPECT_FALSE(must(counts.erase(key_of(1))));
}

TEST_F(KernelMap, ChecksSizes) {
    const kernel::Map counts = map("counts");
    const auto key = counts.lookup(Bytes(3));
    ASSERT_FALSE(key);
    EXPECT_THAT(key.error().message, HasSubstr("a key has 4 bytes, not 3"));
    const auto value = map("per_cpu").update(key_of(1), Bytes(4));
    ASSERT_FALSE(value);
    EXPECT_THAT(value.error().message, HasSubstr("a copy for each possible CPU"));
}

TEST_F(KernelMap, ManyAtOnce) {
    const kernel::Map counts = map("counts");
    std::vector<kernel::MapEntry> entries;
    std::vector<Bytes> odd;
    for (uint32_t i = 0; i < 1000; i++) {
        entries.push_back({key_of(i), value_of(i * 3)});
        if (i % 2) odd.push_back(key_of(i));
    }
    EXPECT_EQ(must(counts.update_batch(entries)), 1000u);
    uint64_t sum = 0;
    for (const auto& [key, value] : must(counts.entries())) sum += *skep::load<uint64_t>(value, 0);
    EXPECT_EQ(sum, 3 * 999 * 1000 / 2u);
    odd.push_back(key_of(5000));  // not there: not counted, and no reason to stop
    odd.push_back(key_of(0));
    EXPECT_EQ(must(counts.erase_batch(odd)), 501u);
    EXPECT_EQ(must(counts.take_all()).size(), 499u);
    EXPECT_TRUE(must(counts.entries()).empty());
}

TEST_F(KernelMap, ABatchThatDoesNotFitSaysWhereItStopped) {
    const kernel::Map counts = map("counts");
    std::vector<kernel::MapEntry> entries;
    for (uint32_t i = 0; i < 1001; i++) entries.push_back({key_of(i), value_of(i)});
    const auto done = counts.update_batch(entries);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().sys_errno, E2BIG);
    EXPECT_THAT(done.error().message, HasSubstr("element 1000 of 1001"));
}

TEST_F(KernelMap, PerCpuValuesAreCopies) {
    const kernel::Map per_cpu = map("per_cpu");
    Bytes value(8 * size_t{kernel::possible_cpus()});
    for (uint32_t cpu = 0; cpu < kernel::possible_cpus(); cpu++) value[8 * cpu] = uint8_t(cpu + 1);
    must(per_cpu.update(key_of(7), value));
    EXPECT_EQ(must(per_cpu.lookup(key_of(7))), value);
    EXPECT_EQ(must(per_cpu.entries()).at(0).value, value);
    EXPECT_EQ(must(per_cpu.update_batch({{key_of(8), value}, {key_of(9), value}})), 2u);
    EXPECT_EQ(must(per_cpu.take_all()).size(), 3u);
}

TEST_F(KernelMap, QueuesHaveNoKeys) {
    const kernel::Map queue = map("queue");
    for (uint32_t i = 0; i < 3; i++) must(queue.update({}, bytes_of(i)));
    EXPECT_EQ(must(queue.lookup({})), key_of(0));
    EXPECT_EQ(must(queue.lookup_and_delete({})), key_of(0));
    EXPECT_EQ(must(queue.take_all()).size(), 2u);
    EXPECT_EQ(must(queue.lookup({})), std::nullopt);
}

TEST_F(KernelMap, ArraysAreGoneThroughToo) {
    const kernel::Map slots = map("slots");
    must(slots.update(key_of(3), value_of(33)));
    const auto entries = must(slots.entries());
    ASSERT_EQ(entries.size(), 8u);
    EXPECT_EQ(entries[3].value, value_of(33));
    EXPECT_EQ(must(slots.next_key(std::nullopt)), key_of(0));
    EXPECT_EQ(must(slots.next_key(ByteView(entries[7].key))), std::nullopt);
    // Elements of an array stay.
    const auto erased = slots.erase_batch({key_of(3)});
    ASSERT_FALSE(erased);
    EXPECT_EQ(erased.error().sys_errno, EINVAL);
}

TEST_F(KernelMap, FrozenForUserSpace) {
    const kernel::Map slots = map("slots");
    EXPECT_FALSE(slots.frozen());
    must(slots.freeze());
    EXPECT_TRUE(slots.frozen());
    const auto update = slots.update(key_of(1), value_of(1));
    ASSERT_FALSE(update);
    EXPECT_EQ(update.error().sys_errno, EPERM);
    EXPECT_EQ(must(slots.lookup(key_of(1))), value_of(0));
}

TEST_F(KernelMap, IsFoundByItsNumber) {
    const kernel::Map counts = map("counts");
    must(counts.update(key_of(1), value_of(10)));
    const kernel::Map same = must(kernel::Map::open_id(counts.info().id));
    EXPECT_EQ(same.info().name, "counts");
    EXPECT_EQ(must(same.lookup(key_of(1))), value_of(10));
    object_.reset();
    EXPECT_EQ(must(same.lookup(key_of(1))), value_of(10));
}

}  // namespace
}  // namespace skep::kernel_test
