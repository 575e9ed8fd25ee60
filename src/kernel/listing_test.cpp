// SPDX-License-Identifier: Apache-2.0
#include "kernel/listing.hpp"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/testing.hpp"
#include "kernel/bpf.hpp"
#include "kernel/capabilities.hpp"
#include "kernel/features.hpp"
#include "kernel/tracefs.hpp"

namespace skep::kernel {
namespace {

class ListingKernel : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!missing_capabilities().empty()) SKEP_SKIP("needs " + missing_capabilities());
        if (const auto first = next_id(ObjectKind::Prog, 0); !first)
            SKEP_SKIP(first.error().message);
    }
    template <typename Row>
    static const Row* find(const std::vector<Row>& rows, uint32_t id) {
        const auto row = std::ranges::find(rows, id, &Row::id);
        return row == rows.end() ? nullptr : &*row;
    }
};

TEST_F(ListingKernel, ALinkedProgramIsAtItsTracepoint) {
    const auto prog = load_trivial({.type = ProgType::RawTracepoint});
    ASSERT_TRUE(prog.has_value()) << prog.error().message;
    const auto link = raw_tracepoint_open(prog->get(), "sched_process_exit");
    if (!link) SKEP_SKIP(link.error().message);
    const uint32_t link_id = link_info(link->get())->id, prog_id = prog_info(prog->get())->id;
    const auto listing = list_objects();
    ASSERT_TRUE(listing.has_value()) << listing.error().message;
    const ProgRow* row = find(listing->progs, prog_id);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->name, "skep_doctor");
    EXPECT_EQ(row->insns, 2u);
    ASSERT_EQ(row->attached.size(), 1u);
    EXPECT_EQ(row->attached[0].target, "sched_process_exit");
    EXPECT_EQ(row->attached[0].link_id, link_id);
    const LinkRow* at = find(listing->links, link_id);
    ASSERT_NE(at, nullptr);
    EXPECT_EQ(at->prog_id, prog_id);
    EXPECT_EQ(to_string(at->type), "raw_tracepoint");
}

UniqueFd exit_event() {
    const auto id = tracepoint_id("sched", "sched_process_exit");
    if (!id) return {};
    perf_event_attr attr{};
    attr.type = PERF_TYPE_TRACEPOINT;
    attr.size = sizeof attr;
    attr.config = *id;
    attr.sample_period = 1;
    return UniqueFd(
        static_cast<int>(syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
}

TEST_F(ListingKernel, APerfEventIsAHookByLinkAndWithout) {
    const auto linked = load_trivial({.type = ProgType::Tracepoint});
    const auto set = load_trivial({.type = ProgType::Tracepoint});
    ASSERT_TRUE(linked.has_value() && set.has_value());
    const UniqueFd event = exit_event(), other = exit_event();
    if (!event || !other) SKEP_SKIP("no perf event for a tracepoint");
    const auto link =
        link_create(link_attr(*linked, static_cast<uint32_t>(event.get()), AttachType::PerfEvent));
    if (!link) SKEP_SKIP(link.error().message);
    ASSERT_EQ(ioctl(other.get(), PERF_EVENT_IOC_SET_BPF, set->get()), 0);
    const pid_t child = fork();  // holds the events: one's own are not listed
    if (child == 0) {
        pause();
        _exit(0);
    }
    const auto listing = list_objects();
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_TRUE(listing.has_value());
    const ProgRow* row = find(listing->progs, prog_info(linked->get())->id);
    ASSERT_NE(row, nullptr);
    ASSERT_EQ(row->attached.size(), 1u);  // not once more by its event
    EXPECT_EQ(row->attached[0].hook, "tracepoint");
    EXPECT_EQ(row->attached[0].target, "sched_process_exit");
    row = find(listing->progs, prog_info(set->get())->id);
    ASSERT_NE(row, nullptr);
    ASSERT_EQ(row->attached.size(), 1u);
    EXPECT_EQ(row->attached[0].hook, "tracepoint");
    EXPECT_EQ(row->attached[0].target, "sched_process_exit");
    EXPECT_EQ(row->attached[0].link_id, 0u);
}

TEST_F(ListingKernel, MapsKnowTheirProgramsAndHolders) {
    const auto map = map_create({.type = uint32_t(MapType::Array),
                                 .key_size = 4,
                                 .value_size = 8,
                                 .max_entries = 2,
                                 .name = "skep_held"});
    ASSERT_TRUE(map.has_value());
    const isa::Insn insns[] = {
        {.opcode = 0x18, .dst = 1, .src = isa::kPseudoMapFd, .imm = map->get()},
        {},
        {.opcode = isa::kAlu64 | isa::kMov},
        {.opcode = isa::kJmp | isa::kExit}};
    const auto prog = prog_load({.type = ProgType::SocketFilter, .insns = insns});
    ASSERT_TRUE(prog.has_value()) << prog.error().message;
    const pid_t child = fork();  // inherits both, and waits to be killed
    if (child == 0) {
        pause();
        _exit(0);
    }
    const auto listing = list_objects();
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_TRUE(listing.has_value());
    const uint32_t prog_id = prog_info(prog->get())->id;
    const MapRow* row = find(listing->maps, map_info(map->get())->id);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->name, "skep_held");
    EXPECT_EQ(row->progs, std::vector<uint32_t>{prog_id});
    const auto held = [&](const std::vector<Holder>& holders) {
        return std::ranges::any_of(holders, [&](const Holder& holder) {
            return holder.pid == static_cast<uint32_t>(child) && holder.comm == "kernel_test";
        });
    };
    EXPECT_TRUE(held(row->holders));
    EXPECT_TRUE(held(find(listing->progs, prog_id)->holders));
}

}  // namespace
}  // namespace skep::kernel
