// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/task.hpp"

namespace skep::engine {

class PacketBuffer;

// What a program is run on, once: its context (where r1 points), the packet if there is one, and
// the process on whose behalf it runs. A hook makes one and reuses it for event after event:
//
//     Event event;
//     event.ctx = record.data();
//     event.ctx_size = record.size();
//     event.task = &task;
//     Outcome outcome = prog.run(execution, event);
//
// `ctx` is memory in the layout of the UAPI struct (xdp_md, __sk_buff) or of the record that the
// program type has instead (tracepoint record, arguments of a raw tracepoint, pt_regs). Which part
// of it a program may touch is platform/ctx.def's to say, not the hook's. The fields of UAPI
// structs that are pointers in truth (data, data_end, data_meta) are 32 bits wide there, so they
// are not read from `ctx` but from the pointers here: ctx_table.hpp says which.
struct Event {
    uint8_t* ctx = nullptr;
    uint32_t ctx_size = 0;

    // The bytes of a packet that programs may access directly: metadata, then data, up to the end.
    // Helpers that move or grow the packet change them.
    uint8_t* data_meta = nullptr;
    uint8_t* data = nullptr;
    uint8_t* data_end = nullptr;
    /// Socket filters, and some cgroup programs, may only read.
    bool packet_writable = true;

    /// The packet as helpers work on it; null where the event is none.
    PacketBuffer* packet = nullptr;
    /// Never null while a program runs.
    Task* task = nullptr;
    /// The address of the task's user registers (struct pt_regs), which Task::kernel_readable()
    /// knows; 0 where they are unknown.
    uint64_t registers = 0;
};

}  // namespace skep::engine
