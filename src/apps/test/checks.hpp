// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "apps/test/result.hpp"
#include "apps/test/session.hpp"

// Compares what a file expects with what has happened. An Error means that the file asks for what
// there is not (a map, a field): it is malformed.

namespace skep::test {

class Checks {
  public:
    Checks(Session& session, const TestFile& file, const Test& test)
        : session_(session), file_(file), test_(test) {}

    /// What one run of a step has returned and left in its packet and context.
    Result<void> run(const Step& step, const object::ProgSpec& prog, const Ran& ran);
    /// Maps, globals, events and printk. `records` and `lines` are those since the test began or,
    /// for a step, since the step did.
    Result<void> state(const Expect& expect, const std::vector<Record>& records,
                       const std::vector<std::string>& lines);

    std::vector<Failure> take() { return std::move(failures_); }
    bool failed() const { return !failures_.empty(); }

  private:
    void fail(const Yaml& at, std::string what, std::vector<std::string> lines);
    Result<void> verdict(const Yaml& expected, const object::ProgSpec& prog, const Ran& ran);
    Result<void> packet(const Yaml& expected, const Ran& ran);
    Result<void> ctx(const Yaml& expected, const object::ProgSpec& prog, const Ran& ran);
    Result<void> redirect(const Yaml& expected, const Ran& ran);
    Result<void> fault(const Step& step, const Ran& ran);
    Result<void> map(const Yaml& name, const Yaml& expected);
    Result<void> elements(size_t index, const Yaml& expected);
    Result<void> queue(size_t index, const Yaml& expected);
    Result<void> element(size_t index, const Yaml& at, ByteView key, const Yaml& expected);
    Result<void> globals(const Yaml& expected);
    Result<void> events(const Yaml& expected, const std::vector<Record>& records);
    Result<void> map_events(size_t index, const Yaml& expected, const std::vector<Record>& records);
    Result<void> printk(const Yaml& expected, const std::vector<std::string>& lines);

    Session& session_;
    const TestFile& file_;
    const Test& test_;
    std::vector<Failure> failures_;
};

/// Keys and values of a map, as a file has them: a mapping, or a list of {key, value}.
struct Entry {
    const Yaml* key;
    const Yaml* value;
};
/// `more` is set where the mapping has the key "...": others may be there, too.
Result<std::vector<Entry>> read_entries(const Yaml& node, bool* more = nullptr);

/// Puts into the maps what the test wants in them before.
Result<void> fill_maps(Session& session, const Test& test);

/// "bad_access" and its like.
std::string_view fault_name(engine::Fault::Kind kind);

}  // namespace skep::test
