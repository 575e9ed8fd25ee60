// SPDX-License-Identifier: Apache-2.0
// Arguments of global functions, which are verified on their own: their BTF and decl tags
// ("arg:nonnull", ...) say what callers must pass (btf_prepare_func_args() of Linux 6.18).
#include "verifier/btf_match.hpp"
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

using btf::Kind;
using btf::Type;
using platform::ArgBase;

struct Tags {
    bool ctx = false, trusted = false, untrusted = false, nonnull = false, nullable = false,
         arena = false;
    bool any_but(bool Tags::* one) const {
        Tags rest = *this;
        rest.*one = false;
        return rest.any();
    }
    bool any() const { return ctx || trusted || untrusted || nonnull || nullable || arena; }
};

bool read_tags(Analysis& a, const SubprogInfo& subprog, uint32_t arg, Tags& tags) {
    for (const std::string_view tag : decl_tags(a, subprog.btf_id, int32_t(arg))) {
        if (!tag.starts_with("arg:")) continue;
        if (!subprog.global)
            return a.refuse(Rule::GlobalFunction,
                            "arg#{} type tag is not supported in static functions", arg);
        const std::string_view word = tag.substr(4);
        if (word == "ctx")
            tags.ctx = true;
        else if (word == "trusted")
            tags.trusted = true;
        else if (word == "untrusted" && a.is_kernel_at_least(platform::KernelVersion("6.17")))
            tags.untrusted = true;
        else if (word == "nonnull")
            tags.nonnull = true;
        else if (word == "nullable")
            tags.nullable = true;
        else if (word == "arena")
            tags.arena = true;
        else
            return a.refuse(Rule::GlobalFunction, "arg#{} has unsupported set of tags", arg);
    }
    return true;
}

bool refuse_tags(Analysis& a, uint32_t arg) {
    return a.refuse(Rule::GlobalFunction, "arg#{} has invalid combination of tags", arg);
}

// An argument tagged as the context must be a pointer that can be one.
bool check_ctx_tag(Analysis& a, const Type& pointer, uint32_t arg) {
    const btf::Btf& btf = *a.prog_btf;
    const ProgType prog = a.prog.type;
    if (prog == ProgType::Kprobe || prog == ProgType::PerfEvent) {
        Type named = btf.type(pointer.ref());
        while (named.is_modifier() && named.kind() != Kind::Typedef) named = btf.type(named.ref());
        if (named.kind() == Kind::Typedef && named.name() == "bpf_user_pt_regs_t") return true;
    }
    const Type type = btf.resolve(pointer.ref());
    if (type.kind() == Kind::Void) return true;
    if (type.name().empty())
        return a.refuse(Rule::GlobalFunction, "arg#{} type doesn't have a name", arg);
    const bool is_u64 = type.kind() == Kind::Int && type.size() == 8;
    switch (prog) {
        case ProgType::Kprobe:
        case ProgType::PerfEvent:
            if (type.kind() == Kind::Struct && type.name() == "pt_regs") return true;
            break;
        case ProgType::RawTracepoint:
        case ProgType::RawTracepointWritable:
        case ProgType::Lsm:
        case ProgType::StructOps:
            if (is_u64) return true;
            break;
        case ProgType::Tracing:
            if (a.prog.attach_type == AttachType::TraceIter) {
                if (type.kind() == Kind::Struct && type.name().starts_with("bpf_iter__"))
                    return true;
                break;
            }
            if (a.prog.attach_type == AttachType::TraceRawTp && type.kind() == Kind::Struct &&
                type.name() == "bpf_raw_tracepoint_args")
                return true;
            if (is_u64) return true;
            break;
        case ProgType::Tracepoint:
        case ProgType::Syscall:
        case ProgType::Ext: return true;
        default: break;
    }
    const std::string_view ctx = uapi_ctx_name(prog);
    if (ctx.empty()) return a.refuse(Rule::GlobalFunction, "arg#{} should be void pointer", arg);
    return (type.is_composite() && type.name() == ctx) ||
           a.refuse(Rule::GlobalFunction, "arg#{} should be `struct {} *`", arg, ctx);
}

// A pointer to a type of the program's that the kernel has by the same name.
bool set_kernel_pointer(Analysis& a, const Type& pointer, uint32_t arg, RegType flags,
                        ArgInfo& info) {
    const Type type = a.prog_btf->resolve(pointer.ref());
    const auto in_kernel = type.kind() == Kind::Struct && a.kernel_btf
                               ? a.kernel_btf->find(btf::essential_name(type.name()), Kind::Struct)
                               : std::optional<Type>{};
    if (!in_kernel)
        return a.refuse(Rule::GlobalFunction, "arg#{} type {} {} is not found in the kernel's BTF",
                        arg, kind_words(type.kind()), type.name());
    info.base = ArgBase::BtfIdPtr;
    info.flags = flags;
    info.btf_id = in_kernel->id();
    return true;
}

bool set_untrusted(Analysis& a, const Type& pointer, uint32_t arg, ArgInfo& info) {
    const Type type = a.prog_btf->resolve(pointer.ref());
    if (type.kind() == Kind::Void || type.kind() == Kind::Int || type.is_enum()) {
        info.base = ArgBase::Mem;
        info.flags = kRdonly | kUntrusted;
        info.mem_size = 0;
        return true;
    }
    if (type.kind() != Kind::Struct)
        return a.refuse(Rule::GlobalFunction, "arg#{} untrusted pointer to {} is not supported",
                        arg, kind_words(type.kind()));
    return set_kernel_pointer(a, pointer, arg, kUntrusted, info);
}

bool set_memory(Analysis& a, const Type& pointer, uint32_t arg, const Tags& tags, ArgInfo& info) {
    if (tags.nullable) return refuse_tags(a, arg);
    const Type type = a.prog_btf->resolve(pointer.ref());
    const auto size = a.prog_btf->size_of(type.id());
    if (!size)
        return a.refuse(Rule::GlobalFunction,
                        "arg#{} reference type('{} {}') size cannot be determined: -22", arg,
                        btf::to_string(type.kind()), type.name());
    info.base = ArgBase::Mem;
    info.flags = tags.nonnull ? 0 : kMaybeNull;
    info.mem_size = *size;
    return true;
}

bool set_pointer(Analysis& a, const SubprogInfo& subprog, const Type& pointer, uint32_t arg,
                 const Tags& tags, ArgInfo& info, bool& unknown) {
    const btf::Btf& btf = *a.prog_btf;
    if (tags.ctx || is_ctx_pointer(btf, pointer, a.prog.type)) {
        if (tags.any_but(&Tags::ctx)) return refuse_tags(a, arg);
        info.base = ArgBase::Ctx;
        return !tags.ctx || check_ctx_tag(a, pointer, arg);
    }
    const Type type = btf.resolve(pointer.ref());
    if (type.kind() == Kind::Struct && type.name() == "bpf_dynptr") {
        if (tags.any()) return refuse_tags(a, arg);
        info.base = ArgBase::Dynptr;
        info.flags = kRdonly;
        return true;
    }
    if (tags.trusted) {
        if (tags.nonnull || tags.untrusted) return refuse_tags(a, arg);
        return set_kernel_pointer(a, pointer, arg, kTrusted | (tags.nullable ? kMaybeNull : 0),
                                  info);
    }
    if (tags.untrusted) {
        if (tags.any_but(&Tags::untrusted)) return refuse_tags(a, arg);
        return set_untrusted(a, pointer, arg, info);
    }
    if (tags.arena) {
        if (tags.any_but(&Tags::arena))
            return a.refuse(Rule::GlobalFunction,
                            "arg#{} arena cannot be combined with any other tags", arg);
        info.base = ArgBase::Arena;
        return true;
    }
    if (subprog.global) return set_memory(a, pointer, arg, tags, info);
    unknown = true;
    return true;
}

}  // namespace

bool prepare_func_args(Analysis& a, SubprogInfo& subprog) {
    if (subprog.args_known) return true;
    if (!a.prog_btf || subprog.btf_id == 0)
        return a.refuse(Rule::GlobalFunction, "Global functions need valid BTF");
    const btf::Btf& btf = *a.prog_btf;
    const Type function = btf.type(subprog.btf_id);
    if (function.kind() != Kind::Func)
        return a.refuse(Rule::BadFuncInfo, "BTF of func doesn't point to KIND_FUNC");
    const Type proto = btf.type(function.ref());
    if (proto.kind() != Kind::FuncProto)
        return a.refuse(Rule::BadFuncInfo, "Invalid type of function {}()", subprog.name);
    if (proto.count() > 5)
        return a.refuse(Rule::GlobalFunction,
                        "Global function {}() with {} > 5 args. Buggy compiler.", subprog.name,
                        proto.count());
    const Type returned = btf.resolve(proto.ref());
    if (returned.kind() != Kind::Int && !returned.is_enum())
        return a.refuse(Rule::GlobalFunction,
                        "Global function {}() doesn't return scalar. Only those are supported.",
                        subprog.name);
    for (uint32_t arg = 0; arg < proto.count(); ++arg) {
        Tags tags;
        if (!read_tags(a, subprog, arg, tags)) return false;
        const Type type = btf.resolve(proto.param(arg).type);
        ArgInfo& info = subprog.args[arg];
        info = {};
        bool unknown = false;
        if (type.kind() == Kind::Ptr) {
            if (!set_pointer(a, subprog, type, arg, tags, info, unknown)) return false;
            if (!unknown) continue;
        }
        if (tags.any())
            return a.refuse(Rule::GlobalFunction,
                            "arg#{} has pointer tag, but is not a pointer type", arg);
        if (type.kind() != Kind::Int && !type.is_enum())
            return a.refuse(Rule::GlobalFunction, "Arg#{} type {} in {}() is not supported yet.",
                            arg, btf::to_string(type.kind()), subprog.name);
        info.base = ArgBase::Anything;
    }
    subprog.arg_count = uint8_t(proto.count());
    subprog.args_known = true;
    return true;
}

namespace {

bool check_memory_arg(Analysis& a, int regno, const ArgInfo& arg) {
    if (arg.flags & kUntrusted) return true;  // read-only, and loads survive any address
    if (!check_arg_reg_off(a, a.reg(regno), regno, ArgBase::DontCare, false) ||
        !check_mem_reg(a, regno, arg.mem_size))
        return false;
    const RegState& reg = a.reg(regno);
    return (arg.flags & kMaybeNull) || !may_be_null(reg.type) ||
           a.refuse(Rule::GlobalFunction, "arg#{} is expected to be non-NULL", regno - 1);
}

}  // namespace

bool check_global_arg(Analysis& a, int regno, const ArgInfo& arg) {
    const RegState& reg = a.reg(regno);
    switch (arg.base) {
        case ArgBase::Arena:
            return reg.type == kPtrToArena || reg.type == kScalar ||
                   a.refuse(Rule::GlobalFunction, "R{} is not a pointer to arena or scalar.",
                            regno);
        case ArgBase::Dynptr:
            return check_arg_reg_off(a, reg, regno, ArgBase::Dynptr, false) &&
                   process_dynptr(a, regno, a.insn_index, arg.flags, 0);
        case ArgBase::BtfIdPtr: {
            if (arg.flags & kUntrusted) return true;  // read-only, and loads survive any address
            if (reg.is_null() && (arg.flags & kMaybeNull)) return true;
            CallMeta meta;
            return check_reg_type(a, regno, arg.base, arg.flags,
                                  struct_name(a.kernel_btf, arg.btf_id), meta) &&
                   check_arg_reg_off(a, a.reg(regno), regno, arg.base, false);
        }
        case ArgBase::Mem: return check_memory_arg(a, regno, arg);
        default: return a.refuse(Rule::NotSupported, "unrecognized argument of R{}", regno);
    }
}

namespace {

bool is_percpu_symbol(const btf::Btf& btf, uint32_t var_id) {
    const auto section = btf.find(".data..percpu", Kind::Datasec);
    if (!section) return false;
    for (const btf::SectionVar variable : section->variables())
        if (variable.type == var_id) return true;
    return false;
}

}  // namespace

// lddw of a kernel symbol: a per-CPU variable, a struct, or memory of known size.
bool check_pseudo_btf_id(Analysis& a, const isa::Insn& insn, uint32_t) {
    if (!a.kernel_btf)
        return a.refuse(Rule::BtfAccess,
                        "kernel is missing BTF, make sure CONFIG_DEBUG_INFO_BTF=y is specified "
                        "in Kconfig.");
    const btf::Btf& btf = *a.kernel_btf;
    const Type symbol = btf.type(uint32_t(insn.imm));
    RegState result;
    if (symbol.kind() == Kind::Func) {
        result.set_pointer(kPtrToMem | kRdonly);
        if (a.state) a.reg_mut(insn.dst) = result;
        return true;
    }
    if (symbol.kind() != Kind::Var)
        return a.refuse(Rule::BtfAccess, "pseudo btf_id {} in ldimm64 isn't KIND_VAR or KIND_FUNC",
                        insn.imm);
    const Type type = btf.resolve(symbol.ref());
    if (is_percpu_symbol(btf, symbol.id())) {
        result.set_pointer(kPtrToBtfId | kPercpu);
        result.btf = &btf;
        result.btf_id = symbol.ref();
    } else if (type.is_composite()) {
        result.set_pointer(kPtrToBtfId);
        result.btf = &btf;
        result.btf_id = type.id();
    } else {
        const auto size = btf.size_of(type.id());
        if (!size)
            return a.refuse(Rule::BtfAccess, "ldimm64 unable to resolve the size of type '{}': -22",
                            type.name());
        result.set_pointer(kPtrToMem | kRdonly);
        result.mem_size = *size;
    }
    if (a.state) a.reg_mut(insn.dst) = result;
    return true;
}

}  // namespace skep::verifier
