// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace skep::engine {

/// Why a program was stopped, by the checked interpreter or by the processor. Nothing outside the
/// program's own regions has been touched.
struct Fault {
    enum class Kind : uint8_t {
        BadAccess,    ///< a load or store outside the regions that the program may touch
        ReadOnly,     ///< a store where it may only read
        BadContext,   ///< an access to its context that no program of its type may make
        BadArgument,  ///< a helper or kfunc got an argument that its prototype forbids
        Budget,       ///< more instructions than the run was given
        CallDepth,    ///< more than 8 frames
        Misaligned,   ///< an atomic operation on an address that is no multiple of its size
        BadCall,      ///< callx or a callback with no function there
        Processor,    ///< the processor refused an instruction: SIGSEGV, SIGBUS
        Unreleased,   ///< it ended with a lock held or a ring buffer record reserved
    };
    Kind kind;
    std::string prog;          ///< the program that was running: a tail call may have changed it
    uint32_t insn = 0;         ///< in that program
    int reg = -1;              ///< the register with the offending value; -1 where none is to blame
    uint64_t value = 0;        ///< what it held
    std::string message = {};  ///< "store of 8 bytes at map value 'counts'+4, which has 8 bytes"
    std::string source = {};   ///< "hello.bpf.c:12: return *p;", empty without line info

    /// "prog 'hello', instruction 12 (r1 = 0x7f..): MESSAGE" and, where known, the source line.
    std::string to_string() const;
};

}  // namespace skep::engine
