// SPDX-License-Identifier: Apache-2.0
// The context of programs that BTF describes: an array of the arguments of the function
// (tracepoint, hook, iterator, struct_ops member) that they are attached to, 8 bytes each
// (btf_ctx_access()).
#include "platform/attach_targets.hpp"
#include "platform/ctx.hpp"
#include "verifier/btf_match.hpp"
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

using btf::Kind;
using btf::Type;

constexpr int kMaxArgs = 12;  // MAX_BPF_FUNC_ARGS

bool is_described(const Analysis& a) {
    return a.prog.type == ProgType::Tracing || a.prog.type == ProgType::Lsm ||
           a.prog.type == ProgType::StructOps;
}

// The detail, then what every refused access of a context says.
template <typename... Args>
bool refuse_ctx(Analysis& a, int off, int size, fmt::format_string<Args...> format,
                Args&&... args) {
    a.refuse(Rule::CtxAccess, format, std::forward<Args>(args)...);
    a.log("invalid bpf_context access off={} size={}\n", off, size);
    return false;
}

// Structs by value take as many places as they have 8 bytes.
uint32_t arg_index(const btf::Btf& btf, const Type& proto, uint32_t first, int off) {
    int64_t at = 0;
    uint32_t index = 0;
    for (uint32_t i = first; i < proto.count(); ++i, ++index) {
        at += (int64_t{btf.size_of(proto.param(i).type).value_or(8)} + 7) / 8 * 8;
        if (off < at) return index;
    }
    // Beyond the arguments: the return value, and what comes after it.
    return index + uint32_t((off - at) / 8 > 0 ? 1 : 0);
}

bool is_small_number(const Type& type) {
    return (type.kind() == Kind::Int && type.size() <= 8 && type.integer().offset == 0) ||
           type.is_enum() || type.is_composite();
}

bool args_are_trusted(Analysis& a) {
    switch (a.prog.type) {
        case ProgType::Tracing:
            return a.prog.attach_type == AttachType::TraceRawTp ||
                   a.prog.attach_type == AttachType::TraceIter;
        case ProgType::Lsm:
            return !platform::lsm_hook_is(a.prog.attach_target, platform::LsmProperty::Untrusted);
        case ProgType::StructOps: return true;
        default: return false;
    }
}

// The struct behind a pointer argument, through tags and qualifiers.
bool set_btf_pointer(Analysis& a, const Type& pointer, RegType flags, std::string_view function,
                     uint32_t arg, int off, int size, RegState& result) {
    const btf::Btf& btf = *a.kernel_btf;
    const Type tagged = btf.type(pointer.ref());
    if (tagged.kind() == Kind::TypeTag) {
        if (tagged.name() == "user") flags |= kUser;
        if (tagged.name() == "percpu") flags |= kPercpu;
    }
    const Type target = btf.resolve(pointer.ref());
    if (!target.is_composite())
        return refuse_ctx(a, off, size, "func '{}' arg{} type {} is not a struct", function, arg,
                          btf::to_string(target.kind()));
    a.log("func '{}' arg{} has btf_id {} type {} '{}'\n", function, arg, target.id(),
          btf::to_string(target.kind()), target.name());
    result.set_pointer(kPtrToBtfId | flags);
    result.btf = &btf;
    result.btf_id = target.id();
    return true;
}

// Fields of an iterator's context that are null behind the last element.
std::optional<platform::IterArg> iter_arg(Analysis& a, uint32_t arg) {
    if (a.prog.attach_type != AttachType::TraceIter) return {};
    const auto ctx = a.kernel_btf->find("bpf_iter__" + a.prog.attach_target, Kind::Struct);
    if (!ctx) return {};
    for (const btf::Member member : ctx->members()) {
        if (member.bit_offset / 64 != arg) continue;
        const Type inner = a.kernel_btf->resolve(member.type);
        const std::string_view name =
            member.name.empty() && inner.kind() == Kind::Union && inner.count() != 0
                ? inner.member(0).name
                : member.name;
        if (auto found = platform::iter_arg(a.prog.attach_target, name)) return found;
    }
    return {};
}

// struct_ops: the kernel's stub functions say by parameter names what may be null.
std::string_view stub_param(Analysis& a, uint32_t arg) {
    const AttachTarget& target = call_data(a).attach;
    const auto stub = a.kernel_btf->find(target.name + "__" + target.member_name, Kind::Func);
    if (!stub) return {};
    const Type proto = a.kernel_btf->type(stub->ref());
    return arg < proto.count() ? proto.param(arg).name : std::string_view{};
}

bool set_pointer_arg(Analysis& a, const Type& pointer, const btf::Param& param, uint32_t arg,
                     int off, int size, RegState& result) {
    const std::string& function = call_data(a).attach.name;
    const auto iter = iter_arg(a, arg);
    if (iter && iter->what != platform::IterArg::What::Btf) {
        const bool rdonly = iter->what == platform::IterArg::What::RdonlyBuf;
        result.set_pointer(kPtrToBuf | kMaybeNull | (rdonly ? kRdonly : 0));
        return true;
    }
    const Type target = a.kernel_btf->resolve(pointer.ref());
    if (target.kind() == Kind::Void || target.kind() == Kind::Int) {
        result.set_unknown();
        return true;
    }
    if (iter)
        return set_btf_pointer(a, pointer, kMaybeNull | (iter->trusted ? kTrusted : 0), function,
                               arg, off, size, result);
    RegType flags = args_are_trusted(a) ? kTrusted : 0;
    if (has_suffix(param, "__nullable")) flags |= kMaybeNull;
    if (a.prog.type == ProgType::StructOps) {
        const std::string_view stub = stub_param(a, arg);
        if (stub.ends_with("__nullable")) flags |= kMaybeNull;
        if (stub.ends_with("__ref"))
            return a.refuse(Rule::NotSupported,
                            "skep cannot judge arguments that a program must release");
    }
    bool maybe_error = false;
    if (a.prog.attach_type == AttachType::TraceRawTp) {
        const auto what = platform::tp_argument(a.prog.attach_target, arg);
        if (what == platform::TpArgument::MaybeNull) flags |= kMaybeNull;
        maybe_error = what == platform::TpArgument::MaybeError;
    }
    if (!set_btf_pointer(a, pointer, flags, function, arg, off, size, result)) return false;
    if (maybe_error) result.set_unknown();
    // TCP congestion control gets a struct sock that is a tcp_sock.
    if (a.prog.type == ProgType::StructOps && function == "tcp_congestion_ops" &&
        struct_name(result.btf, result.btf_id) == "sock")
        result.btf_id = kernel_struct_id(a, "tcp_sock");
    return true;
}

// What lies behind the last argument: the return value, for those who run after the function.
bool set_return_value(Analysis& a, const Type& proto, uint32_t arg, int off, int size, Type& type,
                      bool& is_lsm_retval) {
    const std::string& function = call_data(a).attach.name;
    switch (a.prog.attach_type) {
        case AttachType::LsmMac: is_lsm_retval = true; [[fallthrough]];
        case AttachType::LsmCgroup:
        case AttachType::TraceFexit: type = a.kernel_btf->type(proto.ref()); return true;
        case AttachType::ModifyReturn:
            type = a.kernel_btf->resolve(proto.ref());
            return (type.kind() == Kind::Int || type.is_enum()) ||
                   refuse_ctx(a, off, size, "ret type {} not allowed for fmod_ret",
                              btf::to_string(type.kind()));
        default:
            return refuse_ctx(a, off, size, "func '{}' doesn't have {}-th argument", function,
                              arg + 1);
    }
}

}  // namespace

namespace {

// The context of netfilter programs is a struct of pointers to kernel structs.
bool netfilter_field(Analysis& a, int off, int size, AccessType access, RegState& result,
                     bool& described) {
    const platform::CtxAccess answer = platform::ctx_access(
        a.prog.type, a.prog.attach_type, off, uint32_t(size), access == AccessType::Write);
    described = answer.allowed() && answer.kind == platform::CtxKind::KernelStruct;
    if (!described) return true;
    result.set_pointer(kPtrToBtfId | kTrusted);
    result.btf = a.kernel_btf;
    result.btf_id = kernel_struct_id(a, off == 0 ? "nf_hook_state" : "sk_buff");
    return result.btf_id != 0 ||
           a.refuse(Rule::CtxAccess, "invalid bpf_context access off={} size={}", off, size);
}

}  // namespace

bool check_btf_ctx_access(Analysis& a, int off, int size, AccessType access, RegState& result,
                          bool& described) {
    if (a.prog.type == ProgType::Netfilter)
        return netfilter_field(a, off, size, access, result, described);
    described = is_described(a);
    if (!described) return true;
    if (off < 0 || off >= kMaxArgs * 8 || access != AccessType::Read || off % size != 0)
        return a.refuse(Rule::CtxAccess, "invalid bpf_context access off={} size={}", off, size);
    const AttachTarget& target = call_data(a).attach;
    const std::string_view function =
        a.prog.attach_type == AttachType::TraceRawTp ? a.prog.attach_target : target.name;
    if (off % 8 != 0)
        return refuse_ctx(a, off, size, "func '{}' offset {} is not multiple of 8", function, off);

    const Type proto = target.btf->type(target.proto_id);
    // The first argument of a tracepoint's type is the kernel's own.
    const uint32_t first = a.prog.attach_type == AttachType::TraceRawTp ? 1 : 0;
    const uint32_t count = proto.count() - first;
    const uint32_t arg = arg_index(*target.btf, proto, first, off);
    if (arg > count)
        return refuse_ctx(a, off, size, "func '{}' doesn't have {}-th argument", function, arg + 1);
    bool is_lsm_retval = false;
    Type type = a.kernel_btf->type(0);
    if (arg == count) {
        if (!set_return_value(a, proto, arg, off, size, type, is_lsm_retval)) return false;
    } else {
        type = a.kernel_btf->type(proto.param(first + arg).type);
    }
    type = a.kernel_btf->resolve(type.id());
    if (is_small_number(type)) {
        result.set_unknown(!a.privileged);
        ReturnValueRange range;
        if (is_lsm_retval && attach_return_range(a, range) == AttachReturn::Range) {
            result.value.smin = result.value.s32_min = range.lowest;
            result.value.smax = result.value.s32_max = range.highest;
            result.value.sync();
        }
        return true;
    }
    if (type.kind() != Kind::Ptr)
        return refuse_ctx(a, off, size,
                          "func '{}' arg{} '{}' has type {}. Only pointer access is allowed",
                          function, arg, type.name(), btf::to_string(type.kind()));
    if (size != 8) return refuse_ctx(a, off, size, "func '{}' size {} must be 8", function, size);
    const btf::Param param = arg == count ? btf::Param{} : proto.param(first + arg);
    return set_pointer_arg(a, type, param, arg, off, size, result);
}

}  // namespace skep::verifier
