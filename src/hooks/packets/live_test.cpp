// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "engine/testing.hpp"
#include "hooks/packets/packet_run.hpp"

namespace skep::hooks {
namespace {

struct Counter {
    engine::Env env;
    std::unique_ptr<engine::Object> object;
    std::unique_ptr<engine::Execution> execution;
    std::optional<PacketRunner> runner;

    Counter() {
        object = *engine::Object::load(engine::object_of("r0 = 2\nexit", ProgType::Xdp), env);
        execution = *engine::Execution::create(env);
        runner.emplace(*PacketRunner::create(*object->find_prog("test"), *execution));
    }
};

/// A network namespace of this thread's own, with its loopback up; false where that is not allowed.
bool enter_own_network() {
    if (unshare(CLONE_NEWNET) != 0) return false;
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = {};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    return fd && ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0;
}

void send_udp(int count) {
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; ++i) {
        sendto(fd.get(), "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
    }
}

// In threads, which take the namespace with them when they end.
TEST(Live, SeesEachIncomingPacketOnce) {
    bool possible = true;
    PacketStats stats;
    std::thread([&] {
        possible = enter_own_network();
        if (!possible) return;
        Counter counter;
        std::vector<uint32_t> sizes;
        std::thread sender;
        std::atomic<bool> stop = false;
        // The socket is there once the first packet has come: send until then.
        sender = std::thread([&] {
            while (!stop) {
                send_udp(1);
                usleep(1000);
            }
        });
        const auto done = run_live(
            *counter.runner, {.interface = "lo"}, {.count = 7},
            [&](const PacketEvent& event) { sizes.push_back(event.packet.length); }, stats);
        stop = true;
        sender.join();
        EXPECT_TRUE(done) << (done ? "" : done.error().to_string());
        for (const uint32_t size : sizes)
            EXPECT_TRUE(size == 47 || size == 75) << size;  // or ICMP's answer
    }).join();
    if (!possible) SKEP_SKIP("a network namespace of its own needs CAP_SYS_ADMIN");
    EXPECT_EQ(stats.packets, 7u);
    EXPECT_EQ(stats.verdicts["XDP_PASS"], 7u);
}

TEST(Live, EndsWhenAskedTo) {
    bool possible = true;
    std::thread([&] {
        possible = enter_own_network();
        if (!possible) return;
        Counter counter;
        PacketStats stats;
        std::atomic<bool> stop = true;
        EXPECT_TRUE(run_live(*counter.runner, {.interface = "lo"}, {.stop = &stop}, {}, stats));
        EXPECT_EQ(stats.packets, 0u);
    }).join();
    if (!possible) SKEP_SKIP("a network namespace of its own needs CAP_SYS_ADMIN");
}

TEST(Live, TimersRunWhileNoPacketComes) {
    bool possible = true;
    std::thread([&] {
        possible = enter_own_network();
        if (!possible) return;
        Counter counter;
        PacketStats stats;
        std::atomic<bool> stop = false;
        int ran = 0;
        const auto timers = [&]() -> std::optional<uint64_t> {
            if (++ran == 5) stop = true;
            return 1'000'000;
        };
        EXPECT_TRUE(run_live(*counter.runner, {.interface = "lo"},
                             {.timers = timers, .stop = &stop}, {}, stats));
        EXPECT_GE(ran, 5);
    }).join();
    if (!possible) SKEP_SKIP("a network namespace of its own needs CAP_SYS_ADMIN");
}

TEST(Live, SaysWhatIsMissing) {
    Counter counter;
    PacketStats stats;
    const auto done = run_live(*counter.runner, {.interface = "nothere0"}, {}, {}, stats);
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().message.find("nothere0"), std::string::npos);
    EXPECT_FALSE(done.error().hint.empty());
}

TEST(StopOnInterrupt, TurnsTheSignalIntoAFlag) {
    StopOnInterrupt stop;
    EXPECT_FALSE(stop.flag()->load());
    raise(SIGINT);
    EXPECT_TRUE(stop.flag()->load());
}

}  // namespace
}  // namespace skep::hooks
