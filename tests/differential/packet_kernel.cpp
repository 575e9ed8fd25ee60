// SPDX-License-Identifier: Apache-2.0
#include "differential/packet_kernel.hpp"

#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.hpp"

namespace skep::kernel_test {

KernelRun run_in_kernel(int prog, ByteView data, ByteView ctx, uint32_t flags) {
    KernelRun run;
    run.data.resize(1 << 16);
    run.ctx.resize(ctx.size());
    bpf_attr attr = {};
    attr.test.prog_fd = static_cast<uint32_t>(prog);
    attr.test.data_in = reinterpret_cast<uint64_t>(data.data());
    attr.test.data_size_in = static_cast<uint32_t>(data.size());
    attr.test.data_out = reinterpret_cast<uint64_t>(run.data.data());
    attr.test.data_size_out = static_cast<uint32_t>(run.data.size());
    attr.test.ctx_in = reinterpret_cast<uint64_t>(ctx.data());
    attr.test.ctx_size_in = static_cast<uint32_t>(ctx.size());
    attr.test.ctx_out = reinterpret_cast<uint64_t>(run.ctx.data());
    attr.test.ctx_size_out = static_cast<uint32_t>(run.ctx.size());
    attr.test.flags = flags;
    if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)) != 0) {
        run.error = errno;
        return run;
    }
    run.retval = attr.test.retval;
    run.data.resize(attr.test.data_size_out);
    return run;
}

std::optional<std::string> enter_own_network() {
    if (unshare(CLONE_NEWNET) != 0) {
        return std::string("no network namespace of its own: ") + std::strerror(errno);
    }
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = {};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    if (!fd || ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) {
        return std::string("its loopback cannot be brought up: ") + std::strerror(errno);
    }
    return std::nullopt;
}

}  // namespace skep::kernel_test
