// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "object/spec.hpp"

// What the kernel's verifier selftests expect of a program: BTF decl tags on its function, written
// by the macros of tools/testing/selftests/bpf/progs/bpf_misc.h and read by test_loader.c (Linux
// 6.12). So the compiled object alone says what is right.
//
//     for (const object::ProgSpec& prog : object.progs)
//         if (const auto expected = read_annotation(object, prog)) check(prog, *expected);

namespace skep::verifier_test {

/// What is expected of loading, privileged or not.
struct Expectation {
    bool accepted = true;
    std::vector<std::string> messages;  ///< parts of the log, in order; "{{...}}" is a regex
    std::optional<int> retval;          ///< of running it
};

struct Annotation {
    std::optional<Expectation> privileged;
    std::optional<Expectation> unprivileged;
    uint32_t flags = 0;       ///< BPF_F_* of loading
    bool auxiliary = false;   ///< not a test itself
    bool other_arch = false;  ///< for machines other than x86-64
    std::string btf_path =
        {};  ///< the object whose types it is to be settled for, not the kernel's
};

/// Nothing for a program without any such tag.
std::optional<Annotation> read_annotation(const object::ObjectSpec& object,
                                          const object::ProgSpec& prog);

/// Whether a log has all the messages, each after the one before.
bool log_matches(std::string_view log, const std::vector<std::string>& messages);

}  // namespace skep::verifier_test
