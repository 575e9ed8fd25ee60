// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/running.hpp"
#include "kernel_runtime/sandbox.hpp"
#include "kernel_runtime/traffic.hpp"
#include "skep/skep.hpp"

#include <sys/mman.h>  // after platform/types.hpp, whose MAP_TYPE is another

// AttachOptions of the public interface, each hook by its effect: what src/kernel can attach to, an
// application can. The other tests of this folder look at the hooks themselves.

namespace skep::kernel_test {
namespace {

using ::testing::HasSubstr;

class PublicAttach : public ::testing::Test {
  protected:
    void SetUp() override {
        NEEDS_KERNEL();
        wire_.emplace();
        runtime_.emplace(must(Runtime::open(Place::Kernel)));
        delivery_.from = udp_socket(wire_->left(), Wire::kLeft, 0);
        delivery_.to = udp_socket(wire_->right(), "0.0.0.0", 7777);
        delivery_.host = Wire::kRight;
        delivery_.port = 7777;
    }

    Object load(const std::string& name, const LoadOptions& options) {
        return must(runtime_->load(object_bytes(name), name + ".bpf.o", options));
    }
    /// In the namespace at the wire's right or left end, as the calling thread sees it.
    static Link attach(const Object& object, const char* prog, const AttachOptions& options,
                       const std::string& netns) {
        const auto inside = must(kernel::NetnsScope::enter(netns));
        return must(must(object.program(prog)).attach(options));
    }
    int arrived() { return delivery_.send50(); }

    std::optional<Wire> wire_;
    std::optional<Runtime> runtime_;
    Delivery delivery_;
};

std::string receive(int fd) {
    pollfd wait = {.fd = fd, .events = POLLIN, .revents = 0};
    char bytes[100];
    const ssize_t got = poll(&wait, 1, 300) > 0 ? recv(fd, bytes, sizeof bytes, 0) : 0;
    return std::string(bytes, got > 0 ? static_cast<size_t>(got) : 0);
}

TEST_F(PublicAttach, ASocket) {
    const Object object = load("sockets", {.progs = {"filter"}});
    const auto none = must(object.program("filter")).attach();
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr("the socket is not given"));
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
        const Link link = attach(object, "filter", {.socket = to.get()}, wire_->left());
        EXPECT_TRUE(link.attached());
        EXPECT_EQ(both(), 1);
    }
    EXPECT_EQ(both(), 2);
}

TEST_F(PublicAttach, AMapOfSockets) {
    const Object object = load("sockets", {.progs = {"message", "verdict"}});
    Map sockets = must(object.map("sockets"));
    const UniqueFd listener = tcp_listener(wire_->left(), "127.0.0.1", 5001);
    const UniqueFd a = tcp_connect(wire_->left(), "127.0.0.1", 5001);
    const UniqueFd b = tcp_accept(listener.get());
    const UniqueFd c = tcp_connect(wire_->left(), "127.0.0.1", 5001);
    const UniqueFd d = tcp_accept(listener.get());
    {
        Link link = attach(object, "message", {.map = &sockets}, wire_->left());
        EXPECT_THAT(link.describe(), HasSubstr("map 'sockets'"));
        must(sockets.set(uint32_t{0}, static_cast<uint64_t>(a.get())));
        must(sockets.set(uint32_t{1}, static_cast<uint64_t>(d.get())));
        ASSERT_EQ(send(a.get(), "hello", 5, 0), 5);
        EXPECT_EQ(receive(d.get()), "hello") << "not b, whom a is connected to";
        EXPECT_EQ(receive(b.get()), "");
    }
    EXPECT_TRUE(must(sockets.remove(uint32_t{0})));
    ASSERT_EQ(send(a.get(), "again", 5, 0), 5);
    EXPECT_EQ(receive(b.get()), "again") << "out of the map";

    const Link link = attach(object, "verdict", {.map = &sockets}, wire_->left());
    const UniqueFd from = udp_socket(wire_->left(), "127.0.0.1", 0);
    const UniqueFd to = udp_socket(wire_->left(), "127.0.0.1", 5002);
    must(sockets.set(uint32_t{2}, static_cast<uint64_t>(to.get())));
    const sockaddr_in where = address("127.0.0.1", 5002);
    for (const char* text : {"Drop", "Pass"})
        sendto(from.get(), text, 4, 0, reinterpret_cast<const sockaddr*>(&where), sizeof where);
    EXPECT_EQ(receive(to.get()), "Pass");
    EXPECT_EQ(receive(to.get()), "");
}

TEST_F(PublicAttach, ANetfilterHook) {
    if (kernel::running_kernel().version < platform::KernelVersion(6, 4))
        SKEP_SKIP("netfilter links came with Linux 6.4");
    const Object object = load("net", {.progs = {"nf_drop"}});
    {
        const Link link = attach(object, "nf_drop", {}, wire_->right());
        EXPECT_EQ(arrived(), 0) << "input is what is meant without a word";
    }
    {
        const Link link =
            attach(object, "nf_drop", {.netfilter = {.hook = 0, .priority = -300}}, wire_->right());
        EXPECT_EQ(arrived(), 0) << "prerouting";
    }
    {
        const Link link = attach(object, "nf_drop", {.netfilter = {.hook = 3}}, wire_->right());
        EXPECT_EQ(arrived(), 50) << "nothing goes out there";
    }
    {
        const Link link = attach(object, "nf_drop", {.netfilter = {.family = 10}}, wire_->right());
        EXPECT_EQ(arrived(), 50) << "this is IPv4";
    }
}

TEST_F(PublicAttach, ARoute) {
    ASSERT_EQ(wire_->in_right("ip addr add 10.9.2.2/32 dev right0"), 0);
    ASSERT_EQ(wire_->in_left("ip route add 10.9.2.0/24 dev left0"), 0);
    delivery_.host = "10.9.2.2";
    EXPECT_EQ(arrived(), 50);
    const Object object = load("net", {.progs = {"lwt_drop"}});
    {
        const Link link = attach(
            object, "lwt_drop",
            {.interface = "left0", .route = {.destination = "10.9.2.2/32", .via = Wire::kRight}},
            wire_->left());
        EXPECT_THAT(link.describe(), HasSubstr("left0 for 10.9.2.2/32"));
        EXPECT_EQ(arrived(), 0);
    }
    EXPECT_EQ(arrived(), 50);
}

TEST_F(PublicAttach, APerfEvent) {
    const uint32_t me = static_cast<uint32_t>(getpid());
    const ByteView bytes = bytes_of(me);
    const Object object =
        load("trace", {.progs = {"perf"}, .globals = {{"wanted", {bytes.begin(), bytes.end()}}}});
    const auto fault = [] {
        constexpr size_t kPages = 64, kPage = 4096;
        void* memory = mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise(memory, kPages * kPage, MADV_NOHUGEPAGE);
        for (size_t i = 0; i < kPages; i++) static_cast<volatile char*>(memory)[i * kPage] = 1;
        munmap(memory, kPages * kPage);
    };
    const Map data = must(object.map("trace.bss"));
    const auto seen = [&] {
        uint64_t sum = 0;
        for (const Element& one : must(data.elements()))
            for (size_t at = 0; at + 8 <= one.value.size(); at += 8)
                sum += skep::load<uint64_t>(one.value, at).value_or(0);
        return sum;
    };
    {
        const Link link = must(must(object.program("perf"))
                                   .attach({.pid = static_cast<int32_t>(me),
                                            .perf = {.type = 1, .config = 2, .period = 1}}));
        fault();
    }
    const uint64_t faults = seen();
    EXPECT_GE(faults, 64u);
    fault();
    EXPECT_EQ(seen(), faults) << "detached";
}

TEST_F(PublicAttach, ARecordSaysWhichCpuItIsFrom) {
    const Object object = load("maps", {.progs = {"emits"}});
    std::vector<uint32_t> cpus;
    Events events = must(object.events([&](const Record& record) {
        if (record.map == "perf") cpus.push_back(record.cpu);
    }));
    cpu_set_t before;
    ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    std::vector<uint32_t> expected;
    const std::vector<uint8_t> packet(64);
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &before)) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
        must(must(object.program("emits")).test_run({.data = packet}));
        expected.push_back(cpu);
    }
    sched_setaffinity(0, sizeof before, &before);
    while (must(events.poll(std::chrono::milliseconds(0))) != 0) {
    }
    std::ranges::sort(cpus);
    EXPECT_EQ(cpus, expected);
}

TEST_F(PublicAttach, AnInterfaceThatVanishes) {
    const Object object = load("net", {.progs = {"xdp_drop", "tc_drop"}});
    Link xdp = attach(object, "xdp_drop", {.interface = "right0"}, wire_->right());
    const Link tc = attach(object, "tc_drop", {.interface = "right0"}, wire_->right());
    EXPECT_TRUE(xdp.attached() && tc.attached());
    ASSERT_EQ(wire_->in_right("ip link del right0"), 0);
    EXPECT_FALSE(xdp.attached());
    EXPECT_FALSE(tc.attached());
    must(xdp.detach());
    EXPECT_FALSE(xdp.attached());
}

}  // namespace
}  // namespace skep::kernel_test
