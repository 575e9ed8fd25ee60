// SPDX-License-Identifier: Apache-2.0
#include "platform/verdicts.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

namespace skep::platform {
namespace {

TEST(Verdicts, HaveTheKernelsNames) {
    EXPECT_EQ(verdict_name(ProgType::Xdp, XDP_TX), "XDP_TX");
    EXPECT_EQ(verdict_name(ProgType::SchedCls, TC_ACT_SHOT), "TC_ACT_SHOT");
    EXPECT_EQ(verdict_name(ProgType::SchedAct, TC_ACT_UNSPEC), "TC_ACT_UNSPEC");
    EXPECT_EQ(verdict_name(ProgType::SchedCls, -1, AttachType::TcxEgress), "TCX_NEXT");
    EXPECT_EQ(verdict_name(ProgType::SkMsg, SK_PASS), "SK_PASS");
    EXPECT_EQ(verdict_name(ProgType::LwtXmit, BPF_LWT_REROUTE), "BPF_LWT_REROUTE");
    EXPECT_EQ(verdict_name(ProgType::CgroupSkb, 1), "ALLOW");
}

TEST(Verdicts, WithoutANameAreNumbers) {
    EXPECT_EQ(verdict_name(ProgType::Xdp, 77), "77");
    EXPECT_EQ(verdict_name(ProgType::Kprobe, 0), "0");
    EXPECT_EQ(verdict_name(ProgType::SocketFilter, 96), "96");
    EXPECT_EQ(verdict_name(ProgType::SchedCls, 1, AttachType::TcxIngress), "1");
}

TEST(ReturnRange, DependsOnTheKind) {
    EXPECT_FALSE(return_range({ProgType::Xdp}));
    EXPECT_EQ(return_range({ProgType::CgroupSkb})->highest, 1);
    EXPECT_EQ(return_range({ProgType::CgroupSkb, AttachType::CgroupInetEgress})->highest, 3);
    EXPECT_TRUE(
        return_range({ProgType::Lsm, AttachType::LsmMac, "bpf_lsm_file_open"})->contains(-1));
    EXPECT_FALSE(return_range({ProgType::Lsm, AttachType::LsmMac, "bpf_lsm_audit_rule_known"})
                     ->contains(-1));
}

}  // namespace
}  // namespace skep::platform
