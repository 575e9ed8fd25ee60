// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

// For tests only.

/// Skips this test because of what the machine lacks; `./dev test` lists the reasons at its end.
#define SKEP_SKIP(reason)                              \
    do {                                               \
        fmt::print("SKIP: {}\n", std::string(reason)); \
        GTEST_SKIP() << (reason);                      \
    } while (0)

namespace skep::testing {

/// The source and build trees; set by ctest, and by their usual places when run by hand.
inline std::filesystem::path source_dir() {
    const char* path = std::getenv("SKEP_SOURCE_DIR");
    return path ? path : ".";
}

inline std::filesystem::path binary_dir() {
    const char* path = std::getenv("SKEP_BINARY_DIR");
    return path ? path : "build/release";
}

/// A directory of its own for one test, removed with everything in it at the end.
class ScratchDir {
  public:
    ScratchDir() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "skep-test-XXXXXX").string();
        path_ = mkdtemp(pattern.data());
    }
    ScratchDir(const ScratchDir&) = delete;
    ScratchDir& operator=(const ScratchDir&) = delete;
    ~ScratchDir() { std::filesystem::remove_all(path_); }

    const std::filesystem::path& path() const { return path_; }
    std::string file(const std::string& name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

}  // namespace skep::testing
