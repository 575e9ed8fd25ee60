// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "kernel/bpf.hpp"
#include "kernel/running.hpp"
#include "kernel_runtime/sandbox.hpp"
#include "kernel_runtime/traffic.hpp"

// Programs of sockets: filters, sockmaps, listeners, and a TCP congestion control.

namespace skep::kernel_test {
namespace {

using kernel::attach;
using kernel::LinkPtr;
using ::testing::HasSubstr;

class KernelSockets : public ::testing::Test {
  protected:
    void SetUp() override {
        NEEDS_KERNEL();
        wire_.emplace();
        object_.emplace(load("sockets"));
    }
    kernel::Prog prog(const std::string& name) { return must(object_->prog(name)); }
    kernel::Map map(const std::string& name) { return must(object_->map(name)); }
    static void put(const kernel::Map& map, uint32_t slot, int socket) {
        must(map.update(bytes_of(slot), bytes_of(static_cast<uint64_t>(socket))));
    }

    std::optional<Wire> wire_;
    std::optional<kernel::Object> object_;
};

std::string receive(int fd) {
    pollfd wait = {.fd = fd, .events = POLLIN, .revents = 0};
    char bytes[100];
    const ssize_t got = poll(&wait, 1, 300) > 0 ? recv(fd, bytes, sizeof bytes, 0) : 0;
    return std::string(bytes, got > 0 ? static_cast<size_t>(got) : 0);
}

TEST_F(KernelSockets, Filter) {
    const UniqueFd from = udp_socket(wire_->left(), "127.0.0.1", 0);
    const UniqueFd to = udp_socket(wire_->left(), "127.0.0.1", 5000);
    const auto both = [&] {
        const sockaddr_in where = address("127.0.0.1", 5000);
        for (const char* text : {"Keep", "drop"})
            sendto(from.get(), text, 4, 0, reinterpret_cast<const sockaddr*>(&where), sizeof where);
        return count_datagrams(to.get());
    };
    EXPECT_EQ(both(), 2);
    {
        const LinkPtr link = must(attach(prog("filter"), {.socket = to.get()}));
        EXPECT_EQ(both(), 1);
        EXPECT_EQ(global(*object_, "filtered"), 1u);
        EXPECT_EQ(must(link->state()).kind, "socket");
    }
    EXPECT_EQ(both(), 2);
    const auto none = attach(prog("filter"));
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr("the socket is not given"));
}

TEST_F(KernelSockets, MessagesGoFromSocketToSocket) {
    const UniqueFd listener = tcp_listener(wire_->left(), "127.0.0.1", 5001);
    const UniqueFd a = tcp_connect(wire_->left(), "127.0.0.1", 5001);
    const UniqueFd b = tcp_accept(listener.get());
    const UniqueFd c = tcp_connect(wire_->left(), "127.0.0.1", 5001);
    const UniqueFd d = tcp_accept(listener.get());
    const kernel::Map sockets = map("sockets");
    {
        // A sockmap's program is for the sockets that come into it afterwards.
        const LinkPtr link = must(attach(prog("message"), {.map = &sockets}));
        put(sockets, 0, a.get());
        put(sockets, 1, d.get());
        ASSERT_EQ(send(a.get(), "hello", 5, 0), 5);
        EXPECT_EQ(receive(d.get()), "hello") << "not b, whom a is connected to";
        EXPECT_EQ(receive(b.get()), "");
        EXPECT_EQ(global(*object_, "messages"), 1u);
    }
    EXPECT_TRUE(must(sockets.erase(bytes_of(uint32_t{0}))));
    ASSERT_EQ(send(a.get(), "again", 5, 0), 5);
    EXPECT_EQ(receive(b.get()), "again") << "out of the map";
    const auto no_map = attach(prog("message"));
    ASSERT_FALSE(no_map);
    EXPECT_THAT(no_map.error().message, HasSubstr("the sockmap is not given"));
}

TEST_F(KernelSockets, VerdictOnWhatASocketReceives) {
    const kernel::Map sockets = map("sockets");
    const LinkPtr link = must(attach(prog("verdict"), {.map = &sockets}));
    const UniqueFd from = udp_socket(wire_->left(), "127.0.0.1", 0);
    const UniqueFd to = udp_socket(wire_->left(), "127.0.0.1", 5002);
    put(sockets, 2, to.get());
    const sockaddr_in where = address("127.0.0.1", 5002);
    for (const char* text : {"Drop", "Pass"})
        sendto(from.get(), text, 4, 0, reinterpret_cast<const sockaddr*>(&where), sizeof where);
    EXPECT_EQ(receive(to.get()), "Pass");
    EXPECT_EQ(receive(to.get()), "");
}

TEST_F(KernelSockets, LookupGivesOneListenerManyPorts) {
    const UniqueFd listener = tcp_listener(wire_->right(), "127.0.0.1", 1);
    put(map("listeners"), 0, listener.get());
    EXPECT_FALSE(tcp_connect(wire_->left(), Wire::kRight, 7000));
    {
        const LinkPtr link = must(attach(prog("lookup"), {.netns = wire_->right()}));
        EXPECT_EQ(must(link->state()).kind, "netns");
        for (const uint16_t port : {uint16_t{7000}, uint16_t{7500}, uint16_t{7999}}) {
            const UniqueFd client = tcp_connect(wire_->left(), Wire::kRight, port);
            EXPECT_TRUE(client) << port;
            EXPECT_TRUE(tcp_accept(listener.get())) << port;
        }
        EXPECT_FALSE(tcp_connect(wire_->left(), Wire::kRight, 8000));
    }
    EXPECT_FALSE(tcp_connect(wire_->left(), Wire::kRight, 7000));
}

TEST_F(KernelSockets, ReuseportChoosesTheListener) {
    std::vector<UniqueFd> group;
    {
        const auto inside = must(kernel::NetnsScope::enter(wire_->right()));
        for (uint32_t i = 0; i < 3; i++) {
            UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const int one = 1;
            setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
            const sockaddr_in here = address(Wire::kRight, 5003);
            ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
            ASSERT_EQ(listen(fd.get(), 64), 0);
            group.push_back(std::move(fd));
        }
    }
    for (uint32_t i = 0; i < 3; i++) put(map("group"), i, group[i].get());
    const LinkPtr link = must(attach(prog("choose"), {.socket = group[0].get()}));
    for (int i = 0; i < 20; i++) {
        const UniqueFd client = tcp_connect(wire_->left(), Wire::kRight, 5003);
        ASSERT_TRUE(client);
        EXPECT_TRUE(tcp_accept(group[1].get())) << "connection " << i;
    }
    EXPECT_EQ(global(*object_, "chosen"), 20u);
}

TEST(KernelStructOps, CongestionControl) {
    NEEDS_KERNEL();
    Wire wire;
    const auto use = [&](const char* name) {
        const UniqueFd listener = tcp_listener(wire.right(), Wire::kRight, 5004);
        const auto inside = must(kernel::NetnsScope::enter(wire.left()));
        const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (setsockopt(client.get(), IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)) != 0)
            return -1;
        const sockaddr_in to = address(Wire::kRight, 5004);
        if (connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
            return -2;
        tcp_info info = {};
        socklen_t size = sizeof info;
        getsockopt(client.get(), IPPROTO_TCP, TCP_INFO, &info, &size);
        return static_cast<int>(info.tcpi_snd_cwnd);
    };
    EXPECT_EQ(use("skep_four"), -1);
    {
        auto object = kernel::Object::load(object_bytes("struct_ops"), "struct_ops.bpf.o");
        ASSERT_TRUE(object) << object.error().to_string();
        const LinkPtr link = must(kernel::attach_struct_ops(*object, "four"));
        EXPECT_EQ(use("skep_four"), 4);
        EXPECT_EQ(global(*object, "sockets"), 1u);
        const auto wrong = kernel::attach_struct_ops(*object, "five");
        EXPECT_FALSE(wrong);
        EXPECT_FALSE(attach(must(object->prog("four_init"))));
    }
    EXPECT_EQ(use("skep_four"), -1) << "after detaching";
}

TEST(KernelStructOps, GoesWithAKilledProcess) {
    NEEDS_KERNEL();
    const int status = in_child([] {
        const auto object = kernel::Object::load(object_bytes("struct_ops"), "struct_ops.bpf.o");
        const auto link = kernel::attach_struct_ops(*object, "four");
        if (!link) return 1;
        kill(getpid(), SIGKILL);
        return 2;
    });
    EXPECT_EQ(status, 128 + SIGKILL);
    const UniqueFd socket_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const char name[] = "skep_four";
    const auto is_gone = [&] {
        for (int tries = 0; tries < 100; tries++) {
            if (setsockopt(socket_fd.get(), IPPROTO_TCP, TCP_CONGESTION, name, sizeof name - 1))
                return true;
            usleep(20'000);
        }
        return false;
    };
    if (kernel::running_kernel().version >= platform::KernelVersion(6, 4)) {
        EXPECT_TRUE(is_gone());
        return;
    }
    // Without links of struct_ops it is the map that is registered, until its element is deleted.
    EXPECT_FALSE(setsockopt(socket_fd.get(), IPPROTO_TCP, TCP_CONGESTION, name, sizeof name - 1));
    int deleted = 0;
    for (const uint32_t id : must(kernel::all_ids(kernel::ObjectKind::Map))) {
        const auto map = kernel::fd_by_id(kernel::ObjectKind::Map, id);
        const auto info = map ? kernel::map_info(map->get()) : Result<bpf_map_info>();
        if (!map || !info || info->type != BPF_MAP_TYPE_STRUCT_OPS) continue;
        deleted += must(kernel::map_delete(map->get(), bytes_of(uint32_t{0})));
    }
    EXPECT_EQ(deleted, 1);
    setsockopt(socket_fd.get(), IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);  // it is in use here
    EXPECT_TRUE(is_gone());
}

}  // namespace
}  // namespace skep::kernel_test
