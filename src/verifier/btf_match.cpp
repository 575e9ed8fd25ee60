// SPDX-License-Identifier: Apache-2.0
// btf_struct_walk(), btf_struct_ids_match() and btf_is_prog_ctx_type() of Linux 6.18, in meaning.
#include "verifier/btf_match.hpp"

#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

using btf::Kind;
using btf::Type;

Walk failed(std::string error) {
    Walk walk;
    walk.error = std::move(error);
    return walk;
}

// A multi-dimensional array as one row of elements.
struct Flat {
    Type element;
    uint32_t element_size;
    uint64_t bytes;
    bool is_array;
};

std::optional<Flat> flatten(const btf::Btf& btf, uint32_t type_id) {
    Type type = btf.resolve(type_id);
    uint64_t count = 1;
    const bool is_array = type.kind() == Kind::Array;
    while (type.kind() == Kind::Array) {
        count *= type.array().count;
        type = btf.resolve(type.array().element);
    }
    const auto size = btf.size_of(type.id());
    if (!size) return {};
    return Flat{type, *size, count * *size, is_array};
}

RegType flag_of_tag(std::string_view tag) {
    if (tag == "user") return kUser;
    if (tag == "percpu") return kPercpu;
    if (tag == "rcu") return kRcu;
    return 0;
}

class Walker {
  public:
    Walker(const btf::Btf& btf, int64_t off, int64_t size, RegType flags)
        : btf_(btf), off_(off), size_(size) {
        walk_.flags = flags;
    }

    Walk run(Type type, bool flexible_arrays) {
        for (int depth = 0; depth < 64; ++depth) {
            type = btf_.resolve(type.id());
            if (!type.is_composite())
                return failed(fmt::format("Type '{}' is not a struct", type.name()));
            if (type.kind() == Kind::Union && type.count() != 1) walk_.flags |= kUntrusted;
            std::optional<Type> inside = off_ + size_ > type.size()
                                             ? into_flexible_array(type, flexible_arrays)
                                             : into_member(type);
            if (!inside) return walk_;
            type = *inside;
        }
        return failed("struct nesting too deep");
    }

  private:
    std::optional<Type> done(Walk::Found found, uint32_t id = 0) {
        walk_.found = found;
        walk_.type_id = id;
        return {};
    }
    std::optional<Type> fail(std::string error) {
        walk_.found = Walk::Found::Error;
        walk_.error = std::move(error);
        return {};
    }
    std::optional<Type> beyond(const Type& type) {
        return fail(
            fmt::format("access beyond struct {} at off {} size {}", type.name(), off_, size_));
    }

    // The last member may be an array without a size, of which any element may be accessed.
    std::optional<Type> into_flexible_array(const Type& type, bool allowed) {
        if (!allowed || type.count() == 0) return beyond(type);
        const btf::Member last = type.member(type.count() - 1);
        const Type array = btf_.resolve(last.type);
        const int64_t start = last.bit_offset / 8;
        if (array.kind() != Kind::Array || array.array().count != 0 || off_ < start)
            return beyond(type);
        const Type element = btf_.resolve(array.array().element);
        if (element.kind() == Kind::Int) return done(Walk::Found::Scalar);
        if (!element.is_composite() || element.size() == 0) return beyond(type);
        off_ = (off_ - start) % element.size();
        return element;
    }

    std::optional<Type> into_member(const Type& type) {
        for (const btf::Member member : type.members()) {
            int64_t start = member.bit_offset / 8;
            if (off_ + size_ <= start) break;
            if (member.bitfield_size != 0) {
                const int64_t end = (member.bit_offset + member.bitfield_size + 7) / 8;
                if (off_ <= start && end <= off_ + size_) return done(Walk::Found::Scalar);
                continue;
            }
            if (off_ < start) break;
            const auto flat = flatten(btf_, member.type);
            if (!flat) return fail(fmt::format("field {} doesn't have size", member.name));
            const int64_t end = start + int64_t(flat->bytes);
            if (off_ >= end) continue;
            if (flat->is_array) {
                if (flat->element_size == 0) continue;
                start += (off_ - start) / flat->element_size * flat->element_size;
            }
            return at_member(type, member, flat->element, flat->element_size, start, end);
        }
        return fail(fmt::format("struct {} doesn't have field at offset {}", type.name(), off_));
    }

    std::optional<Type> at_member(const Type& parent, const btf::Member& member, const Type& type,
                                  uint32_t bytes, int64_t start, int64_t end) {
        if (type.is_composite()) {
            if (off_ == start) return done(Walk::Found::Struct, type.id());
            off_ -= start;
            return type;
        }
        if (type.kind() == Kind::Ptr) {
            if (bytes != size_ || off_ != start)
                return fail(
                    fmt::format("cannot access ptr member {} with moff {} in struct {} with "
                                "off {} size {}",
                                member.name, start, parent.name(), off_, size_));
            const Type tagged = btf_.type(type.ref());
            const RegType tag =
                tagged.kind() == Kind::TypeTag ? flag_of_tag(tagged.name()) : RegType{0};
            const Type pointee = btf_.resolve(type.ref());
            if (pointee.is_composite()) {
                walk_.flags |= tag;
                walk_.field = member.name;
                return done(Walk::Found::Pointer, pointee.id());
            }
        }
        // Within arrays of numbers any access that does not leave the array will do.
        if (off_ + size_ > end && !(walk_.flags & kUntrusted))
            return fail(
                fmt::format("access beyond the end of member {} (mend:{}) in struct {} "
                            "with off {} size {}",
                            member.name, end, parent.name(), off_, size_));
        return done(Walk::Found::Scalar);
    }

    const btf::Btf& btf_;
    int64_t off_;
    int64_t size_;
    Walk walk_;
};

struct CtxNames {
    ProgType type;
    std::string_view uapi, kernel;
};

constexpr CtxNames kCtxNames[] = {
    {ProgType::SocketFilter, "__sk_buff", "sk_buff"},
    {ProgType::SchedCls, "__sk_buff", "sk_buff"},
    {ProgType::SchedAct, "__sk_buff", "sk_buff"},
    {ProgType::Xdp, "xdp_md", "xdp_buff"},
    {ProgType::CgroupSkb, "__sk_buff", "sk_buff"},
    {ProgType::CgroupSock, "bpf_sock", "sock"},
    {ProgType::CgroupSockAddr, "bpf_sock_addr", "bpf_sock_addr_kern"},
    {ProgType::LwtIn, "__sk_buff", "sk_buff"},
    {ProgType::LwtOut, "__sk_buff", "sk_buff"},
    {ProgType::LwtXmit, "__sk_buff", "sk_buff"},
    {ProgType::LwtSeg6local, "__sk_buff", "sk_buff"},
    {ProgType::SockOps, "bpf_sock_ops", "bpf_sock_ops_kern"},
    {ProgType::SkSkb, "__sk_buff", "sk_buff"},
    {ProgType::SkMsg, "sk_msg_md", "sk_msg"},
    {ProgType::FlowDissector, "__sk_buff", "bpf_flow_dissector"},
    {ProgType::Kprobe, "pt_regs", "pt_regs"},
    {ProgType::PerfEvent, "bpf_perf_event_data", "bpf_perf_event_data_kern"},
    {ProgType::RawTracepoint, "bpf_raw_tracepoint_args", ""},
    {ProgType::RawTracepointWritable, "bpf_raw_tracepoint_args", ""},
    {ProgType::CgroupDevice, "bpf_cgroup_dev_ctx", "bpf_cgroup_dev_ctx"},
    {ProgType::CgroupSysctl, "bpf_sysctl", "bpf_sysctl_kern"},
    {ProgType::CgroupSockopt, "bpf_sockopt", "bpf_sockopt_kern"},
    {ProgType::SkReuseport, "sk_reuseport_md", "sk_reuseport_kern"},
    {ProgType::SkLookup, "bpf_sk_lookup", "bpf_sk_lookup_kern"},
    {ProgType::Netfilter, "bpf_nf_ctx", "bpf_nf_ctx"},
};

}  // namespace

Walk walk_struct(const btf::Btf& btf, uint32_t id, int64_t off, int64_t size, RegType flags,
                 bool flexible_arrays) {
    return Walker(btf, off, size, flags).run(btf.type(id), flexible_arrays);
}

bool struct_ids_match(const btf::Btf& btf, uint32_t id, int off, const btf::Btf& wanted,
                      uint32_t wanted_id, bool strict) {
    const auto same = [&](uint32_t type) { return &btf == &wanted && type == wanted_id; };
    if (off == 0 && same(id)) return true;
    if (strict) return false;
    int64_t at = off;
    for (int depth = 0; depth < 64; ++depth) {
        const Walk walk = walk_struct(btf, id, at, 1, 0, false);
        if (walk.found != Walk::Found::Struct) return false;
        if (same(walk.type_id)) return true;
        id = walk.type_id;
        at = 0;
    }
    return false;
}

std::string_view struct_name(const btf::Btf* btf, uint32_t id) {
    return btf ? btf->type(id).name() : std::string_view{};
}

uint32_t kernel_struct_id(const Analysis& a, std::string_view name) {
    if (!a.kernel_btf) return 0;
    const auto type = a.kernel_btf->find(name, Kind::Struct);
    return type ? type->id() : 0;
}

std::string_view kind_words(Kind kind) {
    switch (kind) {
        case Kind::Struct: return "struct";
        case Kind::Union: return "union";
        case Kind::Int: return "int";
        case Kind::Ptr: return "ptr";
        case Kind::Array: return "array";
        case Kind::Enum: return "enum";
        case Kind::Enum64: return "enum64";
        case Kind::Fwd: return "fwd";
        case Kind::Float: return "float";
        case Kind::Func: return "func";
        case Kind::FuncProto: return "func_proto";
        case Kind::Void: return "UNKNOWN";
        default: return btf::to_string(kind);
    }
}

bool has_suffix(const btf::Param& param, std::string_view suffix) {
    return param.name.ends_with(suffix);
}

bool is_projection_of(std::string_view projection, std::string_view type) {
    return (projection == "__sk_buff" && type == "sk_buff") ||
           (projection == "xdp_md" && type == "xdp_buff");
}

std::string_view uapi_ctx_name(ProgType type) {
    for (const CtxNames& names : kCtxNames)
        if (names.type == type) return names.uapi;
    return {};
}

std::string_view kernel_ctx_name(ProgType type) {
    for (const CtxNames& names : kCtxNames)
        if (names.type == type) return names.kernel;
    return {};
}

bool is_ctx_pointer(const btf::Btf& btf, const Type& pointer, ProgType type) {
    if (type == ProgType::Kprobe) {
        Type target = btf.type(pointer.ref());
        while (target.is_modifier() && target.kind() != Kind::Typedef)
            target = btf.type(target.ref());
        if (target.kind() == Kind::Typedef && target.name() == "bpf_user_pt_regs_t") return true;
    }
    const Type target = btf.resolve(pointer.ref());
    if (!target.is_composite() || target.name().empty()) return false;
    const std::string_view wanted = uapi_ctx_name(type);
    if (type == ProgType::Kprobe && target.name() == "bpf_user_pt_regs_t") return true;
    return !wanted.empty() && (target.name() == wanted || is_projection_of(wanted, target.name()));
}

}  // namespace skep::verifier
