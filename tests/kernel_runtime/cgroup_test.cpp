// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "kernel/running.hpp"
#include "kernel_runtime/sandbox.hpp"
#include "kernel_runtime/traffic.hpp"

// Every cgroup hook, by what a process in the cgroup may no longer do. Each effect is looked at
// without the program first: a test of a denial that would have failed anyway shows nothing.

namespace skep::kernel_test {
namespace {

using kernel::attach;
using kernel::LinkPtr;
using ::testing::HasSubstr;

constexpr uint16_t kDenied = 7777;
constexpr uint16_t kOther = 7778;

/// 0, or errno.
int result_of(int value) {
    return value < 0 ? errno : 0;
}

struct Sock {
    explicit Sock(int type, int family = AF_INET) : fd(socket(family, type | SOCK_CLOEXEC, 0)) {}
    UniqueFd fd;

    int bind_to(uint16_t port) {
        const sockaddr_in to = address("127.0.0.1", port);
        return result_of(bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to));
    }
    int connect_to(uint16_t port) {
        const sockaddr_in to = address("127.0.0.1", port);
        return result_of(connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to));
    }
    int send_to(uint16_t port) {
        const sockaddr_in to = address("127.0.0.1", port);
        return result_of(static_cast<int>(
            sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to)));
    }
};

int connect6(uint16_t port) {
    const Sock sock(SOCK_DGRAM, AF_INET6);
    sockaddr_in6 to = {};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    to.sin6_addr = in6addr_loopback;
    return result_of(connect(sock.fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to));
}

int connect_unix(const std::string& path) {
    const Sock server(SOCK_STREAM, AF_UNIX), client(SOCK_STREAM, AF_UNIX);
    sockaddr_un to = {};
    to.sun_family = AF_UNIX;
    path.copy(to.sun_path, sizeof(to.sun_path) - 1);
    const auto* where = reinterpret_cast<const sockaddr*>(&to);
    unlink(path.c_str());
    if (bind(server.fd.get(), where, sizeof to) != 0 || listen(server.fd.get(), 1) != 0) return 255;
    return result_of(connect(client.fd.get(), where, sizeof to));
}

uint16_t port_of(int (*get)(int, sockaddr*, socklen_t*), int fd) {
    sockaddr_in name = {};
    socklen_t size = sizeof name;
    return get(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0 ? ntohs(name.sin_port) : 0;
}

/// Sends one datagram to oneself; whether it came.
int loops_back(uint16_t port) {
    const UniqueFd to = udp_socket("", "127.0.0.1", port);
    Sock from(SOCK_DGRAM);
    from.send_to(port);
    return count_datagrams(to.get());
}

class KernelCgroup : public ::testing::Test {
  protected:
    void SetUp() override {
        NEEDS_KERNEL();
        if (const auto why = Cgroup::why_none()) SKEP_SKIP(*why);
        // Its own network: ports are free, and nobody else is met. Children come into it as well.
        wire_.emplace();
        inside_.emplace(must(kernel::NetnsScope::enter(wire_->left())));
        cgroup_.emplace();
    }
    /// The program, attached to the cgroup.
    LinkPtr with(const std::string& name) {
        object_.emplace(load("cgroup", {.progs = {name}}));
        LinkPtr link = must(attach(must(object_->prog(name)), {.cgroup = cgroup_->path()}));
        EXPECT_EQ(must(link->state()).kind, "cgroup");
        return link;
    }
    int inside(const std::function<int()>& body) { return cgroup_->run(body); }

    std::optional<Wire> wire_;
    std::optional<kernel::NetnsScope> inside_;
    std::optional<Cgroup> cgroup_;
    std::optional<kernel::Object> object_;
};

/// Without the program 0; with it EPERM inside the cgroup, and 0 for all others.
#define EXPECT_DENIED(name, body)                                            \
    do {                                                                     \
        EXPECT_EQ(inside(body), 0) << "without " << name;                    \
        const LinkPtr link = with(name);                                     \
        EXPECT_EQ(inside(body), EPERM) << "with " << name;                   \
        EXPECT_EQ(in_child(body), 0) << "outside of the cgroup of " << name; \
    } while (0)

TEST_F(KernelCgroup, Connect) {
    EXPECT_DENIED("connect4", [] { return Sock(SOCK_DGRAM).connect_to(kDenied); });
    EXPECT_DENIED("connect6", [] { return connect6(kDenied); });
    const LinkPtr link = with("connect4");
    EXPECT_EQ(inside([] { return Sock(SOCK_DGRAM).connect_to(kOther); }), 0);
}

TEST_F(KernelCgroup, ConnectUnix) {
    if (kernel::running_kernel().version < platform::KernelVersion(6, 7))
        SKEP_SKIP("cgroup/connect_unix came with Linux 6.7");
    const testing::ScratchDir scratch;
    const std::string path = scratch.file("socket");
    EXPECT_DENIED("connect_unix", [&] { return connect_unix(path); });
}

TEST_F(KernelCgroup, SendMessage) {
    EXPECT_DENIED("sendmsg4", [] { return Sock(SOCK_DGRAM).send_to(kDenied); });
}

TEST_F(KernelCgroup, ReceiveMessageShowsAnotherSender) {
    const LinkPtr link = with("recvmsg4");
    EXPECT_EQ(inside([] {
                  const UniqueFd to = udp_socket("", "127.0.0.1", kOther);
                  Sock(SOCK_DGRAM).send_to(kOther);
                  char byte;
                  sockaddr_in from = {};
                  socklen_t size = sizeof from;
                  recvfrom(to.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size);
                  return ntohs(from.sin_port) == 4242 ? 0 : 1;
              }),
              0);
}

TEST_F(KernelCgroup, NamesOfBothEnds) {
    const auto names = [] {
        Sock sock(SOCK_DGRAM);
        sock.connect_to(kOther);
        return (port_of(getpeername, sock.fd.get()) == 4242 ? 1 : 0) +
               (port_of(getsockname, sock.fd.get()) == 4343 ? 2 : 0);
    };
    EXPECT_EQ(inside(names), 0);
    {
        const LinkPtr link = with("getpeername4");
        EXPECT_EQ(inside(names), 1);
    }
    const LinkPtr link = with("getsockname4");
    EXPECT_EQ(inside(names), 2);
}

TEST_F(KernelCgroup, Bind) {
    EXPECT_DENIED("bind4", [] { return Sock(SOCK_DGRAM).bind_to(kDenied); });
    EXPECT_DENIED("post_bind4", [] { return Sock(SOCK_DGRAM).bind_to(kDenied); });
}

TEST_F(KernelCgroup, SocketCreation) {
    EXPECT_DENIED("sock_create", [] {
        const UniqueFd raw(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
        return result_of(raw.get());
    });
    const LinkPtr link = with("sock_release");
    inside([] {
        const Sock closed_at_once(SOCK_DGRAM);
        return 0;
    });
    EXPECT_GT(global(*object_, "releases"), 0u);
}

TEST_F(KernelCgroup, Packets) {
    for (const char* name : {"egress", "ingress"}) {
        EXPECT_EQ(inside([] { return loops_back(kDenied); }), 1);
        const LinkPtr link = with(name);
        EXPECT_EQ(inside([] { return loops_back(kDenied); }), 0) << name;
        EXPECT_EQ(inside([] { return loops_back(kOther); }), 1) << name;
    }
}

TEST_F(KernelCgroup, Devices) {
    EXPECT_DENIED("device", [] {
        const UniqueFd zero(open("/dev/zero", O_RDONLY));
        return result_of(zero.get());
    });
}

TEST_F(KernelCgroup, Sysctls) {
    const auto write_back = [] {
        const UniqueFd fd(open("/proc/sys/net/ipv4/ip_forward", O_RDWR));
        char value[8] = {};
        const ssize_t got = read(fd.get(), value, sizeof value);
        return result_of(static_cast<int>(pwrite(fd.get(), value, static_cast<size_t>(got), 0)));
    };
    EXPECT_DENIED("sysctl", write_back);
    EXPECT_GT(global(*object_, "reads"), 0u);
}

TEST_F(KernelCgroup, SocketOptions) {
    EXPECT_DENIED("setsockopt", [] {
        const int one = 1;
        return result_of(
            setsockopt(Sock(SOCK_STREAM).fd.get(), SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one));
    });
    const LinkPtr link = with("getsockopt");
    EXPECT_EQ(inside([] {
                  int value = 0;
                  socklen_t size = sizeof value;
                  getsockopt(Sock(SOCK_STREAM).fd.get(), SOL_SOCKET, SO_RCVLOWAT, &value, &size);
                  return value;
              }),
              42);
}

TEST_F(KernelCgroup, SocketOperations) {
    const LinkPtr link = with("sock_ops");
    EXPECT_EQ(inside([] {
                  const UniqueFd listener = tcp_listener("", "127.0.0.1", kOther);
                  return tcp_connect("", "127.0.0.1", kOther) ? 0 : 1;
              }),
              0);
    EXPECT_EQ(global(*object_, "established"), 1u);
}

TEST_F(KernelCgroup, ReplacesInPlace) {
    LinkPtr link = with("egress");
    EXPECT_EQ(inside([] { return loops_back(kDenied); }), 0);
    const kernel::Object other = load("cgroup", {.progs = {"egress"}});
    must(link->update(must(other.prog("egress"))));
    EXPECT_EQ(must(link->state()).prog_id, must(other.prog("egress")).id());
    EXPECT_EQ(inside([] { return loops_back(kDenied); }), 0);
}

TEST_F(KernelCgroup, OnlyVersionTwo) {
    object_.emplace(load("cgroup", {.progs = {"egress"}}));
    const auto wrong = attach(must(object_->prog("egress")), {.cgroup = "/tmp"});
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().message, HasSubstr("not a cgroup of version 2"));
    const auto none = attach(must(object_->prog("egress")));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::Usage);
}

TEST_F(KernelCgroup, TheCgroupGoesAway) {
    const LinkPtr link = with("egress");
    cgroup_.reset();
    for (int tries = 0; tries < 100 && !must(link->state()).gone; tries++) usleep(10'000);
    EXPECT_TRUE(must(link->state()).gone);
    const auto update = link->update(must(object_->prog("egress")));
    ASSERT_FALSE(update);
    EXPECT_THAT(update.error().message, HasSubstr("is gone"));
}

}  // namespace
}  // namespace skep::kernel_test
