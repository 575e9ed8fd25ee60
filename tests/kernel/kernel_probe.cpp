// SPDX-License-Identifier: Apache-2.0
#include "kernel/kernel_probe.hpp"

#include <fmt/core.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/kernel_pace.hpp"
#include "btf/btf.hpp"

namespace skep::kernel_test {

Answer offer(const Candidate& candidate) {
    static thread_local std::array<char, 1 << 16> log;
    const std::string license(candidate.license);
    log[0] = '\0';
    bpf_attr attr{};
    attr.prog_type = static_cast<uint32_t>(candidate.type);
    attr.insns = reinterpret_cast<uint64_t>(candidate.insns.data());
    attr.insn_cnt = static_cast<uint32_t>(candidate.insns.size());
    attr.license = reinterpret_cast<uint64_t>(license.c_str());
    attr.log_level = candidate.verbose ? 2 : 1;
    attr.log_size = log.size();
    attr.log_buf = reinterpret_cast<uint64_t>(log.data());
    attr.prog_flags = candidate.sleepable ? BPF_F_SLEEPABLE : 0;
    if (candidate.attach != AttachType::None)
        attr.expected_attach_type = static_cast<uint32_t>(candidate.attach);
    attr.attach_btf_id = candidate.attach_btf_id;
    pace_program_loads();
    const long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
    Answer answer;
    answer.error = fd < 0 ? errno : 0;
    answer.prog = UniqueFd(static_cast<int>(fd));
    answer.log = log.data();
    return answer;
}

std::optional<std::string> why_not_comparable() {
    utsname name{};
    uname(&name);
    int major = 0, minor = 0;
    std::sscanf(name.release, "%d.%d", &major, &minor);
    if (platform::KernelVersion(major, minor) != platform::kNewestKernel)
        return fmt::format("the tables describe Linux {}, this is {}",
                           platform::kNewestKernel.to_string(), name.release);
    if (!offer({.type = ProgType::Kprobe, .insns = {mov(0, 0), exit_insn()}}).accepted())
        return "this user may not load BPF programs";
    return std::nullopt;
}

uint32_t kernel_btf_id(btf::Kind kind, std::string_view name) {
    static const auto kernel = btf::Btf::load("/sys/kernel/btf/vmlinux");
    if (!kernel) return 0;
    const auto type = (*kernel)->find(name, kind);
    return type ? type->id() : 0;
}

bool keep_capabilities(uint64_t capabilities) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[2] = {};
    for (int word = 0; word < 2; ++word) {
        data[word].effective = static_cast<uint32_t>(capabilities >> 32 * word);
        data[word].permitted = data[word].effective;
    }
    return syscall(SYS_capset, &header, data) == 0;
}

namespace {

struct Capabilities {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[2] = {};
    bool get() { return syscall(SYS_capget, &header, data) == 0; }
    bool set() { return syscall(SYS_capset, &header, data) == 0; }
};

}  // namespace

WithoutCapabilities::WithoutCapabilities(uint64_t capabilities) {
    Capabilities now;
    now.get();
    for (size_t word = 0; word < 2; ++word) {
        before_[word] = now.data[word].effective;
        now.data[word].effective &= ~static_cast<uint32_t>(capabilities >> 32 * word);
    }
    now.set();
}

WithoutCapabilities::~WithoutCapabilities() {
    Capabilities now;
    now.get();
    for (size_t word = 0; word < 2; ++word) now.data[word].effective = before_[word];
    now.set();
}

}  // namespace skep::kernel_test
