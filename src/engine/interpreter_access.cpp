// SPDX-License-Identifier: Apache-2.0
#include "engine/ctx_table.hpp"
#include "engine/interpreter.hpp"
#include "engine/packet/legacy_load.hpp"
#include "engine/packet/packet_buffer.hpp"

// What the interpreter does where the remembered region does not answer: finds the region, or says
// what is wrong with the access.

namespace skep::engine {

uint8_t* Interpreter::access_slowly(const Op* op, uint64_t address, uint32_t size, bool store) {
    // What another instruction has just touched is the best guess.
    if (const Region last = x_.memory_.last();
        last.contains(address, size) && (!store || last.writable)) {
        x_.memory_.remember(size_t(op - ops_), last);
        return reinterpret_cast<uint8_t*>(address);
    }
    if (x_.memory_.on_stack(address, size)) return reinterpret_cast<uint8_t*>(address);
    const Event& event = *x_.state_.event;
    if (const uint64_t offset = address - reinterpret_cast<uint64_t>(event.ctx);
        offset < event.ctx_size && !prog_->context_is_memory())
        return context_access(op, offset, size, store);
    const Region region = x_.memory_.find(address, size);
    const int reg = store ? op->dst : op->src;
    if (region.kind == Region::Kind::None) {
        fault_at(op, Fault::Kind::BadAccess,
                 fmt::format("{} of {} bytes at {}", store ? "a store" : "a load", size,
                             x_.memory_.describe(address, size)),
                 reg, address);
        return nullptr;
    }
    if (store && !region.writable) {
        fault_at(op, Fault::Kind::ReadOnly,
                 fmt::format("a store of {} bytes into what may only be read: {}", size,
                             x_.memory_.describe(address, size)),
                 reg, address);
        return nullptr;
    }
    if (region.cacheable) x_.memory_.remember(size_t(op - ops_), region);
    return reinterpret_cast<uint8_t*>(address);
}

uint8_t* Interpreter::context_access(const Op* op, uint64_t offset, uint32_t size, bool store) {
    const CtxTable& table = *prog_->ctx_;
    const Event& event = *x_.state_.event;
    const bool inside = size <= event.ctx_size - offset;
    if (!inside || !(store ? table.may_store(offset, size) : table.may_load(offset, size))) {
        fault_at(
            op, Fault::Kind::BadContext,
            fmt::format("{} of {} bytes at offset {} of the context, which a program of type "
                        "{} may not make",
                        store ? "a store" : "a load", size, offset, to_string(prog_->spec_.type)),
            store ? op->dst : op->src, offset + reinterpret_cast<uint64_t>(event.ctx));
        return nullptr;
    }
    if (table.pointer(offset) != CtxPointer::None) return nullptr;
    if (event.packet) event.packet->narrow_ctx();  // what was stored before
    return event.ctx + offset;
}

bool Interpreter::load_context_pointer(const Op* op, uint64_t address, uint64_t* value) {
    const Event& event = *x_.state_.event;
    const uint64_t offset = address - reinterpret_cast<uint64_t>(event.ctx);
    if (x_.faulted() || offset >= event.ctx_size) return false;
    switch (prog_->ctx_->pointer(offset)) {
        case CtxPointer::Data: *value = reinterpret_cast<uint64_t>(event.data); return true;
        case CtxPointer::DataEnd: *value = reinterpret_cast<uint64_t>(event.data_end); return true;
        case CtxPointer::DataMeta:
            *value = reinterpret_cast<uint64_t>(event.data_meta);
            return true;
        // No socket and no flow keys belong to the packets of this runtime.
        case CtxPointer::Null: *value = 0; return true;
        case CtxPointer::None: break;
    }
    fault_at(op, Fault::Kind::BadContext, "this part of the context cannot be loaded", op->src,
             address);
    return false;
}

uint8_t* Interpreter::access_atomic(const Op* op, uint64_t address, uint32_t size) {
    if (address % size != 0) {
        fault_at(op, Fault::Kind::Misaligned,
                 fmt::format("an atomic operation of {} bytes at an address that is no multiple of "
                             "{}",
                             size, size),
                 op->dst, address);
        return nullptr;
    }
    const Event& event = *x_.state_.event;
    if (address - reinterpret_cast<uint64_t>(event.ctx) < event.ctx_size &&
        !prog_->context_is_memory()) {
        fault_at(op, Fault::Kind::BadContext, "an atomic operation on the context", op->dst,
                 address);
        return nullptr;
    }
    // A load-acquire only reads, but is as strict: whoever orders memory shares it with writers.
    const OpCode code = code_of(*op);
    const bool store = code < OpCode::LoadAcquireB || code > OpCode::LoadAcquireDW;
    return access(op, address, size, store);
}

bool Interpreter::load_packet(const Op* op, int64_t offset, uint64_t* value) {
    return offset == int32_t(offset) &&
           load_legacy(*x_.state_.event, int32_t(offset), uint32_t(op->off), value);
}

void Interpreter::fault_at(const Op* op, Fault::Kind kind, std::string message, int reg,
                           uint64_t value) {
    x_.state_.at = index_of(op);
    x_.fault(kind, std::move(message), reg, value);
}

void Interpreter::out_of_budget(const Op* op) {
    x_.state_.at = index_of(op);
    x_.out_of_budget();
}

}  // namespace skep::engine
