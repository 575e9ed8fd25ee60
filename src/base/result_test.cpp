// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace skep {
namespace {

Result<int> half(int n) {
    if (n % 2) return malformed("{} is odd", n);
    return n / 2;
}

Result<int> quarter(int n) {
    return SKEP_TRY(half(SKEP_TRY(half(n))));
}

TEST(Result, TryYieldsTheValueOrReturnsTheError) {
    EXPECT_EQ(quarter(8).value(), 2);
    EXPECT_EQ(quarter(6).error().message, "3 is odd");
}

Result<std::unique_ptr<int>> make_box(int n) {
    return std::make_unique<int>(n);
}

TEST(Result, TryMovesWhatCannotBeCopied) {
    auto add = [](int n) -> Result<int> {
        std::unique_ptr<int> box = SKEP_TRY(make_box(n));
        return *box + 1;
    };
    EXPECT_EQ(add(41).value(), 42);
}

TEST(Result, TryOfVoid) {
    auto run = [](bool good) -> Result<int> {
        SKEP_TRY(good ? Result<void>() : unsupported("no"));
        return 1;
    };
    EXPECT_TRUE(run(true));
    EXPECT_EQ(run(false).error().code, ErrorCode::Unsupported);
}

TEST(Result, ErrorTextNamesContextAndHint) {
    Error error = Error(malformed("bad magic").error()).in("a.o").with_hint("is it an ELF file?");
    EXPECT_EQ(error.to_string(), "error: a.o: bad magic\nhint: is it an ELF file?");
    EXPECT_EQ(error.exit_code(), 4);
}

TEST(Result, SystemErrorsKeepErrno) {
    errno = ENOENT;
    Error error = sys_error("open x");
    EXPECT_EQ(error.message, "open x: No such file or directory");
    EXPECT_EQ(error.sys_errno, ENOENT);
    EXPECT_EQ(sys_error("x", 99999).message, "x: unknown error");
}

}  // namespace
}  // namespace skep
