// SPDX-License-Identifier: Apache-2.0
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "kernel_runtime/sandbox.hpp"
#include "kernel_runtime/traffic.hpp"

// Programs together with what not every kernel is built with: the fq qdisc, which keeps the
// departure times that a program sets, and TLS in the kernel, whose plain text sk_msg programs see.

namespace skep::kernel_test {
namespace {

using kernel::attach;
using kernel::LinkPtr;

TEST(KernelQdisc, FqKeepsDepartureTimes) {
    NEEDS_KERNEL();
    const Wire wire;
    if (wire.in_left("tc qdisc replace dev left0 root fq") != 0)
        SKEP_SKIP("this kernel has no fq qdisc (CONFIG_NET_SCH_FQ)");
    const kernel::Object object = load("net", {.progs = {"tc_pace"}});
    const LinkPtr link = must(
        attach(must(object.prog("tc_pace")),
               {.attach_type = AttachType::TcxEgress, .interface = "left0", .netns = wire.left()}));
    const UniqueFd from = udp_socket(wire.left(), Wire::kLeft, 0);
    const UniqueFd to = udp_socket(wire.right(), "0.0.0.0", 7777);
    const auto begin = std::chrono::steady_clock::now();
    send_datagrams(from.get(), Wire::kRight, 7777, 40);
    EXPECT_EQ(count_datagrams(to.get()), 40);
    // 39 gaps of 10 ms; count_datagrams() itself waits 200 ms at the end.
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(390 + 200));
}

bool start_tls(int fd, int direction) {
    tls12_crypto_info_aes_gcm_128 info = {};
    info.info.version = TLS_1_2_VERSION;
    info.info.cipher_type = TLS_CIPHER_AES_GCM_128;
    std::memset(info.key, 7, sizeof info.key);
    constexpr int kTls = 282;  // SOL_TLS
    return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 &&
           setsockopt(fd, kTls, direction, &info, sizeof info) == 0;
}

TEST(KernelTls, ProgramsSeeThePlainText) {
    NEEDS_KERNEL();
    const Wire wire;
    const UniqueFd listener = tcp_listener(wire.left(), "127.0.0.1", 5005);
    const UniqueFd client = tcp_connect(wire.left(), "127.0.0.1", 5005);
    const UniqueFd server = tcp_accept(listener.get());
    const kernel::Object object = load("sockets", {.progs = {"look"}});
    const kernel::Map sockets = must(object.map("sockets"));
    const LinkPtr link = must(attach(must(object.prog("look")), {.map = &sockets}));
    // Into the map before TLS: a socket that has another protocol on top cannot go into one.
    const auto fd = static_cast<uint64_t>(client.get());
    must(sockets.update(bytes_of(uint32_t{0}), bytes_of(fd)));
    if (!start_tls(client.get(), TLS_TX))
        SKEP_SKIP("this kernel has no TLS (CONFIG_TLS): " + std::string(strerror(errno)));
    ASSERT_TRUE(start_tls(server.get(), TLS_RX)) << strerror(errno);
    ASSERT_EQ(send(client.get(), "hello", 5, 0), 5);
    char text[6] = {};
    EXPECT_EQ(recv(server.get(), text, 5, 0), 5);
    EXPECT_STREQ(text, "hello");
    EXPECT_EQ(global(object, "first_byte"), uint64_t{'h'});
}

}  // namespace
}  // namespace skep::kernel_test
