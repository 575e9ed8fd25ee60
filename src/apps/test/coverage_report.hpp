// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "engine/prog.hpp"

// Which source lines and branches the tests have run, from the line information of the objects
// (BTF) and what the engine has counted.
//
//     CoverageReport report;
//     report.add("drop.bpf.c", prog);             // after each test
//     fmt::print("{}", report.to_lcov());
//
// A line's count is that of its most-run instruction, added up over tests. A branch is a
// conditional jump of the compiled program: it has been covered when it has gone both ways. The
// compiler may make more or fewer of them than the source has, and none for what it could decide
// itself.

namespace skep::test {

class CoverageReport {
  public:
    struct Branch {
        uint64_t taken = 0;
        uint64_t not_taken = 0;
    };
    struct Line {
        std::string text = {};  ///< as BTF has it
        uint64_t count = 0;
        std::vector<Branch> branches = {};
    };
    struct Function {
        uint32_t line = 0;
        uint64_t count = 0;
    };
    struct File {
        std::string object = {};  ///< whose line information names it
        std::map<uint32_t, Line> lines = {};
        std::map<std::string, Function> functions = {};

        size_t lines_run() const;
        size_t branches() const;  ///< both ways of each jump count
        size_t branches_run() const;
        size_t functions_run() const;
    };

    /// What has run of a program that was loaded for coverage, from the object at `path`.
    void add(const std::string& path, const engine::Prog& prog);

    /// By the name that the compiler gave it, once the last test has run.
    std::map<std::string, File> files() const;

    /// The format of lcov's .info files (geninfo(1)), which genhtml and most CI systems show.
    std::string to_lcov() const;
    void to_json(JsonWriter& json) const;

  private:
    struct Place {
        std::string file;
        uint32_t line = 0;
        auto operator<=>(const Place&) const = default;
    };
    struct Count {
        std::string text = {};
        uint64_t count = 0;
    };
    /// A jump in the code of one program.
    struct Jump {
        std::string object, prog;
        uint32_t insn = 0;
        auto operator<=>(const Jump&) const = default;
    };
    std::map<Place, Count> lines_;
    std::map<Place, std::map<Jump, Branch>> branches_;
    std::map<std::string, std::map<std::string, Function>> functions_;
    std::map<std::string, std::string> objects_;  ///< by source file
};

}  // namespace skep::test
