// SPDX-License-Identifier: Apache-2.0
// What programs and callbacks may return.
#include "platform/verdicts.hpp"
#include "verifier/access.hpp"
#include "verifier/calls.hpp"
#include "verifier/explore.hpp"

namespace skep::verifier {

bool refuse_return_value(Analysis& a, const RegState& reg, const ReturnValueRange& range,
                         std::string_view when, std::string_view name) {
    std::string known;
    if (reg.value.smin > INT64_MIN) known += fmt::format(" smin={}", reg.value.smin);
    if (reg.value.smax < INT64_MAX) known += fmt::format(" smax={}", reg.value.smax);
    if (known.empty()) known = " unknown scalar value";
    return a.refuse(Rule::ReturnValue, "{} the register {} has{} should have been in [{}, {}]",
                    when, name, known, range.lowest, range.highest);
}

namespace {

bool enforce(Analysis& a, int regno, const ReturnValueRange& range, std::string_view when,
             std::string_view name) {
    if (a.reg(regno).type != kScalar)
        return a.refuse(Rule::ReturnValue, "{} the register R{} is not a known value ({})", when,
                        regno, a.type_name(a.reg(regno).type));
    if (!a.mark_chain_precision(regno)) return false;
    const Scalar& value = a.reg(regno).value;
    const bool inside = range.return_32bit
                            ? range.lowest <= value.s32_min && value.s32_max <= range.highest
                            : range.lowest <= value.smin && value.smax <= range.highest;
    return inside || refuse_return_value(a, a.reg(regno), range, when, name);
}

}  // namespace

bool check_return_code(Analysis& a, int regno, std::string_view name) {
    const FuncState& frame = a.state->frame(0);
    const bool is_subprog = frame.subprog != 0;
    const bool is_program = !is_subprog || frame.in_exception_callback_fn;
    ReturnValueRange range;
    AttachReturn attached = AttachReturn::NotMine;
    if (is_program) {
        attached = attach_return_range(a, range);
        if (attached == AttachReturn::Refused) return false;
        if (attached == AttachReturn::Void) return true;
    }
    if (!a.check_reg_read(regno)) return false;
    if (attached == AttachReturn::Checked) return true;
    if (a.is_pointer_value(a.reg(regno)))
        return a.refuse(Rule::PointerLeak, "R{} leaks addr as return value", regno);
    if (frame.in_async_callback_fn)
        return enforce(a, regno, frame.callback_ret_range, "At async callback return", name);
    if (!is_program) {
        if (a.reg(regno).type == kScalar) return true;
        return a.refuse(Rule::GlobalFunction,
                        "At subprogram exit the register R{} is not a scalar value ({})", regno,
                        a.type_name(a.reg(regno).type));
    }
    if (attached == AttachReturn::Any) return true;
    if (attached == AttachReturn::NotMine) {
        const auto known =
            platform::return_range({a.prog.type, a.prog.attach_type, a.prog.attach_target});
        if (!known) return true;
        range = {known->lowest, known->highest, false};
    }
    return enforce(a, regno, range, "At program exit", name);
}

}  // namespace skep::verifier
