// SPDX-License-Identifier: Apache-2.0
#include "platform/types.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

namespace skep {
namespace {

// The system's <linux/bpf.h> is an independent copy of the same numbers.
TEST(Types, NumbersAreTheKernels) {
    EXPECT_EQ(uint32_t(ProgType::SchedCls), uint32_t(BPF_PROG_TYPE_SCHED_CLS));
    EXPECT_EQ(uint32_t(ProgType::Syscall), uint32_t(BPF_PROG_TYPE_SYSCALL));
    EXPECT_EQ(uint32_t(MapType::CgroupStorage), uint32_t(BPF_MAP_TYPE_CGROUP_STORAGE));
    EXPECT_EQ(uint32_t(MapType::BloomFilter), uint32_t(BPF_MAP_TYPE_BLOOM_FILTER));
    EXPECT_EQ(uint32_t(AttachType::Xdp), uint32_t(BPF_XDP));
    EXPECT_EQ(uint32_t(AttachType::LsmCgroup), uint32_t(BPF_LSM_CGROUP));
}

TEST(Types, NamesRoundTrip) {
    EXPECT_EQ(to_string(ProgType::SchedCls), "sched_cls");
    EXPECT_EQ(prog_type_from("sched_cls"), ProgType::SchedCls);
    EXPECT_EQ(map_type_from("lru_percpu_hash"), MapType::LruPercpuHash);
    EXPECT_EQ(prog_type_from("nonsense"), std::nullopt);
    EXPECT_EQ(to_string(static_cast<MapType>(9999)), "unknown");
    EXPECT_EQ(to_string(AttachType::None), "unspec");
}

}  // namespace
}  // namespace skep
