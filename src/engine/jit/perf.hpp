// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <string>

#include "base/file.hpp"
#include "engine/jit/code_map.hpp"

// The two files from which perf learns the names of machine code (tools/perf/Documentation of
// Linux: jit-interface.txt, jitdump-specification.txt). Thread-safe.

namespace skep::engine::jit {

/// A line for each function: begin and size in hex, and its name.
class PerfMap {
  public:
    static Result<PerfMap> open();
    Result<void> add(const CodeMap& map);

  private:
    PerfMap(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    UniqueFd fd_;
    std::string path_;
};

/// Code and source lines too, each with the time at which it came (CLOCK_MONOTONIC).
class Jitdump {
  public:
    static Result<Jitdump> open();
    Result<void> add(const CodeMap& map);

  private:
    Jitdump(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    UniqueFd fd_;
    std::string path_;
    uint64_t index_ = 0;
};

}  // namespace skep::engine::jit
