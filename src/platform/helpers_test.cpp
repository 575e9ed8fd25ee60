// SPDX-License-Identifier: Apache-2.0
#include "platform/helpers.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include "platform/helper_access.hpp"

namespace skep::platform {
namespace {

// The system's <linux/bpf.h> is an independent, if older, copy of the numbers.
TEST(Helpers, NumbersAreTheKernels) {
#define __BPF_CHECK(name) EXPECT_EQ(find_helper(#name)->id, HelperId(BPF_FUNC_##name)) << #name;
    __BPF_CHECK(map_lookup_elem)
    __BPF_CHECK(tail_call)
    __BPF_CHECK(skb_load_bytes_relative)
    __BPF_CHECK(ringbuf_reserve)
    __BPF_CHECK(user_ringbuf_drain)
#undef __BPF_CHECK
    EXPECT_EQ(helpers().size(), 211u);
    EXPECT_EQ(find_helper(0u), nullptr);
    EXPECT_EQ(find_helper(212u), nullptr);
    EXPECT_EQ(find_helper("map_lookup"), nullptr);
}

TEST(Helpers, SignaturesReadAsC) {
    EXPECT_EQ(helper_signature(HelperId::map_lookup_elem),
              "void *bpf_map_lookup_elem(void *map, const void *key)");
    EXPECT_EQ(helper_signature(HelperId::ktime_get_ns), "__u64 bpf_ktime_get_ns(void)");
}

TEST(Helpers, PrototypesSayTypesAndFlags) {
    const HelperProto& strtol = helper_proto(HelperId::strtol);
    EXPECT_EQ(strtol.arity(), 4u);
    EXPECT_EQ(strtol.args[0].base, ArgBase::Mem);
    EXPECT_TRUE(has(strtol.args[0].flags, TypeFlag::Rdonly));
    EXPECT_TRUE(has(strtol.args[3].flags, TypeFlag::FixedSizeMem));
    EXPECT_EQ(strtol.args[3].size, 8);

    const HelperProto& lookup = helper_proto(HelperId::map_lookup_elem);
    EXPECT_EQ(lookup.ret.base, RetBase::MapValue);
    EXPECT_TRUE(has(lookup.ret.flags, TypeFlag::MaybeNull));
    EXPECT_TRUE(lookup.is(HelperProps::PktAccess));
    EXPECT_FALSE(lookup.is(HelperProps::GplOnly));

    EXPECT_EQ(helper_proto(ProtoId::skb_output).args[0].btf_type, "sk_buff");
    EXPECT_EQ(helper_proto(HelperId::ktime_get_ns).arity(), 0u);
}

TEST(HelperAccess, DependsOnTypeAttachTypeAndTarget) {
    const ProgKind xdp{ProgType::Xdp};
    EXPECT_TRUE(helper_access(xdp, HelperId::xdp_adjust_head));
    EXPECT_FALSE(helper_access(xdp, HelperId::skb_store_bytes));
    EXPECT_FALSE(helper_access({ProgType::Unspec}, HelperId::map_lookup_elem));

    EXPECT_TRUE(
        helper_access({ProgType::CgroupSockAddr, AttachType::CgroupInet4Connect}, HelperId::bind));
    EXPECT_FALSE(
        helper_access({ProgType::CgroupSockAddr, AttachType::CgroupInet4Bind}, HelperId::bind));

    const ProgKind lsm{ProgType::Lsm, AttachType::LsmCgroup, "bpf_lsm_socket_post_create"};
    EXPECT_EQ(helper_access(lsm, HelperId::setsockopt)->proto->name, "sk_setsockopt");
    EXPECT_FALSE(helper_access({ProgType::Lsm, AttachType::LsmCgroup, "bpf_lsm_socket_bind"},
                               HelperId::setsockopt));
}

TEST(HelperAccess, ChoosesTheVariant) {
    EXPECT_EQ(helper_access({ProgType::SkReuseport}, HelperId::get_socket_cookie)->proto->variant,
              ProtoId::get_socket_ptr_cookie);
    EXPECT_EQ(helper_access({ProgType::SchedCls}, HelperId::get_socket_cookie)->proto->variant,
              ProtoId::get_socket_cookie);
    EXPECT_EQ(helper_access({ProgType::Xdp}, HelperId::trace_printk)->needs, HelperNeeds::Perfmon);
}

TEST(HelperAccess, DependsOnTheRelease) {
    const ProgKind xdp{ProgType::Xdp};
    EXPECT_FALSE(helper_access(xdp, HelperId::get_current_comm, {6, 12}));
    EXPECT_TRUE(helper_access(xdp, HelperId::get_current_comm, {6, 16}));
    // In cgroup hooks it needed nothing before it moved to where CAP_PERFMON is asked for.
    const ProgKind device{ProgType::CgroupDevice, AttachType::CgroupDevice};
    EXPECT_EQ(helper_access(device, HelperId::get_current_comm, {6, 12})->needs, HelperNeeds::None);
    EXPECT_EQ(helper_access(device, HelperId::get_current_comm)->needs, HelperNeeds::Perfmon);
    EXPECT_FALSE(helper_access(xdp, HelperId::map_lookup_percpu_elem, {5, 15}));
}

}  // namespace
}  // namespace skep::platform
