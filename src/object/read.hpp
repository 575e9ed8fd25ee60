// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "object/spec.hpp"

namespace skep::object {

/// Reads a compiled BPF object: relocatable ELF from clang 14 or later, gcc, or bpftool gen object.
///
///     const Bytes bytes = SKEP_TRY(read_file("build/hello.bpf.o"));
///     const ObjectSpec object = SKEP_TRY(read_object(bytes, "build/hello.bpf.o"));
///
/// `name` is a file name or just a name; the object is called by what stands before its first dot
/// ("hello"), as with libbpf, and errors start with `name`. Errors are Malformed and name the
/// section, map, program or symbol. The spec owns copies of all it needs; `bytes` may go.
Result<ObjectSpec> read_object(ByteView bytes, const std::string& name);

}  // namespace skep::object
