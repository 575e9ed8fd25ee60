// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "apps/test/test_file.hpp"
#include "engine/task.hpp"
#include "platform/embedded_types.h"

namespace skep::test {

// The process of a test: what the file says of it, and the same in every run. Its memory is what
// the file puts there, and text that is given for arguments of system calls.
class MockTask final : public engine::Task {
  public:
    explicit MockTask(const TaskSpec& spec);

    /// Puts bytes into its memory; their address.
    uint64_t place(ByteView bytes);
    uint32_t tid() const { return tid_; }
    uint32_t pid() const { return spec_.pid; }

    uint64_t pid_tgid() override { return uint64_t{spec_.pid} << 32 | tid_; }
    uint64_t uid_gid() override { return uint64_t{spec_.gid} << 32 | spec_.uid; }
    std::array<char, 16> comm() override;
    uint64_t cgroup_id() override { return spec_.cgroup; }
    int read_user(void* to, size_t size, uint64_t address) override;
    int64_t read_user_string(char* to, size_t size, uint64_t address) override;
    int write_user(uint64_t address, const void* from, size_t size) override;
    uint64_t task_struct() override { return reinterpret_cast<uint64_t>(&kernel_.task); }
    bool kernel_readable(uint64_t address, size_t size) override;

    /// What a program sees of the user's registers.
    platform::embedded::pt_regs registers = {};

  private:
    /// The bytes from `address` to the end of what lies there as one piece.
    std::span<uint8_t> memory_at(uint64_t address);

    struct KernelSide {
        platform::embedded::task_struct task{}, leader{}, parent{};
        platform::embedded::cred cred{};
    };

    TaskSpec spec_;
    uint32_t tid_;
    std::map<uint64_t, Bytes> memory_;
    uint64_t next_address_ = 0x10000;
    KernelSide kernel_;
};

}  // namespace skep::test
