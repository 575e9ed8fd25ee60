// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/file.hpp"
#include "base/kernel_pace.hpp"
#include "isa/classic.hpp"
#include "isa/disasm.hpp"

// For tests only: hanging classic and eBPF programs on sockets of the running kernel.

namespace skep::isa::testing {

/// 0 or the errno with which the kernel refuses it.
inline int attach_classic(int fd, ClassicView program) {
    pace_program_loads();
    std::vector<sock_filter> filter;
    for (const ClassicInsn& insn : program) filter.push_back({insn.code, insn.jt, insn.jf, insn.k});
    const sock_fprog fprog{static_cast<unsigned short>(filter.size()), filter.data()};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof fprog) == 0 ? 0 : errno;
}

/// The program's descriptor, or none with errno set; the verifier's words go to `log`.
inline UniqueFd load_ebpf(InsnView insns, std::string& log) {
    pace_program_loads();
    log.assign(1 << 16, '\0');
    bpf_attr attr{};
    attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attr.insns = reinterpret_cast<uint64_t>(insns.data());
    attr.insn_cnt = static_cast<uint32_t>(insns.size());
    attr.license = reinterpret_cast<uint64_t>("GPL");
    int fd = static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr));
    if (fd < 0) {
        attr.log_buf = reinterpret_cast<uint64_t>(log.data());
        attr.log_size = static_cast<uint32_t>(log.size());
        attr.log_level = 1;
        fd = static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr));
    }
    return UniqueFd(fd);
}

inline bool attach_ebpf(int fd, InsnView insns) {
    std::string log;
    const UniqueFd program = load_ebpf(insns, log);
    if (!program) {
        ADD_FAILURE() << strerror(errno) << "\n" << log.c_str() << listing(insns);
        return false;
    }
    const int raw = program.get();
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &raw, sizeof raw) == 0;
}

inline bool may_load_ebpf() {
    const Insn insns[] = {{.opcode = kAlu64 | kMov}, {.opcode = kJmp | kExit}};
    std::string log;
    return bool(load_ebpf(insns, log));
}

}  // namespace skep::isa::testing
