// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>

#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "object/read.hpp"

// For the tests of this folder: its compiled objects, and other people's tools.

namespace skep::object {

inline std::string object_path(const std::string& name) {
    return (skep::testing::binary_dir() / "tests/objects" / (name + ".bpf.o")).string();
}

inline std::string source_path(const std::string& name) {
    return (skep::testing::source_dir() / "tests/objects" / (name + ".bpf.c")).string();
}

inline ObjectSpec read_or_fail(const std::string& path) {
    const auto bytes = read_file(path);
    if (!bytes) {
        ADD_FAILURE() << bytes.error().message;
        return {};
    }
    auto object = read_object(*bytes, path);
    EXPECT_TRUE(object) << object.error().message;
    return object ? std::move(*object) : ObjectSpec{};
}

inline bool have_command(const std::string& name) {
    // Debian has bpftool in /usr/sbin, where ordinary users do not look.
    const char* set = getenv("PATH");
    const std::string path = set ? set : "/usr/bin:/bin";
    if (!path.contains("/usr/sbin")) setenv("PATH", (path + ":/usr/sbin").c_str(), 1);
    return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;
}

/// What the command prints; its exit code must be 0.
inline std::string output_of(const std::string& command) {
    std::string out;
    FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) return out;
    char buffer[65536];
    while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
    EXPECT_EQ(pclose(pipe), 0) << command;
    return out;
}

/// The objects of this folder and of examples/, and those that Debian's packages ship, as far as
/// they are installed.
std::vector<std::string> all_objects();

}  // namespace skep::object
