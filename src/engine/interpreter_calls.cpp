// SPDX-License-Identifier: Apache-2.0
#include "engine/calls.hpp"
#include "engine/coverage.hpp"
#include "engine/interpreter.hpp"
#include "engine/ops.hpp"
#include "maps/prog_array.hpp"
#include "platform/limits.hpp"

// Calls: into functions of the program, into the engine, and into other programs.

namespace skep::engine {

bool Interpreter::push_frame(const Op* at, const uint64_t* registers) {
    if (x_.state_.depth + 1 >= isa::kMaxFrames) {
        x_.state_.at = index_of(at);
        x_.too_deep();
        return false;
    }
    Execution::Frame& frame = x_.frames_[++x_.state_.depth];
    frame.return_to = at;
    frame.prog = prog_;
    frame.may_goto = platform::kMaxLoops;
    std::copy_n(registers + 6, 4, frame.saved.begin());
    return true;
}

const Op* Interpreter::pop_frame(uint64_t* registers) {
    const Execution::Frame& frame = x_.frames_[x_.state_.depth--];
    std::copy(frame.saved.begin(), frame.saved.end(), registers + 6);
    registers[10] += isa::kStackSize;
    if (frame.prog != prog_) {  // a tail call has replaced the function that returns
        prog_ = x_.prog_ = frame.prog;
        x_.state_.at = 0;
        ops_ = prog_->ops_.data();
        x_.memory_.set_maps(prog_->maps_);
        x_.memory_.forget();
    }
    return frame.return_to;
}

bool Interpreter::step(const Prog& prog, uint32_t insn, uint64_t (&registers)[11]) {
    constexpr uint8_t kWentOn = 11;
    const Op alone[] = {prog.ops_[insn],
                        {.code = uint16_t(OpCode::Mov64K), .dst = kWentOn, .imm = 1},
                        {.code = uint16_t(OpCode::Exit)}};
    uint64_t r[12] = {};
    std::copy_n(registers, 11, r);
    prog_ = &prog;
    ops_ = alone;
    first_ = insn;
    execute(alone, r);
    std::copy_n(r, 11, registers);
    return r[kWentOn] != 0;
}

uint64_t Interpreter::call_back(uint64_t function, const uint64_t (&arguments)[5]) {
    // The stack pointer of the frame that called the helper follows from the depth.
    uint64_t registers[11] = {};
    std::copy_n(arguments, 5, registers + 1);
    registers[10] = x_.frame_pointer(x_.state_.depth);
    const Prog& prog = *x_.prog_;
    prog_ = &prog;
    ops_ = prog.ops_.data();
    const uint32_t at = x_.state_.at;
    if (--x_.state_.budget_left < 0) {
        out_of_budget(ops_ + at);
        return 0;
    }
    if (!push_frame(ops_ + at, registers)) return 0;
    registers[10] -= isa::kStackSize;
    const uint64_t result = run(prog, reinterpret_cast<const Op*>(function), registers);
    if (x_.faulted()) return 0;
    pop_frame(registers);
    x_.prog_ = &prog;
    x_.state_.at = at;
    return result;
}

uint64_t Interpreter::call(const Op* op, const Call& call, const uint64_t* r) {
    x_.state_.at = index_of(op);
    const Event& event = *x_.state_.event;
    const uint8_t *meta = event.data_meta, *end = event.data_end;
    const uint64_t result = call.fn(x_, r[1], r[2], r[3], r[4], r[5]);
    if (event.data_meta != meta || event.data_end != end) x_.memory_.forget();
    return result;
}

uint64_t Interpreter::call_helper(const Op* op, const uint64_t* registers) {
    const Call& helper = prog_->calls_[op->imm];
    x_.state_.at = index_of(op);
    if (helper.proto && !check_arguments(x_, *helper.proto, registers)) return 0;
    return call(op, helper, registers);
}

uint64_t Interpreter::call_plain(const Op* op, const uint64_t* registers) {
    return call(op, prog_->calls_[op->imm], registers);
}

uint64_t Interpreter::call_kfunc(const Op* op, const uint64_t* registers) {
    return call(op, prog_->calls_[op->imm], registers);
}

uint64_t Interpreter::call_register(const Op* op, const uint64_t* registers) {
    const uint64_t number = registers[op->dst];
    const auto id = platform::HelperId(number);
    const platform::HelperProto* proto =
        number <= UINT32_MAX ? platform::embedded_helper(prog_->kind(), id) : nullptr;
    const HelperFn fn = proto ? helper_fn(id) : nullptr;
    if (!fn) {
        fault_at(op, Fault::Kind::BadCall,
                 fmt::format("no helper that it may call has the number {}", number), op->dst,
                 number);
        return 0;
    }
    x_.state_.at = index_of(op);
    if (!check_arguments(x_, *proto, registers)) return 0;
    return call(op, {.fn = fn, .proto = proto}, registers);
}

uint16_t Interpreter::count(const Op* op) {
    Coverage& coverage = *prog_->coverage_;
    if (jump_ && op == jump_ + jump_->off) coverage.take(uint32_t(jump_ - ops_));
    const auto insn = uint32_t(op - ops_);
    coverage.run(insn);
    jump_ = coverage.jumps(insn) ? op : nullptr;
    return coverage.code(insn);
}

const Prog* Interpreter::tail_call(const Op* op, const uint64_t* registers) {
    x_.state_.at = index_of(op);
    const platform::HelperProto& proto = platform::helper_proto(platform::HelperId::tail_call);
    if (x_.checked() && !check_arguments(x_, proto, registers)) return nullptr;
    const auto* map = reinterpret_cast<maps::Map*>(registers[2])->as<maps::ProgArray>();
    if (!map) {
        x_.fault(Fault::Kind::BadArgument, "bpf_tail_call: the map is no prog array", 2,
                 registers[2]);
        return nullptr;
    }
    if (x_.tail_calls_ >= platform::kMaxTailCalls) return nullptr;
    const auto* next = static_cast<const Prog*>(map->prog_at(uint32_t(registers[3])));
    // No prog array of the kernel's holds programs of different types.
    if (!next || next->spec_.type != prog_->spec_.type) return nullptr;
    if (x_.state_.event->ctx_size < next->ctx_bytes_) {
        x_.fault(Fault::Kind::BadContext, next->context_too_small(*x_.state_.event));
        return nullptr;
    }
    x_.tail_calls_++;
    x_.state_.at = 0;
    if (next->maps_ != prog_->maps_) {
        x_.memory_.set_maps(next->maps_);
        x_.memory_.forget();
    }
    return next;
}

}  // namespace skep::engine
