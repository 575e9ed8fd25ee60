// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/test/yaml.hpp"
#include "base/bytes.hpp"
#include "packet/link_type.hpp"
#include "platform/helpers.hpp"

// A test file, read: what docs/testing-programs.md describes, with every key checked. What needs
// the object's types (maps, globals, verdicts) stays YAML until the object is there.
//
//     const TestFile file = SKEP_TRY(TestFile::read("drop.yaml"));
//     for (const Test& test : file.tests) run(file, test);
//
// Pointers lead into the file's own tree. Errors are Malformed: "drop.yaml:12:5: there is no key
// 'expct' here", with the hint "did you mean 'expect'?".

namespace skep::test {

/// What must be so after a step, or at the end of a test. Null: not asked.
struct Expect {
    const Yaml* verdict = nullptr;
    const Yaml* packet = nullptr;
    const Yaml* ctx = nullptr;
    const Yaml* redirect = nullptr;
    const Yaml* fault = nullptr;
    const Yaml* maps = nullptr;
    const Yaml* globals = nullptr;
    const Yaml* events = nullptr;
    const Yaml* printk = nullptr;
};

struct Instant {
    bool relative = false;  ///< "+5s": after the time before
    uint64_t ns = 0;
};

/// One event on the loaded object, or several equal ones.
struct Step {
    const Yaml* at = nullptr;
    std::string prog = {};  ///< empty: the only one
    const Yaml* packet = nullptr;
    const Yaml* ctx = nullptr;
    const Yaml* syscall = nullptr;
    const Yaml* fork = nullptr;
    const Yaml* exec = nullptr;
    const Yaml* exit = nullptr;
    std::optional<Instant> time = {};
    uint64_t repeat = 1;
    Expect expect = {};
};

/// A helper that does not run, and what it does instead.
struct Mock {
    platform::HelperId helper;
    std::vector<uint64_t> returns = {};  ///< one a call; the last again and again
    /// For the first argument that the helper would write to.
    std::optional<Bytes> writes = {};
    bool is_text = false;  ///< with a NUL, and cut to the size that the program gives
};

struct ProcessSpec {
    uint32_t pid = 0;
    std::string comm = {};
};

/// The process on whose behalf programs run.
struct TaskSpec {
    uint32_t pid = 1000;
    std::optional<uint32_t> tid = {};
    uint32_t uid = 1000;
    uint32_t gid = 1000;
    std::string comm = "test";
    uint64_t cgroup = 1;
    ProcessSpec parent = {1, "init"};
    std::vector<std::pair<uint64_t, Bytes>> memory = {};  ///< by address
};

struct Test {
    const Yaml* at = nullptr;
    std::string name = {};
    std::string skip = {};                  ///< why not to run it; empty: run it
    std::vector<const Yaml*> maps = {};     ///< of the file, then its own
    std::vector<const Yaml*> globals = {};  ///< likewise
    std::vector<Mock> mocks = {};
    std::optional<TaskSpec> task = {};
    std::optional<Instant> time = {};
    std::vector<uint64_t> random = {};  ///< what bpf_get_prandom_u32() gives, over and over
    uint64_t seed = 1;                  ///< where `random` is empty
    bool has_random = false;
    const Yaml* event_types = nullptr;
    std::vector<Step> steps = {};
    Expect expect = {};  ///< at the end
    bool only_embedded = false;
    bool only_kernel = false;
};

struct TestFile {
    std::string path;
    std::string object;     ///< as a path from here
    std::string object_as;  ///< as the file names it
    std::unique_ptr<const std::string> name;
    std::unique_ptr<const Yaml> root;
    std::vector<Test> tests;

    static Result<TestFile> read(const std::string& path);
    /// `path` is where it would be: what other paths in it start from.
    static Result<TestFile> parse(std::string_view text, const std::string& path);

    /// A path of the file, from here.
    std::string resolve(std::string_view named) const;
};

/// A packet of a test: hex digits, a description (packet/packet_text.hpp), or one of a capture.
struct PacketInput {
    Bytes bytes = {};
    packet::LinkType link_type = packet::LinkType::Ethernet;
    uint32_t length = 0;
};
Result<PacketInput> read_packet(const TestFile& file, const Yaml& node);

/// "250ms", "5s", "+1us", a number of nanoseconds.
Result<Instant> read_time(const Yaml& node);

/// The first of `keys` that none of `known` is, as an error.
Result<void> check_keys(const Yaml& node, std::initializer_list<std::string_view> known);

}  // namespace skep::test
