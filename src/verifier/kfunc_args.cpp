// SPDX-License-Identifier: Apache-2.0
// Arguments of kernel functions: check_kfunc_args() of Linux 6.18.
#include <algorithm>

#include "verifier/kfunc_meta.hpp"

namespace skep::verifier {
namespace {

using btf::Kind;
using btf::Param;
using btf::Type;
using platform::ArgBase;
using platform::KfuncFlags;

enum class PtrArg : uint8_t {
    Error,
    Null,
    Ctx,
    AllocObject,
    RefcountedKptr,
    Dynptr,
    Iter,
    ListHead,
    ListNode,
    RbRoot,
    RbNode,
    ConstStr,
    Map,
    Workqueue,
    TaskWork,
    IrqFlag,
    ResSpinLock,
    BtfId,
    Callback,
    Mem,
    MemSize,
};

// Registers that are pointers to kernel structs by their base type.
std::string_view struct_of_base(RegType base) {
    switch (base) {
        case kPtrToSocket: return "sock";
        case kPtrToSockCommon: return "sock_common";
        case kPtrToTcpSock: return "tcp_sock";
        case kConstPtrToMap: return "bpf_map";
        default: return {};
    }
}

bool is_scalar_type(const Type& type) {
    return type.kind() == Kind::Int || type.is_enum();
}

struct NamedStruct {
    std::string_view name;
    PtrArg arg;
};
constexpr NamedStruct kByStruct[] = {
    {"bpf_list_head", PtrArg::ListHead},
    {"bpf_list_node", PtrArg::ListNode},
    {"bpf_rb_root", PtrArg::RbRoot},
    {"bpf_rb_node", PtrArg::RbNode},
};
constexpr NamedStruct kByStructLate[] = {
    {"bpf_wq", PtrArg::Workqueue},
    {"bpf_task_work", PtrArg::TaskWork},
};

PtrArg by_struct(std::span<const NamedStruct> rows, const Type& target) {
    if (target.kind() != Kind::Struct) return PtrArg::Error;
    for (const NamedStruct& row : rows)
        if (row.name == target.name()) return row.arg;
    return PtrArg::Error;
}

class ArgChecker {
  public:
    ArgChecker(Analysis& a, KfuncMeta& meta, uint32_t insn)
        : a_(a), meta_(meta), btf_(*a.kernel_btf), insn_(insn) {}

    bool run() {
        const uint32_t count = meta_.proto.count();
        if (count > 5) return refuse("Function {} has {} > 5 args", meta_.kfunc->name, count);
        for (arg_ = 0; arg_ < count; ++arg_)
            if (!check_one()) return false;
        if (meta_.is(KfuncFlags::Release) && meta_.release_regno == 0)
            return refuse("release kernel function {} expects refcounted PTR_TO_BTF_ID",
                          meta_.kfunc->name);
        return true;
    }

  private:
    template <typename... Args>
    bool refuse(fmt::format_string<Args...> format, Args&&... args) {
        return a_.refuse(Rule::KfuncArgument, format, std::forward<Args>(args)...);
    }
    int regno() const { return int(arg_) + 1; }
    const RegState& reg() const { return a_.reg(regno()); }
    Param param(uint32_t i) const { return meta_.proto.param(i); }
    Param param() const { return param(arg_); }

    bool check_one() {
        const Param p = param();
        if (has_suffix(p, "__ign") || has_suffix(p, "__prog")) return true;
        const Type type = btf_.resolve(p.type);
        if (is_scalar_type(type)) return check_scalar(p);
        if (type.kind() != Kind::Ptr)
            return refuse("Unrecognized arg#{} type {}", arg_, btf::to_string(type.kind()));
        return check_pointer(p, type);
    }

    bool take_constant(int regno, uint64_t value) {
        if (meta_.has_constant) return refuse("only one constant argument permitted");
        meta_.has_constant = true;
        meta_.constant = value;
        return a_.mark_chain_precision(regno);
    }

    bool check_scalar(const Param& p) {
        if (reg().type != kScalar) return refuse("R{} is not a scalar", regno());
        if (has_suffix(p, "__k")) {
            if (!reg().value.is_constant()) return refuse("R{} must be a known constant", regno());
            return take_constant(regno(), reg().value.constant_value());
        }
        const bool rdonly = p.name == "rdonly_buf_size";
        if (!rdonly && p.name != "rdwr_buf_size") return true;
        if (meta_.r0_size != 0)
            return refuse("2 or more rdonly/rdwr_buf_size parameters for kfunc");
        if (!reg().value.is_constant()) return refuse("R{} is not a const", regno());
        meta_.r0_rdonly = rdonly;
        meta_.r0_size = reg().value.constant_value();
        return a_.mark_chain_precision(regno());
    }

    bool check_pointer(const Param& p, const Type& pointer) {
        const bool nullable = has_suffix(p, "__nullable");
        if ((meta_.takes_trusted() || meta_.is(KfuncFlags::Rcu)) && !nullable &&
            (reg().is_null() || may_be_null(reg().type)))
            return refuse("Possibly NULL pointer passed to trusted arg{}", arg_);
        if (const uint32_t ref = reg().ref_obj_id; ref != 0) {
            if (meta_.is(KfuncFlags::Release)) {
                if (meta_.ref_obj_id != 0)
                    return refuse("more than one arg with ref_obj_id R{} {} {}", regno(), ref,
                                  meta_.ref_obj_id);
                meta_.release_regno = regno();
            }
            meta_.ref_obj_id = ref;
        }
        target_ = btf_.resolve(pointer.ref()).id();
        const PtrArg kind = classify(p, pointer);
        if (kind == PtrArg::Error) return false;
        if (kind == PtrArg::Null) return true;
        if (!check_trust(kind)) return false;
        const bool release = meta_.is(KfuncFlags::Release) && reg().ref_obj_id != 0;
        return check_arg_reg_off(a_, reg(), regno(), ArgBase::DontCare, release) &&
               check_kind(kind, p);
    }

    Type target() const { return btf_.type(target_); }

    // What the pointer must be, by BTF; in the order in which the kernel looks.
    PtrArg classify(const Param& p, const Type& pointer) {
        const Type to = target();
        if (meta_.is("bpf_cast_to_kern_ctx")) return PtrArg::Ctx;
        if (is_ctx_pointer(btf_, pointer, a_.prog.type)) return PtrArg::Ctx;
        if (has_suffix(p, "__nullable") && reg().is_null()) return PtrArg::Null;
        if (has_suffix(p, "__alloc")) return PtrArg::AllocObject;
        if (has_suffix(p, "__refcounted_kptr")) return PtrArg::RefcountedKptr;
        if (to.kind() == Kind::Struct && to.name() == "bpf_dynptr") return PtrArg::Dynptr;
        if (is_iter_arg(p)) return PtrArg::Iter;
        if (const PtrArg arg = by_struct(kByStruct, to); arg != PtrArg::Error) return arg;
        if (has_suffix(p, "__str")) return PtrArg::ConstStr;
        if (has_suffix(p, "__map")) return PtrArg::Map;
        if (const PtrArg arg = by_struct(kByStructLate, to); arg != PtrArg::Error) return arg;
        if (has_suffix(p, "__irq_flag")) return PtrArg::IrqFlag;
        if (to.kind() == Kind::Struct && to.name() == "bpf_res_spin_lock")
            return PtrArg::ResSpinLock;
        const RegType base = base_type(reg().type);
        if (base == kPtrToBtfId || !struct_of_base(base).empty()) {
            if (to.is_composite()) return PtrArg::BtfId;
            refuse("kernel function {} args#{} pointer type {} {} is not supported",
                   meta_.kfunc->name, arg_, btf::to_string(to.kind()), to.name());
            return PtrArg::Error;
        }
        if (to.kind() == Kind::FuncProto) return PtrArg::Callback;
        return classify_memory(to);
    }

    PtrArg classify_memory(const Type& to) {
        const bool sized = arg_ + 1 < meta_.proto.count() && is_size(arg_ + 1);
        if (is_scalar_type(to) || (sized && to.kind() == Kind::Void) || is_scalar_struct(btf_, to))
            return sized ? PtrArg::MemSize : PtrArg::Mem;
        refuse("arg#{} pointer type {} {} must point to {}scalar, or struct with scalar", arg_,
               btf::to_string(to.kind()), to.name(), sized ? "void, " : "");
        return PtrArg::Error;
    }

    bool is_size(uint32_t arg) const {
        const Param p = param(arg);
        return (has_suffix(p, "__sz") || has_suffix(p, "__szk")) &&
               is_scalar_type(btf_.resolve(p.type)) && a_.reg(int(arg) + 1).type == kScalar;
    }

    bool is_iter_arg(const Param& p) const {
        const bool iter_call = meta_.is(KfuncFlags::IterNew) || meta_.is(KfuncFlags::IterNext) ||
                               meta_.is(KfuncFlags::IterDestroy);
        return iter_call ? arg_ == 0 : has_suffix(p, "__iter");
    }

    bool check_trust(PtrArg kind) {
        const bool typed =
            kind == PtrArg::Map || kind == PtrArg::AllocObject || kind == PtrArg::BtfId;
        if (kind == PtrArg::Map && !check_map()) return false;
        const bool rcu = meta_.is(KfuncFlags::Rcu);
        if (!typed || (!meta_.takes_trusted() && !rcu) || is_trusted_reg(reg())) return true;
        if (!rcu) return refuse("R{} must be referenced or trusted", regno());
        return (reg().type & kRcu) || refuse("R{} must be a rcu pointer", regno());
    }

    bool check_map() {
        // A struct bpf_map of the kernel's will do too.
        if (!reg().map)
            return base_type(reg().type) == kPtrToBtfId ||
                   refuse("pointer in R{} isn't map pointer", regno());
        if (meta_.map && (meta_.map != reg().map || meta_.map_uid != reg().map_uid)) {
            const Record* record = record_of_map(a_, *reg().map);
            const bool wq = record && record->has(FieldKind::Workqueue);
            const bool task_work = record && record->has(FieldKind::TaskWork);
            if (wq || task_work)
                return refuse(
                    "{} pointer in R1 map_uid={} doesn't match map pointer in R2 map_uid={}",
                    wq ? "workqueue" : "bpf_task_work", meta_.map_uid, reg().map_uid);
        }
        meta_.map = reg().map;
        meta_.map_uid = reg().map_uid;
        if (reg().map->index != UINT32_MAX) a_.used_maps.insert(reg().map->index);
        return true;
    }

    bool check_kind(PtrArg kind, const Param& p) {
        switch (kind) {
            case PtrArg::Ctx:
                return reg().type == kPtrToCtx ||
                       refuse("arg#{} expected pointer to ctx, but got {}", arg_,
                              a_.type_name(reg().type));
            case PtrArg::AllocObject: return check_alloc_object();
            case PtrArg::RefcountedKptr: return check_refcounted();
            case PtrArg::Dynptr: return check_dynptr(p);
            case PtrArg::Iter: return check_iter();
            case PtrArg::ListHead:
                return process_graph_root(a_, regno(), meta_, FieldKind::ListHead);
            case PtrArg::RbRoot: return process_graph_root(a_, regno(), meta_, FieldKind::RbRoot);
            case PtrArg::ListNode:
                return check_owned_object() &&
                       process_graph_node(a_, regno(), meta_, FieldKind::ListNode);
            case PtrArg::RbNode: return check_rb_node();
            case PtrArg::ConstStr:
                if (reg().type != kPtrToMapValue)
                    return refuse("arg#{} doesn't point to a const string", arg_);
                return check_const_str(a_, regno());
            case PtrArg::Map: return check_struct(kernel_struct_id(a_, "bpf_map"));
            case PtrArg::BtfId: return check_btf_id();
            case PtrArg::Workqueue: return check_map_object(FieldKind::Workqueue);
            case PtrArg::TaskWork: return check_map_object(FieldKind::TaskWork);
            case PtrArg::IrqFlag:
                if (reg().type != kPtrToStack)
                    return refuse("arg#{} doesn't point to an irq flag on stack", arg_);
                return process_irq_flag(a_, regno(), meta_);
            case PtrArg::ResSpinLock: return check_res_spin_lock();
            case PtrArg::Callback:
                if (reg().type != kPtrToFunc) return refuse("arg{} expected pointer to func", arg_);
                meta_.subprog = reg().subprog;
                return true;
            case PtrArg::Mem: return check_memory();
            case PtrArg::MemSize: return check_sized_memory(p);
            default: return refuse("unknown kfunc arg type");
        }
    }

    bool check_alloc_object() {
        const RegType type = reg().type;
        if (type == (kPtrToBtfId | kMemAlloc)) {
            if (!meta_.is("bpf_obj_drop_impl"))
                return refuse("arg#{} expected for bpf_obj_drop_impl()", arg_);
        } else if (type == (kPtrToBtfId | kMemAlloc | kPercpu)) {
            if (!meta_.is("bpf_percpu_obj_drop_impl"))
                return refuse("arg#{} expected for bpf_percpu_obj_drop_impl()", arg_);
        } else {
            return refuse("arg#{} expected pointer to allocated object", arg_);
        }
        if (reg().ref_obj_id == 0) return refuse("allocated object must be referenced");
        set_object();
        return true;
    }

    void set_object() {
        meta_.arg_btf = reg().btf;
        meta_.arg_btf_id = reg().btf_id;
    }

    bool check_owned_object() {
        if (reg().type != (kPtrToBtfId | kMemAlloc))
            return refuse("arg#{} expected pointer to allocated object", arg_);
        return reg().ref_obj_id != 0 || refuse("allocated object must be referenced");
    }

    bool check_rb_node() {
        if (meta_.is("bpf_rbtree_add_impl")) {
            if (!check_owned_object()) return false;
        } else {
            const bool non_owning = is_alloc_object(reg().type) && (reg().type & kNonOwnRef);
            if (!non_owning && reg().ref_obj_id == 0)
                return refuse("{} can only take non-owning or refcounted bpf_rb_node pointer",
                              meta_.kfunc->name);
            if (in_rbtree_lock_required_callback(a_))
                return refuse("{} not allowed in rbtree cb", meta_.kfunc->name);
        }
        return process_graph_node(a_, regno(), meta_, FieldKind::RbNode);
    }

    bool check_refcounted() {
        if (!is_alloc_object(reg().type) || (reg().type & kUntrusted))
            return refuse("arg#{} is neither owning or non-owning ref", arg_);
        if (!(reg().type & kNonOwnRef)) meta_.arg_owning_ref = true;
        const Record* record = record_of(a_, reg());
        if (!record || !record->has(FieldKind::Refcount))
            return refuse("arg#{} doesn't point to a type with bpf_refcount field", arg_);
        set_object();
        return true;
    }

    bool check_dynptr(const Param& p) {
        RegType flags = reg().type == kConstPtrToDynptr ? kRdonly : 0;
        const bool uninit = has_suffix(p, "__uninit");
        if (uninit) flags |= kMemUninit;
        uint32_t clone_ref = 0;
        if (meta_.is("bpf_dynptr_from_skb")) {
            flags |= kDynptrSkb;
        } else if (meta_.is("bpf_dynptr_from_xdp")) {
            flags |= kDynptrXdp;
        } else if (meta_.is("bpf_dynptr_from_skb_meta")) {
            flags |= kDynptrSkbMeta;
        } else if (meta_.is("bpf_dynptr_clone") && uninit) {
            if (meta_.dynptr_type == DynptrType::Invalid)
                return refuse("no dynptr type for parent of clone");
            flags |= dynptr_flag(meta_.dynptr_type);
            clone_ref = meta_.dynptr_ref;
        }
        if (!process_dynptr(a_, regno(), insn_, flags, clone_ref)) return false;
        if (uninit) return true;
        const RegState* dynptr = dynptr_state(a_, regno());
        if (!dynptr) return refuse("failed to obtain dynptr id");
        meta_.dynptr_id = dynptr->id;
        meta_.dynptr_type = dynptr->dynptr;
        meta_.dynptr_ref = dynptr->ref_obj_id;
        return true;
    }

    bool check_iter() {
        if (meta_.is("bpf_iter_css_task_new") && a_.prog.type != ProgType::Lsm &&
            a_.prog.attach_type != AttachType::TraceIter && !a_.in_sleepable())
            return refuse("css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs");
        return process_iter_arg(a_, regno(), insn_, meta_);
    }

    bool check_map_object(FieldKind kind) {
        if (reg().type != kPtrToMapValue)
            return refuse("arg#{} doesn't point to a map value", arg_);
        const std::string_view name = field_name(kind);
        if (!reg().value.is_constant())
            return refuse("R{} doesn't have constant offset. {} has to be at the constant offset",
                          regno(), name);
        const Record* record = record_of(a_, reg());
        if (!record || !record->has(kind))
            return refuse("map '{}' has no valid {}", reg().map->spec->name, name);
        const int64_t offset = reg().off + int64_t(reg().value.constant_value());
        if (record->offset_of(kind) != offset)
            return refuse("off {} doesn't point to 'struct {}' that is at {}", offset, name,
                          record->offset_of(kind));
        meta_.map = reg().map;
        meta_.map_uid = reg().map_uid;
        return true;
    }

    bool check_res_spin_lock() {
        if (reg().type != kPtrToMapValue && reg().type != (kPtrToBtfId | kMemAlloc))
            return refuse("arg#{} doesn't point to map value or allocated object", arg_);
        const bool lock = meta_.is("bpf_res_spin_lock") || meta_.is("bpf_res_spin_lock_irqsave");
        const bool irq =
            meta_.is("bpf_res_spin_lock_irqsave") || meta_.is("bpf_res_spin_unlock_irqrestore");
        return process_lock(a_, regno(), lock ? LockCall::Lock : LockCall::Unlock,
                            irq ? RefKind::ResLockIrq : RefKind::ResLock);
    }

    bool check_btf_id() {
        const RegType base = base_type(reg().type);
        constexpr RegType trusted = kMemAlloc | kTrusted | kNonOwnRef;
        const bool unsafe = type_flags(reg().type) & ~trusted;
        if ((base != kPtrToBtfId || (unsafe && !(reg().type & kRcu))) &&
            struct_of_base(base).empty())
            return refuse("arg#{} is {} expected {} or socket", arg_, a_.type_name(reg().type),
                          a_.type_name(base | (type_flags(reg().type) & trusted)));
        return check_struct(target_);
    }

    // struct bpf_x___init is a kernel type that must not be taken for bpf_x, which it is part of.
    static bool is_nocast_alias(std::string_view reg_name, std::string_view arg_name) {
        constexpr std::string_view suffix = "___init";
        if (reg_name.ends_with(suffix) == arg_name.ends_with(suffix)) return false;
        const std::string_view longer = reg_name.size() > arg_name.size() ? reg_name : arg_name;
        const std::string_view shorter = reg_name.size() > arg_name.size() ? arg_name : reg_name;
        return longer.substr(0, longer.size() - suffix.size()) == shorter;
    }

    bool check_struct(uint32_t wanted) {
        const bool typed = base_type(reg().type) == kPtrToBtfId;
        const btf::Btf& reg_btf = typed ? *reg().btf : btf_;
        const uint32_t reg_id = typed ? reg_btf.resolve(reg().btf_id).id()
                                      : kernel_struct_id(a_, struct_of_base(base_type(reg().type)));
        const std::string_view reg_name = reg_btf.type(reg_id).name();
        const std::string_view wanted_name = btf_.type(wanted).name();
        const bool strict = (meta_.is(KfuncFlags::Release) && reg().ref_obj_id != 0) ||
                            is_nocast_alias(reg_name, wanted_name);
        if (struct_ids_match(reg_btf, reg_id, reg().off, btf_, wanted, strict) ||
            is_projection_of(wanted_name, reg_name))
            return true;
        return refuse(
            "kernel function {} args#{} expected pointer to {} {} but R{} has a pointer to {} {}",
            meta_.kfunc->name, arg_, btf::to_string(btf_.type(wanted).kind()), wanted_name, regno(),
            btf::to_string(reg_btf.type(reg_id).kind()), reg_name);
    }

    bool check_memory() {
        const auto size = btf_.size_of(target_);
        if (!size)
            return refuse("arg#{} reference type('{} {}') size cannot be determined: -22", arg_,
                          btf::to_string(target().kind()), target().name());
        return check_mem_reg(a_, regno(), *size);
    }

    bool check_sized_memory(const Param& p) {
        const int size_regno = regno() + 1;
        const Param size_param = param(arg_ + 1);
        if (!reg().is_null() || !has_suffix(p, "__opt")) {
            if (!check_buffer(size_regno)) {
                a_.log("arg#{} arg#{} memory, len pair leads to invalid memory access\n", arg_,
                       arg_ + 1);
                return false;
            }
        }
        ++arg_;  // the size has been looked at
        if (!has_suffix(size_param, "__szk")) return true;
        const RegState& size = a_.reg(size_regno);
        if (!size.value.is_constant()) return refuse("R{} must be a known constant", size_regno);
        return take_constant(size_regno, size.value.constant_value());
    }

    // Read and written; whether it may be null was judged before.
    bool check_buffer(int size_regno) {
        const RegType type = reg().type;
        const int mem_regno = regno();
        if (may_be_null(type)) a_.reg_mut(mem_regno).type &= ~kMaybeNull;
        CallMeta meta;
        const bool ok = check_mem_size_reg(a_, size_regno, AccessType::Read, true, &meta) &&
                        check_mem_size_reg(a_, size_regno, AccessType::Write, true, &meta);
        if (may_be_null(type)) a_.reg_mut(mem_regno).type = type;
        return ok;
    }

    Analysis& a_;
    KfuncMeta& meta_;
    const btf::Btf& btf_;
    uint32_t insn_;
    uint32_t arg_ = 0;
    uint32_t target_ = 0;  ///< what the argument points to
};

}  // namespace

bool is_scalar_struct(const btf::Btf& btf, const Type& type, int depth) {
    if (!type.is_composite()) return false;
    for (const btf::Member member : type.members()) {
        const Type inner = btf.resolve(member.type);
        if (inner.is_composite()) {
            if (depth >= 3 || !is_scalar_struct(btf, inner, depth + 1)) return false;
        } else if (inner.kind() == Kind::Array) {
            if (inner.array().count == 0 || !is_scalar_type(btf.resolve(inner.array().element)))
                return false;
        } else if (!is_scalar_type(inner)) {
            return false;
        }
    }
    return true;
}

bool check_kfunc_args(Analysis& a, KfuncMeta& meta, uint32_t index) {
    return ArgChecker(a, meta, index).run();
}

}  // namespace skep::verifier
