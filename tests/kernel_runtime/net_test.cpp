// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <net/if.h>

#include <cerrno>

#include "kernel/running.hpp"
#include "kernel/tc_filter.hpp"
#include "kernel_runtime/sandbox.hpp"
#include "kernel_runtime/traffic.hpp"

// XDP, tc, netfilter, routes and the flow dissector, by what gets through a veth.

namespace skep::kernel_test {
namespace {

using kernel::attach;
using kernel::LinkPtr;
using kernel::TcMode;
using kernel::XdpMode;
using ::testing::HasSubstr;

class KernelNet : public ::testing::Test {
  protected:
    void SetUp() override {
        NEEDS_KERNEL();
        wire_.emplace();
        object_.emplace(load("net", {.progs = {"xdp_pass", "xdp_drop", "xdp_large", "tc_pass",
                                               "tc_drop", "lwt_drop", "dissect"}}));
        delivery_ = {.from = udp_socket(wire_->left(), Wire::kLeft, 0),
                     .to = udp_socket(wire_->right(), "0.0.0.0", 7777),
                     .host = Wire::kRight,
                     .port = 7777};
        ASSERT_EQ(arrived(), 50) << "without any program";
    }
    int arrived() { return delivery_.send50(); }
    kernel::Prog prog(const std::string& name) { return must(object_->prog(name)); }
    uint64_t seen(const std::string& variable) { return global(*object_, variable); }

    std::optional<Wire> wire_;
    std::optional<kernel::Object> object_;
    Delivery delivery_;
};

TEST_F(KernelNet, XdpInTheDriverAndBehindIt) {
    uint64_t drops = 0;
    for (const XdpMode mode : {XdpMode::Native, XdpMode::Generic}) {
        const LinkPtr link = must(attach(
            prog("xdp_drop"), {.interface = "right0", .netns = wire_->right(), .xdp = mode}));
        EXPECT_EQ(arrived(), 0);
        EXPECT_EQ(seen("xdp_drops"), drops += 50);
        EXPECT_EQ(must(link->state()).kind, "xdp");
        EXPECT_EQ(must(link->state()).prog_id, prog("xdp_drop").id());
        must(link->update(prog("xdp_pass")));
        EXPECT_EQ(arrived(), 50);
        const auto stale =
            link->update(prog("xdp_drop"), &*std::make_unique<kernel::Prog>(prog("xdp_drop")));
        ASSERT_FALSE(stale);
        EXPECT_EQ(stale.error().sys_errno, EPERM);
        EXPECT_EQ(arrived(), 50);
    }
    EXPECT_EQ(arrived(), 50) << "after detaching";
}

TEST_F(KernelNet, TwoXdpProgramsDoNotFit) {
    const LinkPtr link =
        must(attach(prog("xdp_pass"), {.interface = "right0", .netns = wire_->right()}));
    const auto second = attach(prog("xdp_drop"), {.interface = "right0", .netns = wire_->right()});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().sys_errno, EBUSY);
    EXPECT_THAT(second.error().hint, HasSubstr("there already"));
}

TEST_F(KernelNet, LargePacketsNeedMultiBuffer) {
    Wire wide(9000);
    const auto single = attach(
        prog("xdp_drop"), {.interface = "right0", .netns = wide.right(), .xdp = XdpMode::Native});
    ASSERT_FALSE(single) << "a program without frags on an MTU of 9000";
    EXPECT_THAT(single.error().hint, HasSubstr("xdp.frags"));
    const LinkPtr link = must(attach(
        prog("xdp_large"), {.interface = "right0", .netns = wide.right(), .xdp = XdpMode::Native}));
    const UniqueFd from = udp_socket(wide.left(), Wire::kLeft, 0);
    const UniqueFd to = udp_socket(wide.right(), "0.0.0.0", 7777);
    send_datagrams(from.get(), Wire::kRight, 7777, 20, 8000);
    EXPECT_EQ(count_datagrams(to.get()), 20);
    EXPECT_EQ(seen("xdp_frags"), 20u);
    EXPECT_GE(seen("largest"), 8042u);
}

TEST_F(KernelNet, TcxOnTheWayInAndOut) {
    const LinkPtr in = must(attach(
        prog("tc_drop"), {.interface = "right0", .netns = wire_->right(), .tc = TcMode::Auto}));
    EXPECT_EQ(arrived(), 0);
    EXPECT_EQ(seen("tc_drops"), 50u);
    must(in->update(prog("tc_pass")));
    EXPECT_EQ(arrived(), 50);
    const LinkPtr out = must(attach(
        prog("tc_drop"),
        {.attach_type = AttachType::TcxEgress, .interface = "left0", .netns = wire_->left()}));
    EXPECT_EQ(arrived(), 0);
    must(out->detach());
    EXPECT_EQ(arrived(), 50);
}

TEST_F(KernelNet, TcxProgramsStandInLine) {
    if (kernel::running_kernel().version < platform::KernelVersion(6, 6))
        SKEP_SKIP("tcx links came with Linux 6.6");
    const LinkPtr last = must(attach(
        prog("tc_drop"), {.interface = "right0", .netns = wire_->right(), .tc = TcMode::Tcx}));
    const LinkPtr first = must(
        attach(prog("tc_pass"),
               {.interface = "right0", .netns = wire_->right(), .tc = TcMode::Tcx, .first = true}));
    EXPECT_EQ(must(first->state()).kind, "tcx");
    EXPECT_EQ(arrived(), 0);
    EXPECT_EQ(seen("tc_passes"), 50u) << "the first one passes on";
    EXPECT_EQ(seen("tc_drops"), 50u);
}

TEST_F(KernelNet, ClsactWhereTcxIsNot) {
    LinkPtr link = must(attach(
        prog("tc_drop"), {.interface = "right0", .netns = wire_->right(), .tc = TcMode::Clsact}));
    EXPECT_EQ(arrived(), 0);
    EXPECT_EQ(must(link->state()).kind, "clsact");
    EXPECT_EQ(must(link->state()).prog_id, prog("tc_drop").id());
    must(link->update(prog("tc_pass")));
    EXPECT_EQ(arrived(), 50);
    EXPECT_EQ(must(link->state()).prog_id, prog("tc_pass").id());
    const auto pin = link->pin(bpffs() + "/clsact");
    ASSERT_FALSE(pin);
    EXPECT_EQ(pin.error().exit_code(), 3);
    link.reset();
    // The qdisc came with the filter, and went with it.
    const auto inside = must(kernel::NetnsScope::enter(wire_->right()));
    EXPECT_FALSE(run_command("tc qdisc show dev right0 | grep clsact").good);
}

TEST_F(KernelNet, AKilledProcessLeavesItsClsactFilterToBeFound) {
    const std::string netns = wire_->right();
    const int status = in_child([&] {
        const auto link =
            attach(prog("tc_drop"), {.interface = "right0", .netns = netns, .tc = TcMode::Clsact});
        kill(getpid(), SIGKILL);
        return link ? 1 : 2;
    });
    EXPECT_EQ(status, 128 + SIGKILL);
    EXPECT_EQ(arrived(), 0) << "it still filters";
    {
        const auto inside = must(kernel::NetnsScope::enter(netns));
        const auto filters = must(kernel::tc_filters(wire_->right_index()));
        ASSERT_EQ(filters.size(), 1u);
        EXPECT_TRUE(filters[0].left_behind());
        EXPECT_EQ(filters[0].prog_id, prog("tc_drop").id());
        EXPECT_EQ(must(kernel::remove_left_tc_filters(wire_->right_index())), 1u);
        EXPECT_TRUE(must(kernel::tc_filters(wire_->right_index())).empty());
    }
    EXPECT_EQ(arrived(), 50);
}

TEST_F(KernelNet, AKilledProcessTakesItsLinksAlong) {
    const std::string netns = wire_->right();
    const int status = in_child([&] {
        const auto xdp = attach(prog("xdp_drop"), {.interface = "right0", .netns = netns});
        const auto tc =
            attach(prog("tc_drop"),
                   {.attach_type = AttachType::TcxEgress, .interface = "right0", .netns = netns});
        if (!xdp || !tc || arrived() != 0) return 1;
        kill(getpid(), SIGKILL);
        return 2;
    });
    EXPECT_EQ(status, 128 + SIGKILL);
    EXPECT_EQ(arrived(), 50);
}

TEST_F(KernelNet, APinnedLinkStays) {
    const std::string pin = bpffs() + "/xdp";
    {
        const LinkPtr link =
            must(attach(prog("xdp_drop"), {.interface = "right0", .netns = wire_->right()}));
        must(link->pin(pin));
    }
    EXPECT_EQ(arrived(), 0);
    LinkPtr again = must(kernel::Link::open_pinned(pin));
    must(again->update(prog("xdp_pass")));
    EXPECT_EQ(arrived(), 50);
    must(again->update(prog("xdp_drop")));
    again.reset();
    EXPECT_EQ(arrived(), 0);
    EXPECT_EQ(unlink(pin.c_str()), 0);
    // The kernel lets go of what was pinned a little later.
    int got = 0;
    for (int tries = 0; tries < 20 && got == 0; tries++) got = arrived();
    EXPECT_EQ(got, 50);
}

TEST_F(KernelNet, TheInterfaceGoesAway) {
    const LinkPtr xdp =
        must(attach(prog("xdp_pass"), {.interface = "right0", .netns = wire_->right()}));
    const LinkPtr tc =
        must(attach(prog("tc_pass"), {.interface = "right0", .netns = wire_->right()}));
    EXPECT_FALSE(must(xdp->state()).gone);
    ASSERT_EQ(wire_->in_right("ip link del right0"), 0);
    for (const LinkPtr* link : {&xdp, &tc}) {
        EXPECT_TRUE(must((*link)->state()).gone);
        const auto update = (*link)->update(prog(link == &xdp ? "xdp_drop" : "tc_drop"));
        ASSERT_FALSE(update);
        EXPECT_THAT(update.error().message, HasSubstr("is gone"));
    }
}

TEST_F(KernelNet, AnInterfaceThatIsNotThere) {
    const auto link = attach(prog("xdp_pass"), {.interface = "nosuch0", .netns = wire_->right()});
    ASSERT_FALSE(link);
    EXPECT_EQ(link.error().sys_errno, ENODEV);
    const auto none = attach(prog("xdp_pass"));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().exit_code(), 2);
}

TEST_F(KernelNet, Netfilter) {
    const auto object =
        kernel::Object::load(object_bytes("net"), "net.bpf.o", {.progs = {"nf_drop", "nf_accept"}});
    if (!object && kernel::running_kernel().version < platform::KernelVersion(6, 4))
        SKEP_SKIP("netfilter links came with Linux 6.4");
    ASSERT_TRUE(object) << object.error().to_string();
    {
        const LinkPtr link = must(attach(must(object->prog("nf_drop")), {.netns = wire_->right()}));
        EXPECT_EQ(must(link->state()).kind, "netfilter");
        EXPECT_EQ(arrived(), 0);
        const auto update = link->update(must(object->prog("nf_accept")));
        ASSERT_FALSE(update) << "netfilter links have no update";
        EXPECT_EQ(update.error().exit_code(), 3);
        EXPECT_EQ(arrived(), 0);
    }
    EXPECT_EQ(arrived(), 50);
}

TEST_F(KernelNet, LwtRoute) {
    ASSERT_EQ(wire_->in_right("ip addr add 10.9.2.2/32 dev right0"), 0);
    ASSERT_EQ(wire_->in_left("ip route add 10.9.2.0/24 dev left0"), 0);
    delivery_.host = "10.9.2.2";
    EXPECT_EQ(arrived(), 50);
    {
        const LinkPtr link = must(attach(
            prog("lwt_drop"), {.interface = "left0",
                               .netns = wire_->left(),
                               .route = {.destination = "10.9.2.2/32", .via = Wire::kRight}}));
        EXPECT_EQ(arrived(), 0);
        EXPECT_EQ(seen("lwt_drops"), 50u);
    }
    EXPECT_EQ(arrived(), 50);
}

TEST_F(KernelNet, FlowDissector) {
    const kernel::Prog dissect = prog("dissect");
    const LinkPtr link = must(attach(dissect, {.netns = wire_->right()}));
    EXPECT_EQ(must(link->state()).kind, "netns");
    const auto second = attach(dissect, {.netns = wire_->right()});
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().hint, HasSubstr("there already"));
    Bytes frame(64);
    frame[12] = 8;
    frame[14] = 0x45;
    must(dissect.test_run({.data = frame}));
    EXPECT_GT(seen("flows"), 0u);
}

}  // namespace
}  // namespace skep::kernel_test
