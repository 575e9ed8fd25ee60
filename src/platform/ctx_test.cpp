// SPDX-License-Identifier: Apache-2.0
#include "platform/ctx.hpp"

#include <gmock/gmock.h>
#include <linux/bpf.h>

#include <cstddef>

namespace skep::platform {
namespace {

using ::testing::HasSubstr;

constexpr AttachType kNone = AttachType::None;

// The system's <linux/bpf.h> is an independent copy of the layouts (6.1's: newer fields are at the
// end).
TEST(Ctx, OffsetsAreTheKernels) {
    const auto offset_of = [](ProgType type, std::string_view name) {
        for (const CtxField& field : ctx_layout(type)->fields)
            if (field.name == name) return size_t{field.offset};
        return size_t{9999};
    };
    EXPECT_EQ(offset_of(ProgType::SchedCls, "cb"), offsetof(__sk_buff, cb));
    EXPECT_EQ(offset_of(ProgType::SchedCls, "hwtstamp"), offsetof(__sk_buff, hwtstamp));
    EXPECT_EQ(offset_of(ProgType::Xdp, "egress_ifindex"), offsetof(xdp_md, egress_ifindex));
    EXPECT_EQ(offset_of(ProgType::SockOps, "skb_len"), offsetof(bpf_sock_ops, skb_len));
    EXPECT_EQ(offset_of(ProgType::CgroupSockAddr, "msg_src_ip6"),
              offsetof(bpf_sock_addr, msg_src_ip6));
    EXPECT_EQ(offset_of(ProgType::SkLookup, "ingress_ifindex"),
              offsetof(bpf_sk_lookup, ingress_ifindex));
    EXPECT_EQ(ctx_layout(ProgType::Xdp)->size, sizeof(xdp_md));
    EXPECT_EQ(ctx_layout(ProgType::SchedCls)->size, sizeof(__sk_buff));
    EXPECT_EQ(ctx_layout(ProgType::Tracing), nullptr);
}

TEST(Ctx, FieldsDoNotOverlapExceptPseudoFields) {
    for (uint32_t number = 0; number <= 32; ++number) {
        const CtxLayout* layout = ctx_layout(ProgType(number));
        if (!layout) continue;
        uint32_t end = 0;
        for (const CtxField& field : layout->fields) {
            EXPECT_LE(field.end(), layout->size) << layout->name << "." << field.name;
            if (field.name == "reply" || field.name == "buffer" || field.name == "rest") continue;
            EXPECT_GE(field.offset, end) << layout->name << "." << field.name;
            end = field.end();
        }
    }
}

TEST(Ctx, FindsTheFieldOfAnOffset) {
    const CtxLayout& skb = *ctx_layout(ProgType::SchedCls);
    EXPECT_EQ(find_field(skb, 50)->name, "cb");
    EXPECT_EQ(find_field(skb, 67)->name, "cb");
    EXPECT_EQ(find_field(skb, 68)->name, "hash");
    EXPECT_EQ(find_field(skb, 181), nullptr);  // padding after tstamp_type
    EXPECT_EQ(find_field(skb, 192), nullptr);
}

struct Case {
    ProgType type;
    AttachType attach;
    int64_t offset;
    uint32_t size;
    bool write;
    std::string_view refused;  ///< part of the reason; empty where allowed
};

TEST(Ctx, SaysWhyNot) {
    const Case cases[] = {
        {ProgType::Xdp, kNone, 0, 4, false, ""},
        {ProgType::Xdp, kNone, 0, 2, false,
         "xdp programs cannot read 2 bytes at offset 0 of xdp_md.data"},
        {ProgType::Xdp, kNone, 20, 4, false, "xdp programs cannot read xdp_md.egress_ifindex"},
        {ProgType::Xdp, AttachType::XdpDevmap, 20, 4, false, ""},
        {ProgType::Xdp, kNone, 24, 4, false, "offset 24 is outside struct xdp_md of 24 bytes"},
        {ProgType::Xdp, kNone, -4, 4, false, "outside"},
        {ProgType::Xdp, kNone, 0, 3, false, "1, 2, 4 or 8"},
        {ProgType::SocketFilter, kNone, 76, 4, false, "cannot read __sk_buff.data"},
        {ProgType::SocketFilter, kNone, 8, 4, true, "cannot write __sk_buff.mark"},
        {ProgType::SchedCls, kNone, 8, 4, true, ""},
        {ProgType::SchedCls, kNone, 48, 8, true, ""},
        {ProgType::SchedCls, kNone, 52, 8, true, "cannot write 8 bytes at offset 52"},
        {ProgType::SchedCls, kNone, 181, 1, false, "no field at offset 181"},
        {ProgType::CgroupSock, kNone, 0, 4, true, ""},
        {ProgType::CgroupSock, AttachType::CgroupInet4PostBind, 0, 4, true, "cannot write"},
        {ProgType::Tracepoint, kNone, 0, 8, false, "bytes 8 to 8191"},
        {ProgType::Tracepoint, kNone, 10, 4, false, "aligned"},
        {ProgType::Tracepoint, kNone, 16, 8, true, "cannot write"},
        {ProgType::Syscall, kNone, 0, 8, true, ""},
        {ProgType::Tracing, AttachType::TraceFentry, 0, 8, false, "no struct as their context"},
    };
    for (const Case& c : cases) {
        const CtxAccess access = ctx_access(c.type, c.attach, c.offset, c.size, c.write);
        EXPECT_EQ(access.allowed(), c.refused.empty()) << access.refused;
        EXPECT_THAT(access.refused, HasSubstr(c.refused));
    }
    EXPECT_EQ(ctx_access(ProgType::Xdp, kNone, 4, 4, false).kind, CtxKind::PacketEnd);
}

}  // namespace
}  // namespace skep::platform
