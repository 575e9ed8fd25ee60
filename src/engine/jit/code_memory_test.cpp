// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/code_memory.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "engine/jit/x86.hpp"

namespace skep::engine::jit {
namespace {

std::unique_ptr<Code> returning(uint64_t value) {
    x86::Assembler a;
    a.move(x86::Reg::rax, value);
    a.ret();
    auto code = Code::place(a.finish());
    EXPECT_TRUE(code.has_value()) << code.error().to_string();
    return code ? std::move(*code) : nullptr;
}

uint64_t run(const Code& code) {
    return reinterpret_cast<uint64_t (*)()>(reinterpret_cast<uintptr_t>(code.begin()))();
}

TEST(CodeMemory, RunsWhatWasPlaced) {
    std::vector<std::unique_ptr<Code>> codes;
    for (uint64_t i = 0; i < 1000; i++) codes.push_back(returning(i * 0x100000001));
    for (uint64_t i = 0; i < codes.size(); i++) EXPECT_EQ(run(*codes[i]), i * 0x100000001);
    codes.erase(codes.begin(), codes.begin() + 500);
    EXPECT_EQ(run(*codes[0]), 500 * 0x100000001);
    EXPECT_EQ(run(*returning(7)), 7u);
}

TEST(CodeMemory, TakesMoreThanAChunk) {
    std::vector<uint8_t> big(1 << 20, 0x90);
    big.push_back(0xc3);
    const auto code = Code::place(big);
    ASSERT_TRUE(code.has_value());
    run(**code);
    EXPECT_EQ((*code)->bytes().size(), big.size());
}

TEST(CodeMemory, AChildDoesNotWriteOverItsParentsCode) {
    const auto before = returning(1);
    int placed[2];
    ASSERT_EQ(pipe(placed), 0);
    const pid_t child = fork();
    if (child == 0) {
        // When the parent has put something where the child, too, would find room.
        char byte = 0;
        if (read(placed[0], &byte, 1) != 1) _exit(2);
        const auto here = returning(2);
        _exit(run(*before) == 1 && run(*here) == 2 ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    const auto after = returning(3);
    EXPECT_EQ(write(placed[1], "", 1), 1);
    int status = 1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(run(*after), 3u);
    close(placed[0]);
    close(placed[1]);
}

TEST(CodeMemory, NoPageIsWritableAndExecutable) {
    const auto code = returning(1);
    std::ifstream maps("/proc/self/maps");
    bool found = false;
    for (std::string line; std::getline(maps, line);) {
        EXPECT_EQ(line.find(" rwx"), std::string::npos) << line;
        if (line.find("skep-jit") == std::string::npos) continue;
        found = true;
        EXPECT_NE(line.find(" r-xs "), std::string::npos) << line;
    }
    EXPECT_TRUE(found);
}

}  // namespace
}  // namespace skep::engine::jit
