// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

// What tests came to, as data; src/cli/test_output.hpp shows it.

namespace skep::test {

struct Failure {
    std::string place;  ///< "drop.yaml:12:7": the expectation
    std::string what;   ///< "verdict", "map 'packets', key ICMP"
    std::vector<std::string> lines = {};
};

struct TestResult {
    enum class Status : uint8_t { Passed, Failed, Skipped };
    std::string name = {};
    std::string place = {};
    Status status = Status::Passed;
    std::string reason = {};  ///< of Skipped
    std::vector<Failure> failures = {};
    double seconds = 0;
};

struct FileResult {
    std::string path = {};
    std::vector<TestResult> tests = {};
    std::optional<Error> error = {};  ///< what ended it: a malformed file, an object that is none
    size_t filtered = 0;              ///< tests that were not asked for

    size_t count(TestResult::Status status) const;
};

}  // namespace skep::test
