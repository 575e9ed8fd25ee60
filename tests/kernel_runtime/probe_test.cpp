// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "kernel/symbols.hpp"
#include "kernel_runtime/sandbox.hpp"

// Probes in functions of this very program and of the kernel. Where the kernel has no probes, what
// is said about it.

// Two functions to find by name, and one probe as <sys/sdt.h> would leave it (that header is not in
// packages.apt): a note of provider "skep_test", name "point", with two arguments.
extern "C" {
[[gnu::noinline, gnu::used, gnu::visibility("default")]] long skep_probed_one(long value) {
    asm volatile("" : "+r"(value));
    return value + 1;
}
[[gnu::noinline, gnu::used, gnu::visibility("default")]] long skep_probed_two(long value) {
    asm volatile("" : "+r"(value));
    return value + 2;
}
[[gnu::noinline, gnu::used]] void skep_usdt_point(long first, long second) {
#if defined(__x86_64__)
    asm volatile(
        "990: nop\n"
        ".pushsection .note.stapsdt,\"\",\"note\"\n"
        ".balign 4\n"
        ".4byte 992f-991f, 994f-993f, 3\n"
        "991: .asciz \"stapsdt\"\n"
        "992: .balign 4\n"
        "993: .8byte 990b\n"
        ".8byte _.stapsdt.base\n"
        ".8byte 0\n"
        ".asciz \"skep_test\"\n"
        ".asciz \"point\"\n"
        ".asciz \"-8@%0 -8@%1\"\n"
        "994: .balign 4\n"
        ".popsection\n"
        ".ifndef _.stapsdt.base\n"
        ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
        ".weak _.stapsdt.base\n"
        ".hidden _.stapsdt.base\n"
        "_.stapsdt.base: .space 1\n"
        ".size _.stapsdt.base, 1\n"
        ".popsection\n"
        ".endif\n" ::"r"(first),
        "r"(second));
#endif
}
}

namespace skep::kernel_test {
namespace {

using kernel::attach;
using kernel::AttachTo;
using kernel::LinkPtr;
using ::testing::HasSubstr;

const std::string kSelf = "/proc/self/exe";

kernel::Object probes(const std::string& prog) {
    return load_for_me("probes", {.progs = {prog}});
}

TEST(KernelProbes, AFunctionOfAProgram) {
    NEEDS_KERNEL();
    const kernel::Object object = probes("uprobe");
    const kernel::Prog prog = must(object.prog("uprobe"));
    {
        const LinkPtr link = must(attach(
            prog, {.cookie = 99, .binary = kSelf, .symbol = "skep_probed_one", .pid = getpid()}));
        skep_probed_one(41);
        skep_probed_two(1);
        EXPECT_EQ(global(object, "hits"), 1u);
        EXPECT_EQ(global(object, "argument"), 41u);
        EXPECT_EQ(global(object, "cookie"), 99u);
    }
    skep_probed_one(42);
    EXPECT_EQ(global(object, "hits"), 1u);
}

TEST(KernelProbes, AnOffsetOfAFile) {
    NEEDS_KERNEL();
    const kernel::Object object = probes("uprobe");
    const auto offsets = must(kernel::function_offsets(kSelf, {"skep_probed_one"}));
    ASSERT_EQ(offsets.size(), 1u);
    const LinkPtr link =
        must(attach(must(object.prog("uprobe")), {.binary = kSelf, .offset = offsets[0]}));
    skep_probed_one(43);
    EXPECT_EQ(global(object, "argument"), 43u);
}

TEST(KernelProbes, WhatAFunctionReturns) {
    NEEDS_KERNEL();
    const kernel::Object object = probes("uretprobe");
    const LinkPtr link = must(
        attach(must(object.prog("uretprobe")), {.binary = kSelf, .symbol = "skep_probed_two"}));
    skep_probed_two(5);
    EXPECT_EQ(global(object, "hits"), 1u);
    EXPECT_EQ(global(object, "result"), 7u);
}

TEST(KernelProbes, AFunctionOfALibrary) {
    NEEDS_KERNEL();
    const kernel::Object object = probes("uprobe");
    const LinkPtr link =
        must(attach(must(object.prog("uprobe")), {.binary = "libc.so.6", .symbol = "labs"}));
    // Through a pointer, so that the compiler does not do it itself.
    long (*volatile function)(long) = labs;
    function(-77);
    EXPECT_EQ(global(object, "hits"), 1u);
    EXPECT_EQ(static_cast<int64_t>(global(object, "argument")), -77);
}

TEST(KernelProbes, ManyFunctionsInOneLink) {
    NEEDS_KERNEL();
    const kernel::Object object = probes("uprobe_multi");
    const auto link = attach(must(object.prog("uprobe_multi")),
                             {.cookie = 7, .binary = kSelf, .symbol = "skep_probed_*"});
    if (!link) {
        EXPECT_THAT(link.error().hint, HasSubstr("one uprobe a function"));
        SKEP_SKIP(link.error().message);
    }
    skep_probed_one(1);
    skep_probed_two(2);
    EXPECT_EQ(global(object, "hits"), 2u);
    EXPECT_EQ(global(object, "argument"), 2u);
    EXPECT_EQ(global(object, "cookie"), 7u);
    EXPECT_EQ(must((*link)->state()).kind, "uprobe_multi");
}

TEST(KernelProbes, ManyReturns) {
    NEEDS_KERNEL();
    const kernel::Object object = probes("uretprobe_multi");
    const auto link = attach(must(object.prog("uretprobe_multi")),
                             {.binary = kSelf, .symbols = {"skep_probed_one", "skep_probed_two"}});
    if (!link) SKEP_SKIP(link.error().message);
    skep_probed_one(1);
    skep_probed_two(2);
    EXPECT_EQ(global(object, "hits"), 2u);
    EXPECT_EQ(global(object, "result"), 4u);
}

TEST(KernelProbes, Usdt) {
    NEEDS_KERNEL();
    const kernel::Object object = probes("usdt");
    const LinkPtr link =
        must(attach(must(object.prog("usdt")),
                    {.binary = kSelf, .symbol = "skep_test:point", .pid = getpid()}));
    skep_usdt_point(11, 22);
    EXPECT_EQ(global(object, "hits"), 1u);
    EXPECT_EQ(global(object, "argument"), 11u);
    EXPECT_EQ(global(object, "second"), 22u);
}

TEST(KernelProbes, WhatIsMissingIsSaid) {
    NEEDS_KERNEL();
    const kernel::Object object = probes("uprobe");
    const kernel::Prog prog = must(object.prog("uprobe"));
    const auto no_binary = attach(prog);
    ASSERT_FALSE(no_binary);
    EXPECT_EQ(no_binary.error().exit_code(), 2);
    const auto no_function = attach(prog, {.binary = kSelf, .symbol = "no_such_function"});
    ASSERT_FALSE(no_function);
    EXPECT_THAT(no_function.error().message, HasSubstr("no_such_function"));
    EXPECT_EQ(no_function.error().sys_errno, ENOENT);
    EXPECT_FALSE(kernel::function_offsets(kSelf, {"no_such_*"}));
    EXPECT_FALSE(kernel::function_offsets("/proc/self/status", {"*"}));
}

TEST(KernelProbes, AFunctionOfTheKernel) {
    NEEDS_KERNEL();
    for (const char* name : {"kprobe", "kretprobe", "ksyscall"}) {
        const kernel::Object object = probes(name);
        const auto link = attach(must(object.prog(name)));
        if (!kernel::has_kernel_probes()) {
            ASSERT_FALSE(link);
            EXPECT_EQ(link.error().exit_code(), 3) << link.error().to_string();
            EXPECT_THAT(link.error().message, HasSubstr("this kernel has no kernel probes"));
            EXPECT_THAT(link.error().hint, HasSubstr("tp/syscalls/sys_enter"));
            continue;
        }
        ASSERT_TRUE(link) << link.error().to_string();
        for (int i = 0; i < 5; i++) syscall(SYS_getppid);
        EXPECT_EQ(global(object, "hits"), 5u) << name;
    }
}

TEST(KernelProbes, ManyFunctionsOfTheKernel) {
    NEEDS_KERNEL();
    auto object =
        kernel::Object::open(object_bytes("probes"), "probes.bpf.o", {.progs = {"kprobe_multi"}});
    set_constant(*object, "wanted", static_cast<uint32_t>(getpid()));
    const auto loaded = object->load();
    const auto link = loaded ? attach(must(object->prog("kprobe_multi")))
                             : Result<LinkPtr>(std::unexpected(loaded.error()));
    if (!link) {
        EXPECT_EQ(link.error().exit_code(), 3) << link.error().to_string();
        EXPECT_THAT(link.error().message, HasSubstr("fprobe"));
        SKEP_SKIP(link.error().message);
    }
    for (int i = 0; i < 5; i++) syscall(SYS_getppid);
    EXPECT_EQ(global(*object, "hits"), 5u);
}

}  // namespace
}  // namespace skep::kernel_test
