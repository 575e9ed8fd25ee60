// SPDX-License-Identifier: Apache-2.0
// Before sys/mman.h, which has a macro MAP_TYPE of its own.
#include "kernel_runtime/sandbox.hpp"

#include <fmt/core.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "kernel_runtime/traffic.hpp"

// Link::update as fast as the kernel takes it, under a TCP stream whose every byte is checked and
// beside a flow that both programs deny. What must not happen: a byte lost or changed, a reset, and
// one denied datagram that gets through while programs are swapped.
//
// SKEP_UPDATE_SECONDS: how long for each hook (10).

namespace skep::kernel_test {
namespace {

using kernel::attach;
using kernel::LinkPtr;

double seconds_per_hook() {
    const char* text = std::getenv("SKEP_UPDATE_SECONDS");
    return text ? std::atof(text) : 10;
}

/// Of the traffic's process and of the one that swaps.
struct Shared {
    std::atomic<bool> ready, stop;
    std::atomic<uint64_t> sent, received, corrupt, denied_sent, leaked, failed;
    std::atomic<uint32_t> retransmitted;
};

uint8_t byte_at(uint64_t position) {
    return static_cast<uint8_t>(position * 2654435761u >> 13);
}

void send_stream(int fd, Shared& shared) {
    std::vector<uint8_t> bytes(16384);
    uint64_t sent = 0;
    while (!shared.stop) {
        for (size_t i = 0; i < bytes.size(); i++) bytes[i] = byte_at(sent + i);
        for (size_t off = 0; off < bytes.size();) {
            const ssize_t done = send(fd, bytes.data() + off, bytes.size() - off, MSG_NOSIGNAL);
            if (done <= 0) {
                shared.failed++;
                shared.stop = true;
                break;
            }
            off += static_cast<size_t>(done);
            sent += static_cast<uint64_t>(done);
        }
    }
    shared.sent = sent;
    tcp_info info = {};
    socklen_t size = sizeof info;
    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    shared.retransmitted = info.tcpi_total_retrans;
    shutdown(fd, SHUT_WR);
}

void receive_stream(int fd, Shared& shared) {
    std::vector<uint8_t> bytes(1 << 18);
    for (;;) {
        const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
        if (got < 0) shared.failed++;
        if (got <= 0) return;
        for (ssize_t i = 0; i < got; i++)
            if (bytes[static_cast<size_t>(i)] !=
                byte_at(shared.received + static_cast<uint64_t>(i)))
                shared.corrupt++;
        shared.received += static_cast<uint64_t>(got);
    }
}

void send_denied(int fd, Shared& shared) {
    while (!shared.stop) {
        send_datagrams(fd, Wire::kRight, 7777, 20);
        shared.denied_sent += 20;
        usleep(1000);
    }
}

/// All of the traffic, until `stop`; 0 where the sockets could be made.
int traffic(const Wire& wire, Shared& shared) {
    const UniqueFd denied_from = udp_socket(wire.left(), Wire::kLeft, 0);
    const UniqueFd denied_to = udp_socket(wire.right(), "0.0.0.0", 7777);
    const UniqueFd listener = tcp_listener(wire.right(), Wire::kRight, 5000);
    const UniqueFd client = tcp_connect(wire.left(), Wire::kRight, 5000);
    const UniqueFd server = tcp_accept(listener.get());
    if (!client || !server) return 1;
    shared.ready = true;
    std::thread rx([&] { receive_stream(server.get(), shared); });
    std::thread tx([&] { send_stream(client.get(), shared); });
    std::thread denied([&] { send_denied(denied_from.get(), shared); });
    tx.join();
    denied.join();
    rx.join();
    shared.leaked = static_cast<uint64_t>(count_datagrams(denied_to.get()));
    return 0;
}

class LinkUpdate : public ::testing::Test {
  protected:
    void SetUp() override {
        NEEDS_KERNEL();
        wire_.emplace();
        void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(memory, MAP_FAILED);
        shared_ = new (memory) Shared{};
    }
    void TearDown() override {
        if (shared_) munmap(shared_, sizeof(Shared));
    }

    /// Swaps between the two programs while `run` keeps the traffic going in a child.
    void swap_under(const std::function<int(const std::function<int()>&)>& run, kernel::Link& link,
                    const kernel::Prog& one, const kernel::Prog& other) {
        uint64_t swaps = 0, refused = 0;
        double took = 0;
        std::atomic<bool> waits = false;
        std::thread swapper([&] {
            waits = true;
            while (!shared_->ready && !shared_->stop) usleep(1000);
            const auto begin = std::chrono::steady_clock::now();
            const auto passed = [&] {
                return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
                    .count();
            };
            for (; passed() < seconds_per_hook() && !shared_->stop; swaps++)
                if (!link.update(swaps % 2 ? one : other)) refused++;
            took = passed();
            shared_->stop = true;
        });
        // fork() must not meet it while it is starting, inside the allocator.
        while (!waits) usleep(1000);
        const int status = run([&] { return traffic(*wire_, *shared_); });
        shared_->stop = true;
        swapper.join();
        EXPECT_EQ(status, 0);
        EXPECT_GT(swaps, 0u);
        EXPECT_EQ(refused, 0u);
        EXPECT_GT(shared_->sent, 0u);
        EXPECT_EQ(shared_->sent, shared_->received);
        EXPECT_EQ(shared_->corrupt, 0u);
        EXPECT_EQ(shared_->failed, 0u) << "resets and errors";
        EXPECT_GT(shared_->denied_sent, 0u);
        EXPECT_EQ(shared_->leaked, 0u) << "of a flow that both programs deny";
        fmt::print("{}: {} swaps in {:.1f} s ({:.0f}/s), {:.2f} GB checked, {} denied datagrams\n",
                   link.state() ? link.state()->kind : "?", swaps, took,
                   static_cast<double>(swaps) / took, static_cast<double>(shared_->received) / 1e9,
                   shared_->denied_sent.load());
    }

    std::optional<Wire> wire_;
    Shared* shared_ = nullptr;
};

TEST_F(LinkUpdate, Tcx) {
    const kernel::Object a = load("net", {.progs = {"tc_drop"}});
    const kernel::Object b = load("net", {.progs = {"tc_drop"}});
    const LinkPtr link =
        must(attach(must(a.prog("tc_drop")), {.interface = "right0", .netns = wire_->right()}));
    swap_under(in_child, *link, must(a.prog("tc_drop")), must(b.prog("tc_drop")));
    EXPECT_GT(global(a, "tc_drops"), 0u);
    EXPECT_GT(global(b, "tc_drops"), 0u);
}

TEST_F(LinkUpdate, NativeXdp) {
    const kernel::Object a = load("net", {.progs = {"xdp_drop"}});
    const kernel::Object b = load("net", {.progs = {"xdp_drop"}});
    const LinkPtr link = must(
        attach(must(a.prog("xdp_drop")),
               {.interface = "right0", .netns = wire_->right(), .xdp = kernel::XdpMode::Native}));
    swap_under(in_child, *link, must(a.prog("xdp_drop")), must(b.prog("xdp_drop")));
    EXPECT_GT(global(a, "xdp_drops"), 0u);
    EXPECT_GT(global(b, "xdp_drops"), 0u);
}

TEST_F(LinkUpdate, CgroupEgress) {
    if (const auto why = Cgroup::why_none()) SKEP_SKIP(*why);
    const Cgroup cgroup;
    const kernel::Object a = load("cgroup", {.progs = {"egress"}});
    const kernel::Object b = load("cgroup", {.progs = {"egress"}});
    const LinkPtr link = must(attach(must(a.prog("egress")), {.cgroup = cgroup.path()}));
    swap_under([&](const std::function<int()>& body) { return cgroup.run(body); }, *link,
               must(a.prog("egress")), must(b.prog("egress")));
}

}  // namespace
}  // namespace skep::kernel_test
