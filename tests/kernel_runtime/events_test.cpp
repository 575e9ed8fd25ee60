// SPDX-License-Identifier: Apache-2.0
#include "kernel/events.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include "kernel/tracefs.hpp"
#include "kernel_runtime/sandbox.hpp"

namespace skep::kernel_test {
namespace {

class KernelEvents : public ::testing::Test {
  protected:
    void SetUp() override {
        NEEDS_KERNEL();
        object_.emplace(load("maps", {.progs = {"emits", "prints"}}));
    }
    void run(const std::string& prog, uint32_t times) {
        must(must(object_->prog(prog)).test_run({.data = Bytes(100), .repeat = times}));
    }
    std::optional<kernel::Object> object_;
};

/// A record is {0x1234, the packet's length, ...}.
bool is_ours(ByteView record) {
    return skep::load<uint64_t>(record, 0) == 0x1234u && skep::load<uint64_t>(record, 8) == 100u;
}

TEST_F(KernelEvents, RingBuffer) {
    uint64_t good = 0;
    auto ring = must(kernel::RingBuffer::open(must(object_->map("ring")), [&](ByteView record) {
        EXPECT_EQ(record.size(), 96u);
        good += is_ours(record);
    }));
    EXPECT_EQ(must(ring.consume()), 0u);
    run("emits", 7);
    EXPECT_EQ(must(ring.poll(1000)), 7u);
    EXPECT_EQ(good, 7u);
    EXPECT_EQ(global(*object_, "ring_full"), 0u);
    // 4096 bytes hold 39 records of 96 and 8.
    run("emits", 101);
    EXPECT_EQ(must(ring.consume()), 39u);
    EXPECT_EQ(global(*object_, "ring_full"), 101u - 39);
    EXPECT_GE(ring.fd(), 0);
}

TEST_F(KernelEvents, PerfBufferCountsWhatIsLost) {
    uint64_t good = 0;
    auto perf = must(kernel::PerfBuffer::open(
        must(object_->map("perf")), [&](ByteView record, uint32_t) { good += is_ours(record); },
        1));
    run("emits", 7);
    EXPECT_EQ(must(perf.poll(1000)), 7u);
    EXPECT_EQ(perf.lost(), 0u);
    run("emits", 500);
    must(perf.consume());
    EXPECT_LT(good, 507u);
    run("emits", 1);  // the loss is told before the next record
    must(perf.consume());
    EXPECT_EQ(good + perf.lost(), 508u);
}

TEST_F(KernelEvents, OtherMapsHaveNoEvents) {
    const auto ring = kernel::RingBuffer::open(must(object_->map("counts")), [](ByteView) {});
    ASSERT_FALSE(ring);
    EXPECT_FALSE(ring.error().hint.empty());
    EXPECT_FALSE(kernel::PerfBuffer::open(must(object_->map("counts")), [](ByteView, uint32_t) {}));
}

std::vector<std::string> lines_of(kernel::Printk& printk, std::vector<kernel::PrintkLine>& lines,
                                  size_t wanted) {
    for (int tries = 0; tries < 50 && lines.size() < wanted; tries++) must(printk.poll(100));
    std::vector<std::string> texts;
    for (const kernel::PrintkLine& line : lines)
        if (line.pid == static_cast<uint32_t>(getpid())) texts.push_back(line.text);
    return texts;
}

TEST_F(KernelEvents, PrintkTakesNothingFromOthers) {
    std::vector<kernel::PrintkLine> first, second;
    auto one = must(kernel::Printk::open([&](const auto& line) { first.push_back(line); }));
    auto two = must(kernel::Printk::open([&](const auto& line) { second.push_back(line); }));
    run("prints", 3);
    const std::vector<std::string> expected(3, "a packet of 100 bytes");
    EXPECT_EQ(lines_of(one, first, 3), expected);
    EXPECT_EQ(lines_of(two, second, 3), expected);
    EXPECT_GT(first[0].seconds, 0);
}

TEST_F(KernelEvents, AKilledReaderIsSweptUp) {
    const auto instances = [] {
        const int root = must(kernel::tracefs());
        return run_command(fmt::format("ls /proc/{}/fd/{}/instances", getpid(), root)).text;
    };
    const int status = in_child([] {
        const auto printk = kernel::Printk::open([](const auto&) {});
        kill(getpid(), printk ? SIGKILL : SIGTERM);
        return 0;
    });
    ASSERT_EQ(status, 128 + SIGKILL);
    {
        const auto printk = must(kernel::Printk::open([](const auto&) {}));
    }
    EXPECT_THAT(instances(),
                ::testing::Not(::testing::HasSubstr(fmt::format("skep-{}", getpid()))));
}

TEST(Printk, ReadsALine) {
    const auto line = kernel::parse_printk(
        "     my task-x-1234    [003] b..31  1234.567890: bpf_trace_printk: a: b [x] 1");
    ASSERT_TRUE(line);
    EXPECT_EQ(line->comm, "my task-x");
    EXPECT_EQ(line->pid, 1234u);
    EXPECT_EQ(line->cpu, 3u);
    EXPECT_DOUBLE_EQ(line->seconds, 1234.56789);
    EXPECT_EQ(line->text, "a: b [x] 1");
    EXPECT_FALSE(kernel::parse_printk("cat-1 [000] .... 1.0: sys_enter: NR 1"));
    EXPECT_FALSE(kernel::parse_printk(" bpf_trace_printk: x"));
    EXPECT_FALSE(kernel::parse_printk(""));
}

}  // namespace
}  // namespace skep::kernel_test
