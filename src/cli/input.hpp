// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "btf/btf.hpp"
#include "object/spec.hpp"

// What commands are given, read: files, or "-" for standard input. Errors carry a hint.

namespace skep::cli {

/// The whole file, refused where it is empty.
Result<Bytes> read_input(const std::string& path);

/// What errors and object names call this input.
std::string input_name(const std::string& path);

bool is_elf(ByteView bytes);

/// The bytes of a compiled object, or of what clang makes of BPF C (NAME.bpf.c).
Result<Bytes> object_bytes(const std::string& path);
/// The object itself.
Result<object::ObjectSpec> load_object(const std::string& path);
/// The same of what has been read from `path` already.
Result<object::ObjectSpec> parse_object(ByteView bytes, const std::string& path);

/// Types to relocate against: "kernel", "embedded", a file of raw BTF or an object that has some.
/// `base`: of a kernel module's types, those of its kernel.
Result<std::shared_ptr<const btf::Btf>> load_btf(const std::string& source,
                                                 std::shared_ptr<const btf::Btf> base = nullptr);

/// The program of that name. The error lists those that there are.
Result<const object::ProgSpec*> find_prog(const object::ObjectSpec& object, std::string_view name);

}  // namespace skep::cli
