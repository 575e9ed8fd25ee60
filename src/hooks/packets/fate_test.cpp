// SPDX-License-Identifier: Apache-2.0
#include "hooks/packets/fate.hpp"

#include <gtest/gtest.h>

namespace skep::hooks {
namespace {

Fate fate(ProgType type, int32_t verdict, bool redirected = false,
          AttachType attach = AttachType::None) {
    return fate_of({type, attach}, verdict, redirected);
}

TEST(Fate, OfXdp) {
    EXPECT_EQ(fate(ProgType::Xdp, 0), Fate::Dropped);
    EXPECT_EQ(fate(ProgType::Xdp, 1), Fate::Dropped);
    EXPECT_EQ(fate(ProgType::Xdp, 2), Fate::Passed);
    EXPECT_EQ(fate(ProgType::Xdp, 3), Fate::Sent);
    EXPECT_EQ(fate(ProgType::Xdp, 4), Fate::Dropped);  // to nowhere
    EXPECT_EQ(fate(ProgType::Xdp, 4, true), Fate::Sent);
    EXPECT_EQ(fate(ProgType::Xdp, 5), Fate::Dropped);
}

TEST(Fate, OfTc) {
    for (const int32_t passes : {-1, 0, 1, 3, 5, 6, 99}) {
        EXPECT_EQ(fate(ProgType::SchedCls, passes), Fate::Passed) << passes;
    }
    for (const int32_t drops : {2, 4, 7, 8}) {
        EXPECT_EQ(fate(ProgType::SchedCls, drops), Fate::Dropped) << drops;
    }
    EXPECT_EQ(fate(ProgType::SchedCls, 7, true), Fate::Sent);
    EXPECT_EQ(fate(ProgType::SchedAct, 5), Fate::Dropped);
    EXPECT_EQ(fate(ProgType::SchedCls, 4, false, AttachType::TcxIngress), Fate::Passed);
    EXPECT_EQ(fate(ProgType::SchedCls, 2, false, AttachType::TcxIngress), Fate::Dropped);
}

TEST(Fate, OfSocketsAndCgroups) {
    EXPECT_EQ(fate(ProgType::SocketFilter, 0), Fate::Dropped);
    EXPECT_EQ(fate(ProgType::SocketFilter, 1), Fate::Passed);
    EXPECT_EQ(fate(ProgType::SocketFilter, -1), Fate::Passed);
    EXPECT_EQ(fate(ProgType::CgroupSkb, 0), Fate::Dropped);
    EXPECT_EQ(fate(ProgType::CgroupSkb, 1), Fate::Passed);
    EXPECT_EQ(fate(ProgType::CgroupSkb, 2), Fate::Dropped);
    EXPECT_EQ(fate(ProgType::CgroupSkb, 3), Fate::Passed);
}

TEST(VerdictText, NamesWhatHappens) {
    EXPECT_EQ(verdict_text({ProgType::Xdp}, 2, 60), "XDP_PASS");
    EXPECT_EQ(verdict_text({ProgType::SchedCls, AttachType::TcxIngress}, 0, 60), "TCX_PASS");
    EXPECT_EQ(verdict_text({ProgType::SocketFilter}, 0, 60), "DROP");
    EXPECT_EQ(verdict_text({ProgType::SocketFilter}, 59, 60), "TRUNCATE");
    EXPECT_EQ(verdict_text({ProgType::SocketFilter}, 60, 60), "KEEP");
    EXPECT_EQ(verdict_text({ProgType::SocketFilter}, -1, 60), "KEEP");
}

}  // namespace
}  // namespace skep::hooks
