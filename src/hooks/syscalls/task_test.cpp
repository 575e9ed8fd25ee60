// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/task.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace skep::hooks {
namespace {

uint64_t address_of(const void* memory) {
    return reinterpret_cast<uint64_t>(memory);
}

/// Two pages of 'a', and a third that cannot be read; our own memory, for a task of our own.
class TaskMemory : public ::testing::Test {
  protected:
    TaskMemory()
        : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))),
          memory_(static_cast<char*>(mmap(nullptr, 3 * page_, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
        std::memset(memory_, 'a', 2 * page_);
        mprotect(memory_ + 2 * page_, page_, PROT_NONE);
        task_.begin(gettid(), {});
    }
    ~TaskMemory() override { munmap(memory_, 3 * page_); }

    uint64_t at(size_t offset) const { return address_of(memory_ + offset); }

    size_t page_;
    char* memory_;
    LiveTask task_;
};

TEST_F(TaskMemory, StringsEndAtTheirNulTheBufferOrTheFault) {
    const size_t end = 2 * page_;
    memory_[page_ + 10] = 0;
    memory_[end - 1] = 0;
    struct Case {
        const char* what;
        size_t offset, size;
        int64_t result;
    };
    const Case cases[] = {
        {"within a page", page_, 64, 11},
        {"over a page's end", page_ - 5, 64, 16},
        {"cut", 0, 8, 8},
        {"cut over a page's end", page_ - 3, 6, 6},
        {"cut right after its last character", page_, 10, 10},
        {"exactly fitting", page_, 11, 11},
        {"the last byte of memory", end - 1, 4096, 1},
        {"up to the last byte", end - 100, 4096, 100},
        {"nothing there", end, 16, -EFAULT},
        {"no room", page_, 0, 0},
        {"room for the NUL", page_, 1, 1},
    };
    for (const Case& c : cases) {
        std::string to(4097, 'x');
        EXPECT_EQ(task_.read_user_string(to.data(), c.size, at(c.offset)), c.result) << c.what;
        if (c.result <= 0) continue;
        EXPECT_EQ(std::strlen(to.c_str()), static_cast<size_t>(c.result) - 1) << c.what;
        EXPECT_EQ(to[c.size], 'x') << c.what;
    }
    memory_[end - 1] = 'a';
    std::string to(4096, 'x');
    EXPECT_EQ(task_.read_user_string(to.data(), 4096, at(end - 8)), -EFAULT);
    EXPECT_EQ(task_.read_user_string(to.data(), 8, at(end - 8)), 8);
    EXPECT_EQ(task_.read_user_string(to.data(), 8, UINT64_MAX - 2), -EFAULT);
}

TEST_F(TaskMemory, ReadsAndWritesAllOrFault) {
    char to[64];
    EXPECT_EQ(task_.read_user(to, sizeof to, at(page_ - 32)), 0);
    EXPECT_EQ(task_.read_user(to, sizeof to, at(2 * page_ - 63)), -EFAULT);
    EXPECT_EQ(task_.write_user(at(page_ - 1), "bc", 2), 0);
    EXPECT_EQ(memory_[page_ - 1], 'b');
    EXPECT_EQ(memory_[page_], 'c');
    EXPECT_EQ(task_.write_user(at(2 * page_ - 1), "bc", 2), -EFAULT);
    EXPECT_EQ(task_.write_user(0, "", 0), 0);
}

TEST_F(TaskMemory, ATaskThatHasGoneHasNothing) {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    waitpid(pid, nullptr, 0);
    task_.begin(pid, {});
    char byte;
    EXPECT_EQ(task_.read_user(&byte, 1, at(0)), -EFAULT);
    EXPECT_EQ(task_.write_user(at(0), &byte, 1), -EFAULT);
    EXPECT_EQ(task_.comm(), (std::array<char, 16>{}));
    EXPECT_EQ(task_.uid_gid(), 0u);
    EXPECT_EQ(task_.cgroup_id(), 0u);
}

}  // namespace
}  // namespace skep::hooks
