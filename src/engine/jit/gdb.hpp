// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bytes.hpp"
#include "engine/jit/code_map.hpp"

// GDB's JIT interface ("JIT Compilation Interface" of its manual): a list of objects in memory with
// symbols and DWARF, and a function in which GDB has a breakpoint. LLDB reads the same.

namespace skep::engine::jit {

/// An ELF object with no code in it, but with the names, sizes and source lines of what lies at
/// these addresses.
Bytes debug_object(const CodeMap& map);

/// Registered while it lives. Thread-safe.
class GdbEntry {
  public:
    explicit GdbEntry(Bytes object);
    ~GdbEntry();
    GdbEntry(const GdbEntry&) = delete;
    GdbEntry& operator=(const GdbEntry&) = delete;

    struct Entry {  // struct jit_code_entry
        Entry* next = nullptr;
        Entry* previous = nullptr;
        const char* object = nullptr;
        uint64_t size = 0;
    };

  private:
    Bytes object_;
    Entry entry_;
};

}  // namespace skep::engine::jit
