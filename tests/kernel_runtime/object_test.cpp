// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <linux/bpf.h>
#include <unistd.h>

#include "kernel/bpf.hpp"
#include "kernel/pin.hpp"
#include "kernel_runtime/sandbox.hpp"

namespace skep::kernel_test {
namespace {

using ::testing::HasSubstr;

/// An Ethernet frame with an IPv4 header of this protocol.
Bytes frame(uint8_t protocol) {
    Bytes bytes(64);
    bytes[12] = 8;
    bytes[14] = 0x45;
    bytes[23] = protocol;
    return bytes;
}

TEST(KernelObject, RunsAnExampleOnAPacket) {
    NEEDS_KERNEL();
    const kernel::Object object = load("goodbye_ping");
    const kernel::Prog prog = must(object.prog("goodbye_ping"));
    EXPECT_EQ(prog.type(), ProgType::Xdp);
    Bytes ping = frame(1);
    ping[34] = 8;  // echo request
    EXPECT_EQ(must(prog.test_run({.data = ping})).retval, uint32_t{XDP_DROP});
    EXPECT_EQ(must(prog.test_run({.data = frame(6)})).retval, uint32_t{XDP_PASS});

    const kernel::Map packets = must(object.map("packets"));
    uint64_t total = 0;
    for (const auto& [key, value] : must(packets.entries())) {
        EXPECT_EQ(value.size(), 8 * kernel::possible_cpus());
        for (size_t at = 0; at < value.size(); at += 8) total += *skep::load<uint64_t>(value, at);
    }
    EXPECT_EQ(total, 2u);
}

TEST(KernelObject, LoadsOnlyWhatIsAskedFor) {
    NEEDS_KERNEL();
    const kernel::Object object = load("net", {.progs = {"xdp_drop"}});
    EXPECT_EQ(object.progs().size(), 1u);
    const auto other = object.prog("xdp_pass");
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().message, HasSubstr("was not loaded"));
    const auto none = kernel::Object::open(object_bytes("net"), "net.bpf.o", {.progs = {"nosuch"}});
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr("there is no program 'nosuch'"));
    EXPECT_THAT(none.error().message, HasSubstr("xdp_drop"));
}

TEST(KernelObject, SetsConstantsBeforeLoading) {
    NEEDS_KERNEL();
    kernel::Object object =
        must(kernel::Object::open(object_bytes("maps"), "maps.bpf.o", {.progs = {"reads"}}));
    set_constant(object, "configured", 23);
    must(object.load());
    const kernel::Prog reads = must(object.prog("reads"));
    EXPECT_EQ(must(reads.test_run({.data = frame(6)})).retval, 123u);
}

TEST(KernelObject, MapsOfMapsAndProgramsChangeWhatAProgramDoes) {
    NEEDS_KERNEL();
    const kernel::Object object = load("maps");
    const kernel::Prog reads = must(object.prog("reads"));
    EXPECT_EQ(must(reads.test_run({.data = frame(6)})).retval, 101u);

    const uint32_t slot = 2;
    must(must(object.map("jumps")).update_fd(bytes_of(slot), must(object.prog("target")).fd()));
    EXPECT_EQ(must(reads.test_run({.data = frame(6)})).retval, 7u);

    const kernel::Map one = must(object.map("one"));
    must(one.update(bytes_of(uint32_t{0}), bytes_of(uint64_t{55})));
    must(must(object.map("nested")).update_fd(bytes_of(uint32_t{5}), one.fd()));
    EXPECT_EQ(must(reads.test_run({.data = frame(6)})).retval, 55u);
    // What user space sees of the slot is the inner map's id.
    const Bytes id = must(must(object.map("nested")).lookup(bytes_of(uint32_t{5}))).value();
    EXPECT_EQ(*skep::load<uint32_t>(id, 0), one.info().id);
}

TEST(KernelObject, LoadsWhatStandsInAProgArray) {
    NEEDS_KERNEL();
    const kernel::Object object = load("dispatch", {.progs = {"dispatch"}});
    Bytes tcp = frame(6);
    must(must(object.prog("dispatch")).test_run({.data = tcp}));
    EXPECT_EQ(global(object, "tcp_packets"), 1u);
    EXPECT_EQ(global(object, "other_packets"), 0u);
}

TEST(KernelObject, SharesAMapOfAnother) {
    NEEDS_KERNEL();
    const kernel::Object first = load("goodbye_ping");
    const kernel::Map packets = must(first.map("packets"));
    const kernel::Object second = load("goodbye_ping", {.reuse = {{"packets", &packets}}});
    must(must(second.prog("goodbye_ping")).test_run({.data = frame(17)}));
    EXPECT_EQ(must(packets.entries()).size(), 1u);
}

TEST(KernelObject, RunsASyscallProgram) {
    NEEDS_KERNEL();
    const kernel::Object object = load_for_me("trace", {.progs = {"doubles"}});
    const uint32_t input[2] = {21, 0};
    const auto run = must(must(object.prog("doubles")).test_run({.ctx = bytes_of(input)}));
    EXPECT_EQ(run.retval, 5u);
    EXPECT_EQ(*skep::load<uint32_t>(run.ctx, 4), 42u);
}

TEST(KernelObject, CountsRuns) {
    NEEDS_KERNEL();
    const kernel::Object object = load("goodbye_ping");
    const kernel::Prog prog = must(object.prog("goodbye_ping"));
    const UniqueFd on = must(kernel::enable_stats());
    must(prog.test_run({.data = frame(6), .repeat = 1000}));
    const kernel::ProgStats stats = must(prog.stats());
    EXPECT_EQ(stats.run_count, 1000u);
    EXPECT_GT(stats.run_time_ns, 0u);
    EXPECT_GT(stats.verified_insns, 0u);
}

TEST(KernelObject, ExplainsWhatTheKernelRefuses) {
    NEEDS_KERNEL();
    const auto object =
        kernel::Object::load(object_bytes("refused"), "refused.bpf.o", {.progs = {"unsafe"}});
    ASSERT_FALSE(object);
    EXPECT_THAT(object.error().message, HasSubstr("program 'unsafe' is refused by the kernel"));
    EXPECT_THAT(object.error().message, HasSubstr("outside of the packet"));
    EXPECT_THAT(object.error().hint, HasSubstr("the kernel's last lines"));
    EXPECT_THAT(object.error().hint, HasSubstr("skep check explains it"));
    EXPECT_THAT(object.error().hint, HasSubstr("data_end"));
    EXPECT_EQ(object.error().sys_errno, EACCES);
}

TEST(KernelObject, SaysWhichFunctionThisKernelLacks) {
    NEEDS_KERNEL();
    const auto object =
        kernel::Object::load(object_bytes("refused"), "refused.bpf.o", {.progs = {"no_function"}});
    ASSERT_FALSE(object);
    EXPECT_THAT(object.error().message, HasSubstr("no_such_function"));
    EXPECT_EQ(object.error().exit_code(), 3);
    EXPECT_THAT(object.error().hint, HasSubstr("instead: "));
}

TEST(KernelObject, RefusesWhatIsNoObject) {
    const Bytes text = {'h', 'e', 'l', 'l', 'o'};
    const auto object = kernel::Object::open(text, "hello.txt");
    ASSERT_FALSE(object);
    EXPECT_EQ(object.error().code, ErrorCode::Malformed);
}

TEST(KernelObject, PinsAndFindsAgain) {
    NEEDS_KERNEL();
    const std::string dir = bpffs();
    {
        const kernel::Object object = load("goodbye_ping");
        must(must(object.prog("goodbye_ping")).pin(dir + "/prog"));
        must(must(object.map("packets")).pin(dir + "/map"));
        const auto twice = must(object.map("packets")).pin(dir + "/map");
        ASSERT_FALSE(twice);
        EXPECT_EQ(twice.error().sys_errno, EEXIST);
        EXPECT_THAT(twice.error().hint, HasSubstr("unpin"));
    }
    const kernel::Prog prog = must(kernel::Prog::open_pinned(dir + "/prog"));
    must(prog.test_run({.data = frame(6)}));
    const kernel::Map map = must(kernel::Map::open_pinned(dir + "/map"));
    EXPECT_EQ(map.info().type, MapType::PercpuHash);
    EXPECT_EQ(must(map.entries()).size(), 1u);
    const auto wrong = kernel::Map::open_pinned(dir + "/prog");
    ASSERT_FALSE(wrong);
    must(kernel::unpin(dir + "/prog"));
    must(kernel::unpin(dir + "/map"));
    EXPECT_NE(access((dir + "/map").c_str(), F_OK), 0);
    const auto elsewhere = map.pin("/tmp/not-a-bpffs");
    ASSERT_FALSE(elsewhere);
    EXPECT_THAT(elsewhere.error().message, HasSubstr("not in a bpf file system"));
}

}  // namespace
}  // namespace skep::kernel_test
