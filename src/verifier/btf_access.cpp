// SPDX-License-Identifier: Apache-2.0
// Loads and stores through pointers to kernel structs, maps and sockets. A pointer that is loaded
// from a struct is as trustworthy as the kernel's rules say: check_ptr_to_btf_access() of
// Linux 6.18.
#include <algorithm>

#include "verifier/btf_match.hpp"
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

using btf::Kind;

// The kernel lists trusted fields as types of its BTF: "task_struct__safe_rcu" has the members of
// struct task_struct that are RCU-protected and never null.
bool is_safe_field(const Analysis& a, const RegState& reg, std::string_view field, uint32_t type_id,
                   std::string_view suffix) {
    const std::string name = std::string(struct_name(reg.btf, reg.btf_id)) + std::string(suffix);
    const auto safe = a.kernel_btf->find(name, Kind::Struct);
    if (!safe) return false;
    for (const btf::Member member : safe->members()) {
        if (member.name != field) continue;
        const btf::Type type = a.kernel_btf->resolve(member.type);
        return type.kind() == Kind::Ptr && a.kernel_btf->resolve(type.ref()).id() == type_id;
    }
    return false;
}

constexpr RegType kTrustedFlags = kMemAlloc | kTrusted | kNonOwnRef;

// What a pointer is worth that was found by walking a trusted (or RCU) one.
RegType flags_of_walked(const Analysis& a, const RegState& reg, const Walk& walk) {
    const auto safe = [&](std::string_view suffix) {
        return is_safe_field(a, reg, walk.field, walk.type_id, suffix);
    };
    RegType flags = walk.flags;
    if (safe("__safe_trusted")) return flags | kTrusted;
    if (safe("__safe_trusted_or_null")) return flags | kTrusted | kMaybeNull;
    if (!in_rcu_section(a) || may_be_null(reg.type)) return kUntrusted;
    if (safe("__safe_rcu")) return flags | kRcu;
    const bool rcu_or_null = safe("__safe_rcu_or_null");
    if ((flags & kRcu) || rcu_or_null) {
        flags |= kRcu | kMaybeNull;
        if (rcu_or_null) flags &= ~kUntrusted;
        return flags;
    }
    if (flags & (kPercpu | kUser)) return flags;
    return flags & ~(kTrustedFlags | kRcu);
}

bool is_trusted_for_walks(const RegState& reg) {
    return is_trusted_reg(reg) || (reg.type & kRcu);
}

struct WritableField {
    ProgType prog;
    std::string_view type, field;
};

// Fields of kernel structs that programs may write (btf_struct_access() of their types).
constexpr WritableField kWritable[] = {
    {ProgType::StructOps, "tcp_sock", "sk_pacing_rate"},
    {ProgType::StructOps, "tcp_sock", "sk_pacing_status"},
    {ProgType::StructOps, "tcp_sock", "icsk_ca_priv"},
    {ProgType::StructOps, "tcp_sock", "icsk_ack.pending"},
    {ProgType::StructOps, "tcp_sock", "snd_cwnd"},
    {ProgType::StructOps, "tcp_sock", "snd_cwnd_cnt"},
    {ProgType::StructOps, "tcp_sock", "snd_cwnd_stamp"},
    {ProgType::StructOps, "tcp_sock", "snd_ssthresh"},
    {ProgType::StructOps, "tcp_sock", "ecn_flags"},
    {ProgType::StructOps, "tcp_sock", "app_limited"},
    {ProgType::SchedCls, "nf_conn", "mark"},
    {ProgType::Xdp, "nf_conn", "mark"},
};

// Paths into the structs that a tcp_sock begins with.
std::string full_path(std::string_view field) {
    if (field.starts_with("sk_")) return "inet_conn.icsk_inet.sk." + std::string(field);
    if (field.starts_with("icsk_")) return "inet_conn." + std::string(field);
    return std::string(field);
}

bool check_btf_write(Analysis& a, const RegState& reg, int off, int size) {
    const std::string_view type = struct_name(reg.btf, reg.btf_id);
    bool known_type = false;
    for (const WritableField& row : kWritable) {
        if (row.prog != a.prog.type) continue;
        const uint32_t id = kernel_struct_id(a, row.type);
        if (row.type != type || id == 0) continue;
        known_type = true;
        const auto field = a.kernel_btf->find_field(id, full_path(row.field));
        if (!field) continue;
        const auto bytes = a.kernel_btf->size_of(field->type);
        const int64_t start = field->bit_offset / 8;
        const bool begins = off == start || (row.field == "icsk_ca_priv" && off >= start);
        if (bytes && begins && off + size <= start + int64_t(*bytes)) return true;
    }
    if (!known_type) return a.refuse(Rule::BtfAccess, "only read is supported");
    return a.refuse(Rule::BtfAccess, "no write support to {} at off {}", type, off);
}

bool check_alloc_fields(Analysis& a, const RegState& reg, int off, int size) {
    const Record* record = record_of(a, reg);
    if (!record) return true;
    for (const Field& field : record->fields)
        if (off < int64_t(field.offset) + field.size && int64_t(field.offset) < off + size)
            return a.refuse(Rule::MapField, "direct access to {} is disallowed",
                            field_name(field.kind));
    return true;
}

// The pointer itself, whatever it is used for.
bool check_pointer(Analysis& a, const RegState& reg, int regno, int off, AccessType type) {
    const std::string_view name = struct_name(reg.btf, reg.btf_id);
    if (!a.allow_ptr_leaks)
        return a.refuse(Rule::BtfAccess,
                        "'struct {}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
                        name);
    if (!a.object.gpl_compatible() && reg.btf == a.kernel_btf)
        return a.refuse(Rule::BtfAccess,
                        "Cannot access kernel 'struct {}' from non-GPL compatible program", name);
    if (off < 0)
        return a.refuse(Rule::BtfAccess, "R{} is ptr_{} invalid negative access: off={}", regno,
                        name, off);
    if (!reg.value.is_zero())
        return a.refuse(Rule::BtfAccess,
                        "R{} is ptr_{} invalid variable offset: off={}, var_off=(0x{:x}; 0x{:x})",
                        regno, name, off, reg.value.bits.value, reg.value.bits.mask);
    if (reg.type & kUser)
        return a.refuse(Rule::BtfAccess, "R{} is ptr_{} access user memory: off={}", regno, name,
                        off);
    if (reg.type & kPercpu)
        return a.refuse(Rule::BtfAccess, "R{} is ptr_{} access percpu memory: off={}", regno, name,
                        off);
    if (type == AccessType::Write && (reg.type & kUntrusted))
        return a.refuse(Rule::BtfAccess, "only read is supported");
    return true;
}

void set_loaded(Analysis& a, int regno, const btf::Btf* btf, uint32_t id, RegType flags) {
    RegState loaded;
    loaded.set_pointer(kPtrToBtfId | flags);
    loaded.btf = btf;
    loaded.btf_id = id;
    if (flags & kMaybeNull) loaded.id = a.next_id();
    a.reg_mut(regno) = loaded;
}

}  // namespace

bool check_btf_access(Analysis& a, int regno, int off, int size, AccessType type, int value_regno) {
    const RegState reg = a.reg(regno);
    if (!check_pointer(a, reg, regno, off, type)) return false;
    const bool allocated = is_alloc_object(reg.type);
    if (type == AccessType::Write && !allocated) return check_btf_write(a, reg, off, size);
    if (allocated) {
        if (!check_alloc_fields(a, reg, off, size)) return false;
    }
    Walk walk;
    uint32_t id = reg.btf_id;
    int64_t at = off;
    RegType flags = 0;
    do {
        walk = walk_struct(*reg.btf, id, at, size, flags, !allocated);
        id = walk.type_id;
        flags = walk.flags;
        at = 0;
    } while (walk.found == Walk::Found::Struct);
    if (walk.found == Walk::Found::Error) return a.refuse(Rule::BtfAccess, "{}", walk.error);
    if (type != AccessType::Read || value_regno < 0) return true;

    if (walk.found == Walk::Found::Scalar || allocated) {
        a.mark_reg_unknown(value_regno);
        return true;
    }
    RegType result = 0;
    if (reg.type & kUntrusted)
        result = kUntrusted;
    else if (is_trusted_for_walks(reg))
        result = flags_of_walked(a, reg, walk);
    else
        result = walk.flags & ~(kTrustedFlags | kRcu);
    set_loaded(a, value_regno, reg.btf, walk.type_id, result);
    return true;
}

// Programs with CAP_PERFMON may read a map's own fields: it is a struct bpf_map in a larger one.
bool check_map_ptr_access(Analysis& a, int regno, int off, int size, AccessType type,
                          int value_regno) {
    const RegState reg = a.reg(regno);
    if (!a.kernel_btf)
        return a.refuse(Rule::BtfAccess,
                        "map_ptr access not supported without CONFIG_DEBUG_INFO_BTF");
    struct Named {
        MapType type;
        std::string_view name;
    };
    constexpr Named hash[] = {{MapType::Hash, "bpf_htab"},
                              {MapType::LruHash, "bpf_htab"},
                              {MapType::PercpuHash, "bpf_htab"},
                              {MapType::LruPercpuHash, "bpf_htab"},
                              {MapType::HashOfMaps, "bpf_htab"},
                              {MapType::Array, "bpf_array"},
                              {MapType::PercpuArray, "bpf_array"},
                              {MapType::ArrayOfMaps, "bpf_array"},
                              {MapType::ProgArray, "bpf_array"},
                              {MapType::PerfEventArray, "bpf_array"},
                              {MapType::CgroupArray, "bpf_array"},
                              {MapType::LpmTrie, "lpm_trie"},
                              {MapType::StackTrace, "bpf_stack_map"},
                              {MapType::Queue, "bpf_queue_stack"},
                              {MapType::Stack, "bpf_queue_stack"},
                              {MapType::Devmap, "bpf_dtab"},
                              {MapType::DevmapHash, "bpf_dtab"},
                              {MapType::Sockmap, "bpf_stab"},
                              {MapType::Sockhash, "bpf_shtab"},
                              {MapType::Cpumap, "bpf_cpu_map"},
                              {MapType::Xskmap, "xsk_map"},
                              {MapType::CgroupStorage, "bpf_cgroup_storage_map"},
                              {MapType::PercpuCgroupStorage, "bpf_cgroup_storage_map"},
                              {MapType::ReuseportSockarray, "reuseport_array"},
                              {MapType::SkStorage, "bpf_local_storage_map"},
                              {MapType::InodeStorage, "bpf_local_storage_map"},
                              {MapType::TaskStorage, "bpf_local_storage_map"},
                              {MapType::CgrpStorage, "bpf_local_storage_map"},
                              {MapType::Ringbuf, "bpf_ringbuf_map"},
                              {MapType::UserRingbuf, "bpf_ringbuf_map"},
                              {MapType::BloomFilter, "bpf_bloom_filter"},
                              {MapType::Arena, "bpf_arena"}};
    uint32_t id = 0;
    for (const Named& row : hash)
        if (row.type == reg.map->type()) id = kernel_struct_id(a, row.name);
    if (id == 0)
        return a.refuse(Rule::BtfAccess, "map_ptr access not supported for map type {}",
                        uint32_t(reg.map->type()));
    const std::string_view name = struct_name(a.kernel_btf, id);
    if (!a.allow_ptr_leaks)
        return a.refuse(Rule::BtfAccess,
                        "'struct {}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
                        name);
    if (off < 0)
        return a.refuse(Rule::BtfAccess, "R{} is {} invalid negative access: off={}", regno, name,
                        off);
    if (type != AccessType::Read)
        return a.refuse(Rule::BtfAccess, "only read from {} is supported", name);
    Walk walk;
    int64_t at = off;
    RegType flags = 0;
    do {
        walk = walk_struct(*a.kernel_btf, id, at, size, flags, true);
        id = walk.type_id;
        flags = walk.flags;
        at = 0;
    } while (walk.found == Walk::Found::Struct);
    if (walk.found == Walk::Found::Error) return a.refuse(Rule::BtfAccess, "{}", walk.error);
    if (value_regno < 0) return true;
    if (walk.found == Walk::Found::Scalar)
        a.mark_reg_unknown(value_regno);
    else
        set_loaded(a, value_regno, a.kernel_btf, walk.type_id,
                   walk.flags & ~(kTrustedFlags | kRcu));
    return true;
}

}  // namespace skep::verifier
