// SPDX-License-Identifier: Apache-2.0
// Where a program is attached: which kernel function, hook or struct member it belongs to, and what
// this forbids (check_attach_btf_id(), bpf_check_attach_target() of Linux 6.18).
#include "platform/attach_targets.hpp"

#include <algorithm>

#include "verifier/btf_match.hpp"
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

using btf::Kind;
using btf::Type;
using platform::FunctionProperty;
using platform::LsmProperty;

bool is_trampoline(AttachType type) {
    return type == AttachType::TraceFentry || type == AttachType::TraceFexit ||
           type == AttachType::ModifyReturn;
}

bool can_be_sleepable(const object::ProgSpec& prog) {
    switch (prog.type) {
        case ProgType::Tracing:
            return is_trampoline(prog.attach_type) || prog.attach_type == AttachType::TraceIter;
        case ProgType::Lsm: return prog.attach_type != AttachType::LsmCgroup;
        case ProgType::Kprobe:
        case ProgType::StructOps:
        case ProgType::Syscall: return true;
        default: return false;
    }
}

// libbpf looks the target up before the kernel is asked.
bool refuse_unknown_target(Analysis& a, std::string_view name) {
    if (!a.kernel_btf)
        return a.refuse(Rule::AttachTarget,
                        "the program needs the kernel's BTF, and none is known");
    return a.refuse(Rule::AttachTarget, "failed to find kernel BTF type ID of '{}'", name);
}

// The FUNC_PROTO behind a FUNC, or behind the typedef of a tracepoint.
uint32_t proto_of(const btf::Btf& btf, const Type& type) {
    if (type.kind() == Kind::Func) return type.ref();
    const Type pointer = btf.resolve(type.ref());
    return pointer.kind() == Kind::Ptr ? pointer.ref() : 0;
}

bool find_target(Analysis& a, std::string name, Kind kind) {
    AttachTarget& target = call_data(a).attach;
    if (!a.kernel_btf) return refuse_unknown_target(a, name);
    const auto type = a.kernel_btf->find(name, kind);
    if (!type) return refuse_unknown_target(a, name);
    target.btf = a.kernel_btf;
    target.name = std::move(name);
    target.btf_id = type->id();
    target.proto_id = proto_of(*a.kernel_btf, *type);
    return a.kernel_btf->type(target.proto_id).kind() == Kind::FuncProto ||
           a.refuse(Rule::AttachTarget, "attach_btf_id {} is not a function", target.btf_id);
}

// Which struct and member a struct_ops program is for: the map that holds it says.
bool find_struct_ops_member(Analysis& a) {
    const ptrdiff_t self = &a.prog - a.object.progs.data();
    for (const object::MapSpec& map : a.object.maps) {
        if (map.origin != object::MapSpec::Origin::StructOps) continue;
        for (const object::InitialSlot& slot : map.initial_slots) {
            const bool same = self >= 0 && size_t(self) < a.object.progs.size()
                                  ? ptrdiff_t(slot.index) == self
                                  : a.object.progs[slot.index].name == a.prog.name;
            if (!same || !a.prog_btf) continue;
            const Type ops = a.prog_btf->resolve(map.value_type_id);
            const std::string name(btf::essential_name(ops.name()));
            const auto in_kernel = a.kernel_btf->find(name, Kind::Struct);
            if (!in_kernel) return refuse_unknown_target(a, name);
            for (const btf::Member local : ops.members()) {
                if (local.bit_offset / 8 != slot.slot) continue;
                uint32_t index = 0;
                for (const btf::Member member : in_kernel->members()) {
                    if (member.name == local.name) {
                        const Type pointer = a.kernel_btf->resolve(member.type);
                        AttachTarget& target = call_data(a).attach;
                        target = {a.kernel_btf,    name,
                                  in_kernel->id(), 0,
                                  index,           std::string(member.name)};
                        if (pointer.kind() == Kind::Ptr &&
                            a.kernel_btf->type(pointer.ref()).kind() == Kind::FuncProto)
                            target.proto_id = pointer.ref();
                        return target.proto_id != 0 ||
                               a.refuse(Rule::AttachTarget,
                                        "attach to invalid member {}(@idx {}) of struct {}",
                                        member.name, index, name);
                    }
                    ++index;
                }
            }
        }
    }
    return a.refuse(Rule::AttachTarget, "attach_btf_id 0 is not a supported struct");
}

bool check_struct_ops(Analysis& a) {
    if (!a.object.gpl_compatible())
        return a.refuse(Rule::HelperLicense,
                        "struct ops programs must have a GPL compatible license");
    if (!a.kernel_btf) return refuse_unknown_target(a, a.prog.attach_target);
    return find_struct_ops_member(a);
}

bool is_syscall_function(std::string_view name) {
    return name.starts_with("__x64_sys_") || name.starts_with("__ia32_sys_") ||
           name.starts_with("__arm64_sys_");
}

bool is_fmodret_function(std::string_view name, bool sleepable) {
    const platform::KfuncInfo* kfunc = platform::find_kfunc(name);
    return kfunc && has(kfunc->hooks, platform::KfuncHooks::Fmodret) &&
           (!sleepable || kfunc->is(platform::KfuncFlags::Sleepable));
}

bool check_trampoline(Analysis& a) {
    const std::string& name = call_data(a).attach.name;
    if (platform::function_is(name, FunctionProperty::Untraceable))
        return a.refuse(Rule::AttachTarget,
                        "Attaching tracing programs to function '{}' is rejected.", name);
    const bool injectable =
        platform::function_is(name, FunctionProperty::Injectable) || is_syscall_function(name);
    if (a.prog.sleepable && !injectable && !is_fmodret_function(name, true))
        return a.refuse(Rule::AttachTarget, "{} is not sleepable", name);
    if (a.prog.attach_type == AttachType::ModifyReturn && !injectable &&
        !platform::function_is(name, FunctionProperty::InjectableNonSleepable) &&
        !name.starts_with("security_") && !is_fmodret_function(name, false))
        return a.refuse(Rule::AttachTarget, "{}() is not modifiable", name);
    if (a.prog.attach_type != AttachType::TraceFentry &&
        platform::function_is(name, FunctionProperty::NoReturn))
        return a.refuse(Rule::AttachTarget,
                        "Attaching fexit/fmod_ret to __noreturn function '{}' is rejected.", name);
    return true;
}

bool check_tracing(Analysis& a) {
    switch (a.prog.attach_type) {
        case AttachType::TraceRawTp:
            return find_target(a, "btf_trace_" + a.prog.attach_target, Kind::Typedef);
        case AttachType::TraceIter:
            return find_target(a, "bpf_iter_" + a.prog.attach_target, Kind::Func);
        case AttachType::TraceFentry:
        case AttachType::TraceFexit:
        case AttachType::ModifyReturn:
            return find_target(a, a.prog.attach_target, Kind::Func) && check_trampoline(a);
        default: return a.refuse(Rule::AttachTarget, "Tracing programs must provide btf_id");
    }
}

bool check_lsm(Analysis& a) {
    const std::string& hook = a.prog.attach_target;
    if (!find_target(a, "bpf_lsm_" + hook, Kind::Func)) return false;
    const AttachTarget& target = call_data(a).attach;
    if (a.prog.sleepable && !platform::lsm_hook_is(hook, LsmProperty::Sleepable))
        return a.refuse(Rule::AttachTarget, "{} is not sleepable", target.name);
    if (!a.object.gpl_compatible())
        return a.refuse(Rule::HelperLicense, "LSM programs must have a GPL compatible license");
    if (platform::lsm_hook_is(hook, LsmProperty::Disabled))
        return a.refuse(Rule::AttachTarget, "attach_btf_id {} points to disabled hook {}",
                        target.btf_id, target.name);
    return true;
}

// What only a loader with CAP_PERFMON may load (is_perfmon_prog_type, 6.18).
bool is_tracing_type(ProgType type) {
    switch (type) {
        case ProgType::Kprobe:
        case ProgType::Tracepoint:
        case ProgType::PerfEvent:
        case ProgType::RawTracepoint:
        case ProgType::RawTracepointWritable:
        case ProgType::Tracing:
        case ProgType::Lsm:
        case ProgType::StructOps:
        case ProgType::Ext: return true;
        default: return false;
    }
}

bool returns_void(Analysis& a) {
    const AttachTarget& target = call_data(a).attach;
    return target.proto_id != 0 && target.btf->type(target.proto_id).ref() == 0;
}

}  // namespace

bool check_program_kind(Analysis& a) {
    const bool may_load =
        !a.privileged ? a.prog.type == ProgType::SocketFilter || a.prog.type == ProgType::CgroupSkb
                      : a.options.perfmon || !is_tracing_type(a.prog.type);
    if (!may_load) return a.refuse(Rule::Privileges, "Operation not permitted");
    if (a.prog.type == ProgType::Syscall)
        return a.prog.sleepable ||
               a.refuse(Rule::Sleepable, "Syscall programs can only be sleepable");
    if (a.prog.sleepable && !can_be_sleepable(a.prog))
        return a.refuse(Rule::Sleepable,
                        "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs "
                        "can be sleepable");
    switch (a.prog.type) {
        case ProgType::StructOps: return check_struct_ops(a);
        case ProgType::Tracing: return check_tracing(a);
        case ProgType::Lsm: return check_lsm(a);
        case ProgType::Ext:
            return a.refuse(Rule::NotSupported,
                            "skep cannot judge programs that replace functions of another program");
        default: return true;
    }
}

bool helper_allowed_at_target(Analysis& a, const platform::HelperProto& proto) {
    using platform::HelperProps;
    const bool lsm = a.prog.type == ProgType::Lsm;
    const bool sleepable_hook =
        lsm && platform::lsm_hook_is(a.prog.attach_target, LsmProperty::Sleepable);
    if (proto.is(HelperProps::AllowedDPath))
        return a.prog.attach_type == AttachType::TraceIter ||
               (lsm ? sleepable_hook
                    : platform::function_is(a.prog.attach_target, FunctionProperty::DPath));
    if (proto.is(HelperProps::AllowedIma)) return sleepable_hook;
    if (proto.is(HelperProps::AllowedSkStorage))
        return a.prog.attach_type == AttachType::TraceIter ||
               a.prog.attach_type == AttachType::TraceRawTp ||
               ((a.prog.attach_type == AttachType::TraceFentry ||
                 a.prog.attach_type == AttachType::TraceFexit) &&
                !a.prog.attach_target.starts_with("bpf_sk_storage"));
    return true;
}

bool check_set_retval(Analysis& a) {
    if (a.prog.type != ProgType::Lsm || a.prog.attach_type != AttachType::LsmCgroup) return true;
    return !returns_void(a) ||
           a.refuse(Rule::ReturnValue,
                    "BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!");
}

uint32_t max_cpus(const Analysis& a) {
    return a.options.cpus;
}

namespace {

// struct_ops members that return a pointer: null, or the one reference that is still held.
AttachReturn struct_ops_return(Analysis& a, ReturnValueRange& range) {
    const AttachTarget& target = call_data(a).attach;
    if (returns_void(a)) return AttachReturn::Void;
    const Type type = target.btf->resolve(target.btf->type(target.proto_id).ref());
    if (type.kind() != Kind::Ptr) return AttachReturn::Any;
    const RegState& r0 = a.reg(0);
    if (r0.ref_obj_id != 0 && base_type(r0.type) == kPtrToBtfId && r0.btf == target.btf &&
        r0.btf_id == target.btf->resolve(type.ref()).id())
        return a.check_ptr_off_reg(r0, 0) ? AttachReturn::Checked : AttachReturn::Refused;
    range = {0, 0, false};
    return AttachReturn::Range;
}

}  // namespace

AttachReturn attach_return_range(Analysis& a, ReturnValueRange& range) {
    constexpr int32_t max_errno = 4095;
    if (a.prog.type == ProgType::StructOps) return struct_ops_return(a, range);
    if (a.prog.type != ProgType::Lsm) return AttachReturn::NotMine;
    const bool is_void = returns_void(a);
    if (a.prog.attach_type == AttachType::LsmCgroup) {
        range = is_void ? ReturnValueRange{1, 1, false} : ReturnValueRange{0, 1, false};
        return AttachReturn::Range;
    }
    if (is_void) return AttachReturn::Void;
    range = platform::lsm_hook_is(a.prog.attach_target, LsmProperty::Bool)
                ? ReturnValueRange{0, 1, true}
                : ReturnValueRange{-max_errno, 0, true};
    return AttachReturn::Range;
}

}  // namespace skep::verifier
