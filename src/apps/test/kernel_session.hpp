// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <variant>

#include "apps/test/session.hpp"

namespace skep::test {

/// Loads the object into the running kernel, for this test; steps run by BPF_PROG_TEST_RUN. What
/// that cannot express is Cannot, with its reason. `elf` is the object's file, `spec` what it says,
/// with the globals of the test. Errors: Unsupported where this user or kernel loads no programs,
/// Failed where the kernel refuses this one.
Result<std::variant<std::unique_ptr<Session>, Cannot>> load_kernel(ByteView elf,
                                                                   const object::ObjectSpec& spec,
                                                                   const TestFile& file,
                                                                   const Test& test);

}  // namespace skep::test
