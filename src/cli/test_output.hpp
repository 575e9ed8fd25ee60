// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "apps/test/coverage_report.hpp"
#include "apps/test/result.hpp"
#include "cli/terminal.hpp"

// What `skep test` writes.

namespace skep::cli {

/// A file's tests, for people.
std::string test_text(const test::FileResult& file, const Terminal& terminal);
/// "7 tests: 5 passed, 1 failed, 1 skipped".
std::string test_summary(const std::vector<test::FileResult>& files, const Terminal& terminal);

/// An object a line for each test, and for what ended the file.
std::string test_json(const test::FileResult& file);
/// The last line; `coverage` may be null.
std::string test_summary_json(const std::vector<test::FileResult>& files,
                              const test::CoverageReport* coverage);

/// JUnit's XML, which CI systems read.
std::string junit(const std::vector<test::FileResult>& files);

/// Each source file with how often its lines have run, then a table.
std::string coverage_text(const test::CoverageReport& coverage, const Terminal& terminal);

}  // namespace skep::cli
