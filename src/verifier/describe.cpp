// SPDX-License-Identifier: Apache-2.0
#include "verifier/describe.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "verifier/analysis.hpp"

namespace skep::verifier {

namespace {

std::string number(int64_t value) {
    return value > 0xffff || value < -0xffff ? fmt::format("{:#x}", value)
                                             : fmt::format("{}", value);
}

std::string unsigned_number(uint64_t value) {
    return value > 0xffff ? fmt::format("{:#x}", value) : fmt::format("{}", value);
}

std::string map_name(const RegState& reg) {
    if (!reg.map || !reg.map->spec) return "a map";
    const std::string name = printable(reg.map->spec->name);
    return reg.map->is_inner ? fmt::format("a map inside of '{}'", name)
                             : fmt::format("map '{}'", name);
}

/// ", 14 bytes in", ", at an offset from 0 to 255".
std::string offset_of(const RegState& reg) {
    if (reg.value.is_constant()) {
        const int64_t offset = reg.off + int64_t(reg.value.constant_value());
        return offset == 0 ? "" : fmt::format(", {} bytes in", number(offset));
    }
    if (reg.value.smin == INT64_MIN && reg.value.smax == INT64_MAX)
        return ", at an offset of which nothing is known";
    std::string text = fmt::format(", at an offset from {} to {}", number(reg.value.smin + reg.off),
                                   number(reg.value.smax + reg.off));
    if (reg.value.smin < INT64_MIN + reg.off || reg.value.smax > INT64_MAX - 0x40000000)
        text = ", at an offset without a bound";
    return text;
}

std::string kernel_struct(const RegState& reg) {
    if (!reg.btf) return "a kernel struct";
    return fmt::format("a struct {}", printable(reg.btf->type(reg.btf_id).name()));
}

}  // namespace

std::string describe(const Scalar& value) {
    if (value.is_constant())
        return fmt::format("the number {}", number(int64_t(value.constant_value())));
    if (value.smin >= 0 || value.umin > uint64_t(INT64_MAX)) {
        if (value.umax == UINT32_MAX && value.umin == 0) return "any 32-bit number";
        if (value.umax == UINT64_MAX || value.umax == uint64_t(INT64_MAX))
            return fmt::format("a number of at least {}", unsigned_number(value.umin));
        return fmt::format("a number from {} to {}", unsigned_number(value.umin),
                           unsigned_number(value.umax));
    }
    if (value.smin == INT64_MIN && value.smax == INT64_MAX) {
        if (value.umax == UINT64_MAX && value.umin == 0) return "any number";
        return fmt::format("a number from {} to {}", unsigned_number(value.umin),
                           unsigned_number(value.umax));
    }
    if (value.smin == INT64_MIN)
        return fmt::format("a number of at most {} that may be negative", number(value.smax));
    if (value.smax == INT64_MAX) return fmt::format("a number of at least {}", number(value.smin));
    return fmt::format("a number from {} to {}", number(value.smin), number(value.smax));
}

std::string describe_target(const RegState& reg) {
    switch (base_type(reg.type)) {
        case kPtrToCtx: return "the context";
        case kPtrToMapValue: return "a value of " + map_name(reg);
        case kPtrToMapKey: return "a key of " + map_name(reg);
        case kPtrToStack: return "the stack";
        case kPtrToPacket: return "the packet";
        case kPtrToPacketMeta: return "the packet's metadata";
        case kPtrToPacketEnd: return "the packet's end";
        case kPtrToFlowKeys: return "the flow keys";
        case kPtrToSocket:
        case kPtrToSockCommon:
        case kPtrToTcpSock:
        case kPtrToXdpSock: return "a socket";
        case kPtrToBtfId: return kernel_struct(reg);
        case kPtrToMem: return fmt::format("{} bytes of memory", reg.mem_size);
        case kPtrToBuf:
        case kPtrToTpBuffer: return "a buffer of the hook";
        case kPtrToArena: return "the arena";
        default: return {};
    }
}

std::string describe(const RegState& reg) {
    const RegType base = base_type(reg.type);
    if (base == kNotInit) return "nothing: it was never written";
    if (base == kScalar) return describe(reg.value);
    const std::string_view null = may_be_null(reg.type) ? " that may be null" : "";
    switch (base) {
        case kConstPtrToMap: return map_name(reg);
        case kPtrToPacketEnd: return "the end of the packet (data_end)";
        case kPtrToFunc: return "the address of a function";
        case kConstPtrToDynptr: return "a dynptr";
        case kPtrToPacket:
        case kPtrToPacketMeta: {
            const std::string where =
                fmt::format("a pointer into {}{}", describe_target(reg), offset_of(reg));
            if (reg.packet_range > 0)
                return fmt::format("{} ({} byte{} from the start checked)", where, reg.packet_range,
                                   reg.packet_range == 1 ? "" : "s");
            return where + " (no byte is checked against data_end)";
        }
        default: break;
    }
    const std::string target = describe_target(reg);
    if (target.empty()) return fmt::format("a pointer{}", null);
    const std::string_view trust = base != kPtrToBtfId       ? ""
                                   : (reg.type & kUntrusted) ? "an untrusted "
                                                             : "a ";
    if (!trust.empty())
        return fmt::format("{}pointer to {}{}{}", trust, target, offset_of(reg), null);
    return fmt::format("a pointer to {}{}{}", target, offset_of(reg), null);
}

std::string describe(const StackSlot& slot) {
    switch (slot.whole()) {
        case SlotType::Invalid: return "nothing: it was never written";
        case SlotType::Spill: return slot.spilled ? describe(*slot.spilled) : "a register";
        case SlotType::Misc: return "data";
        case SlotType::Zero: return "0";
        case SlotType::Dynptr: return "a dynptr";
        case SlotType::Iter: return "an iterator";
        case SlotType::IrqFlag: return "a saved interrupt state";
    }
    return {};
}

}  // namespace skep::verifier
