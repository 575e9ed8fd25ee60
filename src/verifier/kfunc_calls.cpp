// SPDX-License-Identifier: Apache-2.0
// Calls of kernel functions: check_kfunc_call() of Linux 6.18.
#include <algorithm>

#include "verifier/explore.hpp"
#include "verifier/kfunc_meta.hpp"

namespace skep::verifier {
namespace {

using btf::Kind;
using btf::Type;
using platform::KfuncFlags;

constexpr int64_t kMaxErrno = 4095;
constexpr uint32_t kMaxPercpuObject = 512;  // BPF_GLOBAL_PERCPU_MA_MAX_SIZE

// What the code calls, whether it may or not; null where there is no such function.
Kfunc* look_up(Analysis& a, uint32_t btf_id) {
    if (!a.kernel_btf || btf_id == 0) return nullptr;
    Kfunc& kfunc = call_data(a).kfuncs[btf_id];
    if (kfunc.btf_id == 0) {
        const Type type = a.kernel_btf->type(btf_id);
        if (type.kind() != Kind::Func) return nullptr;
        kfunc.btf_id = btf_id;
        kfunc.name = std::string(type.name());
        kfunc.proto_id = type.ref();
        kfunc.info = platform::find_kfunc(type.name());
    }
    return &kfunc;
}

bool is_lock_acquire(const KfuncMeta& meta) {
    return meta.is("bpf_res_spin_lock") || meta.is("bpf_res_spin_lock_irqsave");
}

// Taking a resilient lock may fail: one path goes on without it.
bool fork_failed_lock(Analysis& a, uint32_t index) {
    VerifierState* branch = a.push_state(index + 1, index, false);
    if (!branch) return false;
    FuncState& frame = branch->cur_mut();
    for (int i = 0; i < kCallerSaved; ++i) frame.regs[size_t(i)].clear();
    RegState& r0 = frame.regs[0];
    r0.set_unknown();
    r0.value.s32_min = int32_t(-kMaxErrno);
    r0.value.s32_max = -1;
    r0.value.smin = -kMaxErrno;
    r0.value.smax = -1;
    r0.value.sync();
    return true;
}

// Pointers that the section protected may dangle from now on.
void leave_rcu_section(Analysis& a) {
    const auto untrust = [](RegState& reg) {
        reg.type = (reg.type & ~(kRcu | kMaybeNull)) | kUntrusted;
    };
    VerifierState& state = *a.state;
    state.change_regs([](const RegState& reg) { return (reg.type & kRcu) != 0; }, untrust);
    for (uint32_t f = 0; f <= state.curframe; ++f)
        for (size_t s = 0; s < state.frame(f).stack.size(); ++s) {
            const StackSlot& slot = state.frame(f).stack[s];
            if (slot.whole() == SlotType::Iter && slot.spilled && (slot.spilled->type & kRcu))
                untrust(state.frame_mut(f).stack[s].spilled.write());
        }
    state.active_rcu_locks = 0;
}

bool update_rcu(Analysis& a, const KfuncMeta& meta, bool sleepable) {
    const bool lock = meta.is("bpf_rcu_read_lock"), unlock = meta.is("bpf_rcu_read_unlock");
    VerifierState& state = *a.state;
    if (state.active_rcu_locks == 0) {
        if (unlock)
            return a.refuse(Rule::LockUse, "unmatched rcu read unlock (kernel function {})",
                            meta.kfunc->name);
        if (lock) state.active_rcu_locks = 1;
        return true;
    }
    if ((lock || unlock) && in_rbtree_lock_required_callback(a))
        return a.refuse(Rule::LockUse,
                        "Calling bpf_rcu_read_{{lock,unlock}} in unnecessary rbtree callback");
    if (lock)
        return a.refuse(Rule::LockUse, "nested rcu read lock (kernel function {})",
                        meta.kfunc->name);
    if (unlock)
        leave_rcu_section(a);
    else if (sleepable)
        return a.refuse(Rule::Sleepable, "kernel func {} is sleepable within rcu_read_lock region",
                        meta.kfunc->name);
    return true;
}

bool update_preempt(Analysis& a, const KfuncMeta& meta, bool sleepable) {
    VerifierState& state = *a.state;
    if (meta.is("bpf_preempt_disable")) {
        ++state.active_preempt_locks;
    } else if (meta.is("bpf_preempt_enable")) {
        if (state.active_preempt_locks == 0)
            return a.refuse(Rule::LockUse,
                            "unmatched attempt to enable preemption (kernel function {})",
                            meta.kfunc->name);
        --state.active_preempt_locks;
    } else if (state.active_preempt_locks > 0 && sleepable) {
        return a.refuse(Rule::Sleepable,
                        "kernel func {} is sleepable within non-preemptible region",
                        meta.kfunc->name);
    }
    if (state.active_irq_id != 0 && sleepable)
        return a.refuse(Rule::Sleepable, "kernel func {} is sleepable within IRQ-disabled region",
                        meta.kfunc->name);
    return true;
}

bool update_sections(Analysis& a, const KfuncMeta& meta) {
    const bool sleepable = meta.is(KfuncFlags::Sleepable);
    return update_rcu(a, meta, sleepable) && update_preempt(a, meta, sleepable);
}

bool refuse_not_acquired(Analysis& a, const KfuncMeta& meta) {
    return a.refuse(Rule::ReferenceUse, "kfunc {}#{} reference has not been acquired before",
                    meta.kfunc->name, meta.kfunc->btf_id);
}

bool release_arguments(Analysis& a, const KfuncMeta& meta) {
    if (meta.release_regno != 0 && !release_reference(a, a.reg(meta.release_regno).ref_obj_id))
        return refuse_not_acquired(a, meta);
    if (!meta.is("bpf_list_push_front_impl") && !meta.is("bpf_list_push_back_impl") &&
        !meta.is("bpf_rbtree_add_impl"))
        return true;
    const uint32_t ref = a.reg(2).ref_obj_id;
    if (!convert_owning_to_non_owning(a, ref) || !release_reference(a, ref))
        return refuse_not_acquired(a, meta);
    return true;
}

// An object of one of the program's types.
bool return_new_object(Analysis& a, const KfuncMeta& meta, RegState& r0) {
    const bool percpu = meta.is("bpf_percpu_obj_new_impl");
    if (meta.constant > UINT32_MAX)
        return a.refuse(Rule::KfuncArgument,
                        "local type ID argument must be in range [0, U32_MAX]");
    if (!a.prog_btf)
        return a.refuse(Rule::KfuncArgument, "bpf_obj_new/bpf_percpu_obj_new requires prog BTF");
    const uint32_t id = uint32_t(meta.constant);
    const Type type = a.prog_btf->type(id);
    if (type.kind() != Kind::Struct)
        return a.refuse(Rule::KfuncArgument,
                        "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct");
    if (percpu) {
        if (type.size() > kMaxPercpuObject)
            return a.refuse(Rule::KfuncArgument,
                            "bpf_percpu_obj_new type size ({}) is greater than {}", type.size(),
                            kMaxPercpuObject);
        if (!is_scalar_struct(*a.prog_btf, type))
            return a.refuse(Rule::KfuncArgument,
                            "bpf_percpu_obj_new type ID argument must be of a struct of scalars");
        if (record_of_struct(a, id))
            return a.refuse(Rule::KfuncArgument,
                            "bpf_percpu_obj_new type ID argument must not contain special fields");
    }
    r0.set_pointer(kPtrToBtfId | kMemAlloc | (percpu ? kPercpu : 0));
    r0.btf = a.prog_btf;
    r0.btf_id = id;
    return true;
}

bool return_rdonly_cast(Analysis& a, const KfuncMeta& meta, RegState& r0) {
    const btf::Btf& btf = *a.kernel_btf;
    if (meta.constant >= btf.type_count())
        return a.refuse(Rule::KfuncArgument, "Unknown type ID {} passed to kfunc bpf_rdonly_cast",
                        meta.constant);
    const Type type = btf.type(uint32_t(meta.constant));
    if (type.is_composite()) {
        r0.set_pointer(kPtrToBtfId | kUntrusted);
        r0.btf = &btf;
        r0.btf_id = type.id();
        return true;
    }
    if (type.kind() == Kind::Void && a.is_kernel_at_least(platform::KernelVersion("6.17"))) {
        r0.set_pointer(kPtrToMem | kRdonly | kUntrusted);
        return true;
    }
    return a.refuse(Rule::KfuncArgument,
                    "kfunc bpf_rdonly_cast type ID argument must be of a struct or void");
}

bool return_slice(Analysis& a, const KfuncMeta& meta, RegState& r0) {
    r0.set_pointer(kPtrToMem | dynptr_flag(meta.dynptr_type));
    r0.mem_size = uint32_t(meta.constant);
    r0.dynptr_id = meta.dynptr_id;
    if (meta.is("bpf_dynptr_slice")) {
        r0.type |= kRdonly;
    } else {
        if (!a.may_access_direct_pkt_data(false, AccessType::Write))
            return a.refuse(Rule::DynptrUse, "the prog does not allow writes to packet data");
        a.seen_direct_write = true;
    }
    return true;
}

bool return_kern_ctx(Analysis& a, RegState& r0) {
    r0.set_pointer(kPtrToBtfId | kTrusted);
    r0.btf = a.kernel_btf;
    r0.btf_id = kernel_struct_id(a, kernel_ctx_name(a.prog.type));
    return r0.btf_id != 0 ||
           a.refuse(Rule::KfuncArgument, "the context has no struct in the kernel");
}

// Functions whose result is more than BTF says; `special` is set where it was one.
bool return_special(Analysis& a, const KfuncMeta& meta, const Type& pointee, RegState& r0,
                    bool& special) {
    special = true;
    if (meta.is("bpf_obj_new_impl") || meta.is("bpf_percpu_obj_new_impl"))
        return return_new_object(a, meta, r0);
    if (meta.is("bpf_refcount_acquire_impl")) {
        r0.set_pointer(kPtrToBtfId | kMemAlloc);
        r0.btf = meta.arg_btf;
        r0.btf_id = meta.arg_btf_id;
        return true;
    }
    const bool node = pointee.kind() == Kind::Struct &&
                      (pointee.name() == "bpf_list_node" || pointee.name() == "bpf_rb_node");
    if (node && meta.graph_root) {
        set_graph_node(r0, *meta.graph_root);
        return true;
    }
    if (meta.is("bpf_cast_to_kern_ctx")) return return_kern_ctx(a, r0);
    if (meta.is("bpf_rdonly_cast")) return return_rdonly_cast(a, meta, r0);
    if (meta.is("bpf_dynptr_slice") || meta.is("bpf_dynptr_slice_rdwr"))
        return return_slice(a, meta, r0);
    special = false;
    return true;
}

bool return_plain_pointer(Analysis& a, KfuncMeta& meta, const Type& pointee, RegState& r0) {
    if (pointee.kind() == Kind::Void) {
        r0.set_unknown();
        return true;
    }
    if (pointee.is_composite()) {
        r0.set_pointer(kPtrToBtfId);
        r0.btf = a.kernel_btf;
        r0.btf_id = pointee.id();
        if (meta.is("bpf_get_kmem_cache")) r0.type |= kUntrusted;
        if (meta.is(KfuncFlags::IterNext))
            r0.type |= iter_state(*a.state, meta).type & kRcu ? kRcu : kTrusted;
        return true;
    }
    if (meta.r0_size == 0) {
        const auto size = a.kernel_btf->size_of(pointee.id());
        if (!size)
            return a.refuse(Rule::KfuncArgument,
                            "kernel function {} returns pointer type {} {} is not supported",
                            meta.kfunc->name, btf::to_string(pointee.kind()), pointee.name());
        meta.r0_size = *size;
        meta.r0_rdonly = true;
    }
    r0.set_pointer(kPtrToMem | (meta.r0_rdonly ? kRdonly : 0));
    r0.mem_size = uint32_t(meta.r0_size);
    r0.ref_obj_id = meta.ref_obj_id;
    return true;
}

bool return_pointer(Analysis& a, KfuncMeta& meta, const Type& pointer, uint32_t index,
                    RegState& r0) {
    const Type pointee = a.kernel_btf->resolve(pointer.ref());
    bool special = false;
    if (!return_special(a, meta, pointee, r0, special)) return false;
    if (!special && !return_plain_pointer(a, meta, pointee, r0)) return false;
    const bool may_fail = meta.is(KfuncFlags::RetNull) ||
                          (meta.is("bpf_refcount_acquire_impl") && !meta.arg_owning_ref);
    const bool ret_null =
        may_fail && !(meta.is("bpf_refcount_acquire_impl") && meta.arg_owning_ref);
    if (ret_null) {
        r0.type |= kMaybeNull;
        r0.id = a.next_id();
    }
    if (meta.is(KfuncFlags::Acquire)) {
        const uint32_t id = acquire_reference(a, index);
        if (ret_null) r0.id = id;
        r0.ref_obj_id = id;
    } else if (special && meta.graph_root && is_graph_call(meta.kfunc->name)) {
        set_non_owning(a, r0);
    }
    if (may_point_to_lock(a, r0) && r0.id == 0) r0.id = a.next_id();
    return true;
}

bool set_return(Analysis& a, KfuncMeta& meta, uint32_t index) {
    const Type type = a.kernel_btf->resolve(meta.proto.ref());
    RegState r0;
    if (type.kind() == Kind::Int || type.is_enum()) {
        r0.set_unknown();
        if (is_lock_acquire(meta)) r0.set_constant(0);
    } else if (type.kind() == Kind::Ptr) {
        if (!return_pointer(a, meta, type, index, r0)) return false;
    }
    a.reg_mut(0) = r0;
    return true;
}

bool push_callbacks(Analysis& a, const isa::Insn& insn, uint32_t index, const KfuncMeta& meta) {
    if (meta.is("bpf_rbtree_add_impl"))
        return a.push_callback_call(insn, index, meta.subprog, set_rbtree_add_callback);
    if (meta.is("bpf_wq_set_callback_impl"))
        return a.push_callback_call(insn, index, meta.subprog, set_timer_callback, true, true);
    if (meta.is("bpf_task_work_schedule_signal_impl") ||
        meta.is("bpf_task_work_schedule_resume_impl"))
        return a.push_callback_call(insn, index, meta.subprog, set_task_work_callback, true, true);
    return true;
}

bool check_may_call(Analysis& a, const KfuncMeta& meta) {
    if (meta.is("__bpf_trap"))
        return a.refuse(Rule::KfuncArgument,
                        "unexpected __bpf_trap() due to uninitialized variable?");
    if (meta.is(KfuncFlags::Sleepable) && !a.in_sleepable())
        return a.refuse(Rule::Sleepable, "program must be sleepable to call sleepable kfunc {}",
                        meta.kfunc->name);
    return true;
}

}  // namespace

bool kfunc_allowed_in_lock(std::string_view name) {
    return is_graph_call(name) || name.starts_with("bpf_iter_num_") ||
           name.starts_with("bpf_res_spin_");
}

const Kfunc* find_called(Analysis& a, const isa::Insn& insn) {
    if (insn.off != 0) {
        a.refuse(Rule::NotSupported, "skep cannot judge functions of kernel modules");
        return nullptr;
    }
    const Kfunc* kfunc = look_up(a, uint32_t(insn.imm));
    if (!kfunc) {
        a.refuse(Rule::KfuncNotAllowed,
                 "invalid kernel function call not eliminated in verifier pass");
        return nullptr;
    }
    if (!kfunc->info || !platform::kfunc_allowed(*kfunc->info, prog_kind(a))) {
        if (kfunc->info && kfunc->info->only == platform::KfuncOnly::DeviceBound)
            a.refuse(Rule::KfuncNotAllowed, "metadata kfuncs require device-bound program");
        else
            a.refuse(Rule::KfuncNotAllowed, "calling kernel function {} is not allowed",
                     kfunc->name);
        return nullptr;
    }
    return kfunc;
}

bool add_kfunc_call(Analysis& a, const isa::Insn& insn, uint32_t) {
    if (insn.off == 0 && insn.imm == 0) return true;  // weak and missing: must not be reached
    if (!a.kernel_btf)
        return a.refuse(Rule::KfuncNotAllowed,
                        "calling kernel function is not supported without CONFIG_DEBUG_INFO_BTF");
    if (!a.object.gpl_compatible())
        return a.refuse(Rule::HelperLicense,
                        "cannot call kernel function from non-GPL compatible program");
    if (insn.off == 0 && !look_up(a, uint32_t(insn.imm)))
        return a.refuse(Rule::KfuncNotAllowed, "kernel btf_id {} is not a function", insn.imm);
    return true;
}

CallTraits kfunc_traits(const Analysis& a, const isa::Insn& insn) {
    CallTraits traits;
    if (!a.kernel_btf || insn.off != 0 || insn.imm == 0) return traits;
    const Type func = a.kernel_btf->type(uint32_t(insn.imm));
    if (func.kind() != Kind::Func) return traits;
    const Type proto = a.kernel_btf->type(func.ref());
    if (proto.kind() != Kind::FuncProto) return traits;
    traits.arg_count = uint8_t(std::min<uint32_t>(proto.count(), 5));
    traits.returns_void = proto.ref() == 0;
    const std::string_view name = func.name();
    traits.calls_callback = name == "bpf_rbtree_add_impl";
    traits.calls_async_callback = name == "bpf_wq_set_callback_impl" ||
                                  name == "bpf_task_work_schedule_signal_impl" ||
                                  name == "bpf_task_work_schedule_resume_impl";
    traits.throws = name == "bpf_throw";
    traits.changes_pkt_data = name == "bpf_xdp_pull_data";
    if (const platform::KfuncInfo* info = platform::find_kfunc(name)) {
        traits.is_iter_next = info->is(KfuncFlags::IterNext);
        traits.might_sleep = info->is(KfuncFlags::Sleepable);
        traits.fastcall =
            info->is(KfuncFlags::Fastcall) && a.is_kernel_at_least(platform::KernelVersion("6.12"));
    }
    return traits;
}

bool check_kfunc_call(Analysis& a, const isa::Insn& insn, uint32_t index) {
    const Kfunc* kfunc = find_called(a, insn);
    if (!kfunc) return false;
    KfuncMeta meta(a.kernel_btf->type(kfunc->proto_id));
    meta.kfunc = kfunc;
    a.used_kfuncs.insert(kfunc->btf_id);
    if (!check_may_call(a, meta)) return false;
    if (is_lock_acquire(meta) && !fork_failed_lock(a, index)) return false;

    if (!check_kfunc_args(a, meta, index)) return false;
    if (!push_callbacks(a, insn, index, meta)) {
        a.log("kfunc {}#{} failed callback verification\n", kfunc->name, kfunc->btf_id);
        return false;
    }
    if (meta.is("bpf_session_cookie")) {
        meta.r0_size = sizeof(uint64_t);
        meta.r0_rdonly = false;
    }
    if (!update_sections(a, meta)) return false;
    if (!release_arguments(a, meta)) return false;
    if (meta.is("bpf_throw") && a.exception_callback < 0 && !check_return_code(a, 1, "R1"))
        return false;

    a.clear_caller_saved();
    if (!set_return(a, meta, index)) return false;
    if (meta.is("bpf_xdp_pull_data")) a.invalidate_packet_pointers();
    return !meta.is(KfuncFlags::IterNext) || process_iter_next(a, index, meta);
}

}  // namespace skep::verifier
