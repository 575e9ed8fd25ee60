// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace skep {
namespace {

std::string scratch(const char* name) {
    return testing::TempDir() + "skep_file_test_" + std::to_string(getpid()) + "_" + name;
}

TEST(File, WritesAndReadsBack) {
    const std::string path = scratch("a");
    const Bytes bytes(100000, 7);
    ASSERT_TRUE(write_file(path, bytes));
    EXPECT_EQ(read_file(path).value(), bytes);
    const MappedFile mapped = MappedFile::open(path).value();
    EXPECT_TRUE(
        std::equal(bytes.begin(), bytes.end(), mapped.bytes().begin(), mapped.bytes().end()));
    std::filesystem::remove(path);
}

TEST(File, EmptyFilesMap) {
    const std::string path = scratch("empty");
    ASSERT_TRUE(write_file(path, {}));
    EXPECT_TRUE(MappedFile::open(path).value().bytes().empty());
    std::filesystem::remove(path);
}

TEST(File, ErrorsNameThePath) {
    EXPECT_EQ(read_file("/nonexistent/x").error().message,
              "/nonexistent/x: No such file or directory");
    EXPECT_EQ(MappedFile::open("/tmp").error().sys_errno, EISDIR);
    EXPECT_FALSE(write_file("/nonexistent/x", {}));
}

TEST(File, ReadsFilesWithoutASize) {
    EXPECT_FALSE(read_file("/proc/self/status").value().empty());
}

TEST(File, FullDeviceIsAnError) {
    const Bytes bytes(10, 1);
    EXPECT_EQ(write_file("/dev/full", bytes).error().sys_errno, ENOSPC);
}

TEST(UniqueFd, ClosesOnce) {
    int raw;
    {
        UniqueFd fd(::open("/dev/null", O_RDONLY));
        raw = fd.get();
        UniqueFd other = std::move(fd);
        EXPECT_FALSE(fd);
        EXPECT_EQ(other.get(), raw);
    }
    EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

}  // namespace
}  // namespace skep
