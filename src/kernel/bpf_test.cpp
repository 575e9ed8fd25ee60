// SPDX-License-Identifier: Apache-2.0
#include "kernel/bpf.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "base/testing.hpp"
#include "btf/btf.hpp"
#include "kernel/capabilities.hpp"

namespace skep::kernel {

namespace {

using isa::Insn;

constexpr Insn kReturnZero[] = {{.opcode = isa::kAlu64 | isa::kMov},
                                {.opcode = isa::kJmp | isa::kExit}};

// Layouts against the headers of this machine, where these have the field.
static_assert(offsetof(LinkInfo, raw_tracepoint) == offsetof(bpf_link_info, raw_tracepoint));
static_assert(offsetof(LinkInfo, iter.cgroup) == offsetof(bpf_link_info, iter.cgroup));
static_assert(offsetof(LinkCreateAttr, kprobe_multi.cookies) ==
              offsetof(bpf_attr, link_create.kprobe_multi.cookies));
static_assert(offsetof(LinkCreateAttr, tracing.cookie) ==
              offsetof(bpf_attr, link_create.tracing.cookie));
static_assert(offsetof(MapCreateAttr, extra) == offsetof(bpf_attr, map_extra));
static_assert(offsetof(ProgLoadAttr, core_relo_rec_size) == offsetof(bpf_attr, core_relo_rec_size));
static_assert(offsetof(ProgLoadAttr, attach_fd) == offsetof(bpf_attr, attach_prog_fd));
static_assert(offsetof(TestRunAttr, batch_size) == offsetof(bpf_attr, test.batch_size));
static_assert(offsetof(ProgQueryAttr, prog_attach_flags) ==
              offsetof(bpf_attr, query.prog_attach_flags));

class Bpf : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!missing_capabilities().empty()) SKEP_SKIP("needs " + missing_capabilities());
        auto map = map_create({.type = uint32_t(MapType::Hash),
                               .key_size = 4,
                               .value_size = 8,
                               .max_entries = 16,
                               .name = "skep_seam"});
        if (!map) SKEP_SKIP(map.error().message);
        map_ = std::move(*map);
    }

    void put(uint32_t key, uint64_t value) {
        ASSERT_TRUE(map_update(map_.get(), bytes_of(key), bytes_of(value)).has_value());
    }

    UniqueFd map_;
};

TEST_F(Bpf, ElementsComeAndGo) {
    uint64_t value = 0;
    const auto out = std::span(reinterpret_cast<uint8_t*>(&value), sizeof value);
    const uint32_t key = 7, other = 8;
    put(key, 42);
    EXPECT_EQ(map_lookup(map_.get(), bytes_of(key), out), true);
    EXPECT_EQ(value, 42u);
    EXPECT_EQ(map_lookup(map_.get(), bytes_of(other), out), false);
    EXPECT_EQ(map_delete(map_.get(), bytes_of(other)), false);

    const auto twice = map_update(map_.get(), bytes_of(key), bytes_of(value), BPF_NOEXIST);
    ASSERT_FALSE(twice.has_value());
    EXPECT_EQ(twice.error().sys_errno, EEXIST);

    EXPECT_EQ(map_lookup_and_delete(map_.get(), bytes_of(key), out), true);
    uint32_t next = 0;
    EXPECT_EQ(map_next_key(map_.get(), nullptr,
                           std::span(reinterpret_cast<uint8_t*>(&next), sizeof next)),
              false);
}

TEST_F(Bpf, BatchesReadAllElements) {
    for (uint32_t key = 0; key < 11; key++) put(key, key * 3);
    std::array<uint32_t, 16> keys{};
    std::array<uint64_t, 16> values{};
    uint32_t position = 0;
    MapBatch batch{
        .out_batch = &position, .keys = keys.data(), .values = values.data(), .count = keys.size()};
    EXPECT_EQ(map_lookup_batch(map_.get(), batch), false);
    ASSERT_EQ(batch.count, 11u);
    for (size_t i = 0; i < batch.count; i++) EXPECT_EQ(values[i], keys[i] * 3u);
}

TEST_F(Bpf, ObjectsAreFoundByTheirIds) {
    const auto info = map_info(map_.get());
    ASSERT_TRUE(info.has_value());
    EXPECT_STREQ(info->name, "skep_seam");
    const auto ids = all_ids(ObjectKind::Map);
    ASSERT_TRUE(ids.has_value()) << ids.error().message;
    EXPECT_NE(std::ranges::find(*ids, info->id), ids->end());
    const auto again = fd_by_id(ObjectKind::Map, info->id);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(map_info(again->get())->id, info->id);

    const auto gone = fd_by_id(ObjectKind::Map, 0x7fffffff);
    ASSERT_FALSE(gone.has_value());
    EXPECT_EQ(gone.error().sys_errno, ENOENT);
}

TEST_F(Bpf, AFrozenMapTakesNoMoreValues) {
    ASSERT_TRUE(map_freeze(map_.get()).has_value());
    const uint32_t key = 1;
    const uint64_t value = 1;
    const auto done = map_update(map_.get(), bytes_of(key), bytes_of(value));
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code, ErrorCode::Unsupported);
}

TEST_F(Bpf, ARefusalHasTheVerifiersWords) {
    std::string log;
    const auto prog =
        prog_load({.type = ProgType::SocketFilter, .insns = std::span(kReturnZero, 1)}, &log);
    ASSERT_FALSE(prog.has_value());
    EXPECT_EQ(prog.error().sys_errno, EINVAL);
    EXPECT_NE(log.find("last insn is not an exit"), std::string::npos) << log;
}

TEST_F(Bpf, AProgramRunsAndNamesItsMaps) {
    const auto prog = prog_load(
        {.type = ProgType::SocketFilter, .insns = kReturnZero, .name = "a name, too long"});
    ASSERT_TRUE(prog.has_value()) << prog.error().message;
    EXPECT_STREQ(prog_info(prog->get())->name, "a_name__too_lon");
    EXPECT_TRUE(prog_map_ids(prog->get())->empty());
    const Bytes packet(64);
    TestRunAttr run{.data_size_in = 64, .data_in = reinterpret_cast<uint64_t>(packet.data())};
    const auto done = prog_test_run(prog->get(), run);
    ASSERT_TRUE(done.has_value()) << done.error().message;
    EXPECT_EQ(run.retval, 0u);
}

TEST_F(Bpf, ATracepointLinkTellsItsName) {
    const auto prog = prog_load({.type = ProgType::RawTracepoint, .insns = kReturnZero});
    ASSERT_TRUE(prog.has_value()) << prog.error().message;
    auto link = raw_tracepoint_open(prog->get(), "sched_switch");
    if (!link) SKEP_SKIP(link.error().message);
    char name[64] = {};
    LinkInfo info{};
    info.raw_tracepoint.name = reinterpret_cast<uint64_t>(name);
    info.raw_tracepoint.name_len = sizeof name;
    ASSERT_TRUE(object_info(link->get(), &info, sizeof info).has_value());
    EXPECT_EQ(to_string(LinkType{info.type}), "raw_tracepoint");
    EXPECT_STREQ(name, "sched_switch");
    EXPECT_EQ(info.prog_id, prog_info(prog->get())->id);
}

TEST_F(Bpf, TheKernelsTypesComeAsBytes) {
    const auto ids = all_ids(ObjectKind::Btf);
    ASSERT_TRUE(ids.has_value());
    if (ids->empty()) SKEP_SKIP("the kernel has no BTF");
    const auto fd = fd_by_id(ObjectKind::Btf, ids->front());
    ASSERT_TRUE(fd.has_value());
    const auto bytes = btf_bytes(fd->get());
    ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
    EXPECT_TRUE(btf::Btf::parse(*bytes).has_value());
}

TEST_F(Bpf, WhatIsNotAPinSaysSo) {
    const auto pinned = open_pinned("/sys/fs/bpf/no/such/pin");
    ASSERT_FALSE(pinned.has_value());
    EXPECT_EQ(pinned.error().sys_errno, ENOENT);
    EXPECT_NE(pinned.error().message.find("/no/such/pin"), std::string::npos);
}

TEST(BpfError, TellsTheUserWhatToDo) {
    const Error error = bpf_error("map 7", EPERM);
    EXPECT_EQ(error.code, ErrorCode::Unsupported);
    EXPECT_EQ(error.message, "map 7: Operation not permitted");
    EXPECT_NE(error.hint.find("skep doctor"), std::string::npos);
    EXPECT_EQ(bpf_error("map 7", ENOENT).code, ErrorCode::Failed);
    EXPECT_EQ(bpf_error("x", 524).message, "x: Operation not supported");
}

}  // namespace

}  // namespace skep::kernel
