// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/test/coverage_report.hpp"
#include "apps/test/result.hpp"
#include "apps/test/test_file.hpp"
#include "engine/object.hpp"
#include "object/spec.hpp"

// Runs the tests of a file, each on a freshly loaded object:
//
//     CoverageReport coverage;
//     const FileResult result = run_file("drop.yaml", {.load = load_object, .coverage =
//     &coverage}); for (const TestResult& test : result.tests) ...

namespace skep::test {

enum class Place : uint8_t { Embedded, Kernel };

/// An object, as it is and as it is read.
struct ObjectFile {
    Bytes elf = {};
    object::ObjectSpec spec = {};
};

struct RunOptions {
    Place place = Place::Embedded;
    /// Reads an object, or compiles it.
    std::function<Result<std::shared_ptr<const ObjectFile>>(const std::string& path)> load = {};
    /// Only tests of whose name this is a part; `*` stands for any text.
    std::string filter = {};
    CoverageReport* coverage = nullptr;  ///< embedded only
    /// Embedded: what runs verified programs. Off: nothing does, all run with their checks.
    engine::Jit jit = engine::Jit::Off;
};

FileResult run_file(const std::string& path, const RunOptions& options);

/// Whether a test of that name is asked for.
bool selected(std::string_view filter, std::string_view name);

}  // namespace skep::test
