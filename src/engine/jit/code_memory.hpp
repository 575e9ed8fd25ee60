// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.hpp"

// Memory for machine code. No page is ever both writable and executable, and none that holds code
// is mapped writable at all: code goes into an anonymous file by pwrite(2), and the file is mapped
// to be read and executed only. (But for those that published.hpp tells of it: there it is written
// to pages that become executable afterwards.)
//
//     auto code = SKEP_TRY(Code::place(assembler.finish()));
//     auto run = reinterpret_cast<int (*)(int)>(code->begin());
//
// Programs share chunks of the file; a chunk goes when the last code in it does. Thread-safe; a
// child after fork() keeps the code that there is, and puts its own elsewhere. An Error of code
// Unsupported means that this process may not map executable memory.

namespace skep::engine::jit {

class CodeChunk;

class Code {
  public:
    static constexpr size_t kAlignment = 64;  ///< where a jump lands best, and wide constants lie

    static Result<std::unique_ptr<Code>> place(std::span<const uint8_t> bytes);
    ~Code();
    Code(const Code&) = delete;
    Code& operator=(const Code&) = delete;

    const uint8_t* begin() const { return bytes_.data(); }
    std::span<const uint8_t> bytes() const { return bytes_; }

  private:
    Code(std::shared_ptr<CodeChunk> chunk, std::span<const uint8_t> bytes);

    std::shared_ptr<CodeChunk> chunk_;
    std::span<const uint8_t> bytes_;
};

}  // namespace skep::engine::jit
