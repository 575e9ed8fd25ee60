// SPDX-License-Identifier: Apache-2.0
#include "isa/classic_to_ebpf.hpp"

#include <linux/bpf.h>

#include <cstddef>
#include <string_view>

#include "isa/assemble.hpp"
#include "isa/decode.hpp"

namespace skep::isa {
namespace {

constexpr uint8_t kRegA = 0;
constexpr uint8_t kRegCtx = 6;  // where the legacy packet instructions expect it
constexpr uint8_t kRegX = 7;
constexpr uint8_t kRegTmp = 8;
constexpr uint8_t kRegFp = 10;

/// nla_find() and nla_find_nested() of lib/nlattr.c on bytes that only a helper can reach. The
/// kernel's verifier walks every round (29 instructions, of the 1 M that it allows); at 512 rounds
/// a use costs 20 ms of loading, and no real message has that many attributes side by side.
constexpr std::string_view kFindAttribute = R"(
        // r1: skb, r2: offset A, r3: type X, r4: 1 to look inside the attribute at A.
        // Returns the attribute's offset in r0, or 0.
        r6 = r1
        w7 = w2
        w3 = w3
        *(u64 *)(r10 - 8) = r3
        r8 = r4
        w9 = *(u32 *)(r6 + 0)       // skb->len: where the search ends
        if w9 < 4 goto none
        w1 = w9
        w1 -= 4
        if w7 > w1 goto none
        if r8 == 0 goto search
        r1 = r6
        w2 = w7
        r3 = r10
        r3 += -16
        w4 = 4
        call 26                     // skb_load_bytes: the header of the attribute at A
        if r0 != 0 goto none
        r1 = *(u16 *)(r10 - 16)     // nla_len
        w2 = w9
        w2 -= w7
        if w1 > w2 goto none
        if w1 < 4 goto none
        w9 = w7
        w9 += w1                    // its end
        w7 += 4                     // its first
    search:
        r8 = 512
    next:
        w1 = w9
        w1 -= w7
        if w1 s< 4 goto none
        r1 = r6
        w2 = w7
        r3 = r10
        r3 += -16
        w4 = 4
        call 26
        if r0 != 0 goto none
        r1 = *(u16 *)(r10 - 16)     // nla_len
        w2 = w9
        w2 -= w7
        if w1 > w2 goto none
        if w1 < 4 goto none
        r2 = *(u16 *)(r10 - 14)     // nla_type, with two flags
        w2 &= 0x3fff
        r3 = *(u64 *)(r10 - 8)
        if r2 == r3 goto found
        w1 += 3
        w1 &= 0x1fffc
        w7 += w1
        r8 += -1
        if r8 != 0 goto next
    none:
        r0 = 0
        exit
    found:
        w0 = w7
        exit
)";

static_assert(BPF_FUNC_skb_load_bytes == 26);

class Translator {
  public:
    Translator(ClassicView program, const ClassicContext& context)
        : program_(program), context_(context), start_(program.size()) {}

    Result<std::vector<Insn>> run();

  private:
    void find_reachable();
    Result<void> translate(const ClassicInsn& insn, size_t index);
    void translate_load(const ClassicInsn& insn);
    Result<void> translate_ancillary(Ancillary what, size_t index);
    void translate_alu(const ClassicInsn& insn);
    void translate_jump(const ClassicInsn& insn, size_t index);
    void resolve_jumps();
    void append_find_attribute();

    void emit(const Insn& insn) { out_.push_back(insn); }
    void move(uint8_t dst, uint8_t src) {
        emit({.opcode = kAlu | kMov | kX, .dst = dst, .src = src});
    }
    void move_imm(uint8_t dst, uint32_t imm) {
        emit({.opcode = kAlu | kMov | kK, .dst = dst, .imm = static_cast<int32_t>(imm)});
    }
    void emit_exit() { emit({.opcode = kJmp | kExit}); }
    void load_field(uint8_t dst, size_t offset) {
        emit({.opcode = kLdx | kMem | kW,
              .dst = dst,
              .src = kRegCtx,
              .off = static_cast<int16_t>(offset)});
    }
    void swap16() { emit({.opcode = kAlu | kEnd | kToBe, .dst = kRegA, .imm = 16}); }
    void call_helper(int32_t number) { emit({.opcode = kJmp | kCall, .imm = number}); }
    void jump_to(Insn insn, size_t classic_target) {
        jumps_.push_back({out_.size(), classic_target});
        emit(insn);
    }

    struct Jump {
        size_t insn;
        size_t classic_target;
    };

    ClassicView program_;
    const ClassicContext& context_;
    std::vector<bool> reachable_;
    std::vector<size_t> start_;  ///< of each classic instruction in out_
    std::vector<Insn> out_;
    std::vector<Jump> jumps_;
    std::vector<size_t> find_attribute_calls_;
};

void Translator::find_reachable() {
    reachable_.assign(program_.size(), false);
    reachable_[0] = true;
    for (size_t i = 0; i < program_.size(); ++i) {
        const ClassicInsn& insn = program_[i];
        if (!reachable_[i] || insn.is_return()) continue;
        if (insn.is_conditional()) {
            reachable_[i + 1 + insn.jt] = true;
            reachable_[i + 1 + insn.jf] = true;
        } else {
            reachable_[i + 1 + (insn.is_goto() ? insn.k : 0)] = true;
        }
    }
}

/// What fits 16 bits of every jump: the longest translation of one instruction is 6.
static_assert(kClassicMaxInsns * 6 + 3 < INT16_MAX);

Result<std::vector<Insn>> Translator::run() {
    find_reachable();
    emit({.opcode = kAlu64 | kMov | kX, .dst = kRegCtx, .src = 1});
    move_imm(kRegA, 0);
    move_imm(kRegX, 0);
    for (size_t i = 0; i < program_.size(); ++i) {
        if (!reachable_[i]) continue;
        start_[i] = out_.size();
        SKEP_TRY(translate(program_[i], i));
    }
    resolve_jumps();
    if (!find_attribute_calls_.empty()) append_find_attribute();
    return std::move(out_);
}

Result<void> Translator::translate(const ClassicInsn& insn, size_t index) {
    const auto word = static_cast<int16_t>(4 * insn.k - 4 * kClassicWords);
    switch (insn.cls()) {
        case kLd:
        case kLdx:
            if (const auto what = ancillary(insn)) return translate_ancillary(*what, index);
            translate_load(insn);
            break;
        case kSt:
            emit({.opcode = kStx | kMem | kW, .dst = kRegFp, .src = kRegA, .off = word});
            break;
        case kStx:
            emit({.opcode = kStx | kMem | kW, .dst = kRegFp, .src = kRegX, .off = word});
            break;
        case kAlu: translate_alu(insn); break;
        case kJmp: translate_jump(insn, index); break;
        case kRet:
            if (find_classic(insn.code)->operand == ClassicOperand::Decimal)
                move_imm(kRegA, insn.k);
            emit_exit();
            break;
        case kMisc:
            if (insn.mode() == 0)
                move(kRegX, kRegA);  // tax
            else
                move(kRegA, kRegX);  // txa
            break;
    }
    return {};
}

void Translator::translate_load(const ClassicInsn& insn) {
    const uint8_t dst = insn.cls() == kLdx ? kRegX : kRegA;
    const auto packet_load = [&](uint8_t mode) {
        emit({.opcode = static_cast<uint8_t>(kLd | mode | insn.size()),
              .src = mode == kInd ? kRegX : uint8_t{0},
              .imm = static_cast<int32_t>(insn.k)});
    };
    switch (insn.mode()) {
        case kImm: move_imm(dst, insn.k); break;
        case kAbs: packet_load(kAbs); break;
        case kInd: packet_load(kInd); break;
        case kMem:
            emit({.opcode = kLdx | kMem | kW,
                  .dst = dst,
                  .src = kRegFp,
                  .off = static_cast<int16_t>(4 * insn.k - 4 * kClassicWords)});
            break;
        case kLen: load_field(dst, offsetof(__sk_buff, len)); break;
        case kMsh:  // X = 4 * (byte & 15), past A, which the packet load takes
            move(kRegTmp, kRegA);
            packet_load(kAbs);
            emit({.opcode = kAlu | kAnd | kK, .dst = kRegA, .imm = 0xf});
            emit({.opcode = kAlu | kLsh | kK, .dst = kRegA, .imm = 2});
            move(kRegX, kRegA);
            move(kRegA, kRegTmp);
            break;
    }
}

Result<void> Translator::translate_ancillary(Ancillary what, size_t index) {
    switch (what) {
        case Ancillary::Protocol:
            load_field(kRegA, offsetof(__sk_buff, protocol));
            swap16();
            break;
        case Ancillary::PktType: load_field(kRegA, offsetof(__sk_buff, pkt_type)); break;
        case Ancillary::Ifindex:
            // Without a device the kernel ends the filter; what it returns is then A.
            load_field(kRegTmp, offsetof(__sk_buff, ifindex));
            emit({.opcode = kJmp | kJne | kK, .dst = kRegTmp, .off = 1});
            emit_exit();
            move(kRegA, kRegTmp);
            break;
        case Ancillary::Nlattr:
        case Ancillary::NlattrNest:
            emit({.opcode = kAlu64 | kMov | kX, .dst = 1, .src = kRegCtx});
            move(2, kRegA);
            move(3, kRegX);
            move_imm(4, what == Ancillary::NlattrNest);
            find_attribute_calls_.push_back(out_.size());
            emit({.opcode = kJmp | kCall, .src = kCallLocal});
            break;
        case Ancillary::Mark: load_field(kRegA, offsetof(__sk_buff, mark)); break;
        case Ancillary::Queue: load_field(kRegA, offsetof(__sk_buff, queue_mapping)); break;
        case Ancillary::Hatype:
            if (!context_.hatype)
                return unsupported(
                    "instruction {}: eBPF cannot load [hatype], the hardware type of the "
                    "interface, which is not known here",
                    index);
            move_imm(kRegA, *context_.hatype);
            break;
        case Ancillary::RxHash: load_field(kRegA, offsetof(__sk_buff, hash)); break;
        case Ancillary::Cpu: call_helper(BPF_FUNC_get_smp_processor_id); break;
        case Ancillary::AluXorX:
            emit({.opcode = kAlu | kXor | kX, .dst = kRegA, .src = kRegX});
            break;
        case Ancillary::VlanTag: load_field(kRegA, offsetof(__sk_buff, vlan_tci)); break;
        case Ancillary::VlanTagPresent: load_field(kRegA, offsetof(__sk_buff, vlan_present)); break;
        case Ancillary::PayOffset:
            return unsupported(
                "instruction {}: eBPF cannot load [poff]; only the kernel's flow dissector knows "
                "where the payload begins",
                index);
        case Ancillary::Random: call_helper(BPF_FUNC_get_prandom_u32); break;
        case Ancillary::VlanTpid:
            load_field(kRegA, offsetof(__sk_buff, vlan_proto));
            swap16();
            break;
    }
    return {};
}

void Translator::translate_alu(const ClassicInsn& insn) {
    const uint8_t operation = insn.operation();
    if (insn.uses_x() && (operation == kDiv || operation == kMod)) {
        // Classic BPF returns 0 where eBPF goes on with 0 or A.
        emit({.opcode = kJmp32 | kJne | kK, .dst = kRegX, .off = 2});
        move_imm(kRegA, 0);
        emit_exit();
    }
    Insn out{.opcode = static_cast<uint8_t>(kAlu | operation), .dst = kRegA};
    if (insn.uses_x()) {
        out.opcode |= kX;
        out.src = kRegX;
    } else if (operation != kNeg) {
        out.imm = static_cast<int32_t>(insn.k);
    }
    emit(out);
}

/// The comparison that holds exactly when the other does not; 0 where there is none.
uint8_t opposite(uint8_t operation) {
    switch (operation) {
        case kJeq: return kJne;
        case kJgt: return kJle;
        case kJge: return kJlt;
        default: return 0;
    }
}

void Translator::translate_jump(const ClassicInsn& insn, size_t index) {
    const size_t next = index + 1;
    if (insn.is_goto() || insn.jt == insn.jf) {
        const size_t target = next + (insn.is_goto() ? insn.k : insn.jt);
        if (target != next) jump_to({.opcode = kJmp | kJa}, target);
        return;
    }

    const auto jump_if = [&](uint8_t operation, size_t target) {
        Insn jump{.opcode = static_cast<uint8_t>(kJmp32 | operation), .dst = kRegA};
        if (insn.uses_x()) {
            jump.opcode |= kX;
            jump.src = kRegX;
        } else {
            jump.imm = static_cast<int32_t>(insn.k);
        }
        jump_to(jump, target);
    };
    if (insn.jt == 0 && opposite(insn.operation()))
        return jump_if(opposite(insn.operation()), next + insn.jf);
    jump_if(insn.operation(), next + insn.jt);
    if (insn.jf != 0) jump_to({.opcode = kJmp | kJa}, next + insn.jf);
}

void Translator::resolve_jumps() {
    for (const Jump& jump : jumps_)
        out_[jump.insn].off = static_cast<int16_t>(start_[jump.classic_target] - jump.insn - 1);
}

void Translator::append_find_attribute() {
    static const Assembly kFunction = [] {
        auto assembly = assemble(kFindAttribute);
        SKEP_CHECK(assembly);
        return *std::move(assembly);
    }();
    for (const size_t call : find_attribute_calls_)
        out_[call].imm = static_cast<int32_t>(out_.size() - call - 1);
    out_.insert(out_.end(), kFunction.insns.begin(), kFunction.insns.end());
}

}  // namespace

Result<std::vector<Insn>> classic_to_ebpf(ClassicView program, const ClassicContext& context) {
    SKEP_TRY(validate_classic(program));
    return Translator(program, context).run();
}

}  // namespace skep::isa
