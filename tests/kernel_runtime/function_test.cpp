// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "kernel_runtime/sandbox.hpp"

// Programs at functions of the kernel: fentry, fexit, fmod_ret, LSM. Not every kernel allows them;
// then the message is what is tested. They run in the guest kernels of ./dev test --vm.

namespace skep::kernel_test {
namespace {

using kernel::attach;
using ::testing::AnyOf;
using ::testing::HasSubstr;

/// Loads the one program and attaches it.
struct Attached {
    std::optional<kernel::Object> object;
    kernel::LinkPtr link;
    std::optional<Error> refused;
};

Attached try_attach(const std::string& prog) {
    Attached attached;
    auto object =
        must(kernel::Object::open(object_bytes("refused"), "refused.bpf.o", {.progs = {prog}}));
    set_constant(object, "wanted", static_cast<uint32_t>(getpid()));
    if (auto loaded = object.load(); !loaded) {
        attached.refused = loaded.error();
        return attached;
    }
    auto link = attach(must(object.prog(prog)));
    if (link)
        attached.link = std::move(*link);
    else
        attached.refused = link.error();
    attached.object.emplace(std::move(object));
    return attached;
}

UniqueFd raw_socket() {
    return UniqueFd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

/// The message says why, and what else does the job; the test ends as skipped.
#define SKIP_WHERE_REFUSED(attached, instead)                                         \
    if (attached.refused) {                                                           \
        EXPECT_EQ(attached.refused->exit_code(), 3) << attached.refused->to_string(); \
        EXPECT_THAT(attached.refused->message, HasSubstr("this kernel "));            \
        EXPECT_THAT(attached.refused->hint, HasSubstr(instead));                      \
        SKEP_SKIP(attached.refused->message);                                         \
    }

TEST(KernelFunctions, Fentry) {
    NEEDS_KERNEL();
    const Attached attached = try_attach("fentry");
    SKIP_WHERE_REFUSED(attached, "instead: tp_btf/");
    for (int i = 0; i < 5; i++) syscall(SYS_getpgid, 0);
    EXPECT_EQ(global(*attached.object, "entries"), 5u);
}

TEST(KernelFunctions, Fexit) {
    NEEDS_KERNEL();
    const Attached attached = try_attach("fexit");
    SKIP_WHERE_REFUSED(attached, "instead: tp_btf/");
    for (int i = 0; i < 5; i++) syscall(SYS_getpgid, 0);
    EXPECT_EQ(global(*attached.object, "exits"), 5u);
}

TEST(KernelFunctions, FmodRet) {
    NEEDS_KERNEL();
    Attached attached = try_attach("fmod_ret");
    SKIP_WHERE_REFUSED(attached, "instead: cgroup hooks");
    EXPECT_FALSE(raw_socket());
    EXPECT_EQ(errno, EPERM);
    attached.link.reset();
    EXPECT_TRUE(raw_socket());
}

TEST(KernelFunctions, Lsm) {
    NEEDS_KERNEL();
    Attached attached = try_attach("lsm");
    SKIP_WHERE_REFUSED(attached, "instead: cgroup hooks");
    EXPECT_FALSE(raw_socket());
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(global(*attached.object, "denied"), 1u);
    attached.link.reset();
    EXPECT_TRUE(raw_socket());
}

}  // namespace
}  // namespace skep::kernel_test
