// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <optional>

#include "base/kernel_pace.hpp"
#include "btf/writer.hpp"
#include "kernel/capabilities.hpp"
#include "kernel/features.hpp"
#include "kernel/running.hpp"

namespace skep::kernel {

std::string_view to_string(Answer answer) {
    switch (answer) {
        case Answer::No: return "no";
        case Answer::Yes: return "yes";
        case Answer::Unknown: return "unknown";
    }
    return "unknown";
}

Finding judge(std::string name, std::string_view basis, const Error* error) {
    Finding finding{.name = std::move(name), .basis = basis};
    if (!error) {
        finding.answer = Answer::Yes;
        return finding;
    }
    const bool forbidden = error->sys_errno == EPERM || error->sys_errno == EACCES;
    if (const std::string lacks = missing_capabilities(); forbidden && !lacks.empty()) {
        finding.detail = "cannot be seen without " + lacks;
        finding.remedy = "run as root: sudo skep ...";
        return finding;
    }
    finding.answer = Answer::No;
    finding.detail = error->message;
    if (error->hint.empty() || forbidden) return finding;
    finding.remedy = error->hint;
    return finding;
}

Result<UniqueFd> load_trivial(const TrivialProg& prog) {
    const isa::Insn insns[] = {{.opcode = isa::kAlu64 | isa::kMov, .imm = prog.result},
                               {.opcode = isa::kJmp | isa::kExit}};
    pace_program_loads();
    return prog_load({.type = prog.type,
                      .insns = insns,
                      .attach = prog.attach,
                      .attach_btf_id = prog.attach_btf_id,
                      .flags = prog.flags,
                      .name = "skep_doctor"});
}

LinkCreateAttr link_attr(const UniqueFd& prog, uint32_t target, AttachType type, uint32_t flags) {
    LinkCreateAttr attr;
    attr.prog_fd = static_cast<uint32_t>(prog.get());
    attr.target_fd = target;
    attr.attach_type = static_cast<uint32_t>(type);
    attr.flags = flags;
    return attr;
}

Result<uint32_t> kernel_type(std::string_view name) {
    const auto& types = running_types();
    if (!types) return unsupported("this kernel has no BTF (/sys/kernel/btf/vmlinux)");
    const std::vector<uint32_t> ids = types->find_all(name);
    if (ids.empty()) return unsupported("this kernel has no {}", name);
    return ids.front();
}

Result<UniqueFd> int_btf() {
    btf::Writer writer;
    writer.add_int("int", 4, btf::Writer::Encoding::Signed);
    return btf_load(writer.finish());
}

namespace {

struct TypeProbe {
    ProgType type;
    AttachType attach = AttachType::None;
    std::string_view target = {};  ///< a type of the kernel's
    uint32_t flags = 0;
    int result = 0;
};

/// What each program type wants to be loaded at all.
TypeProbe probe_of(ProgType type) {
    switch (type) {
        case ProgType::CgroupSock: return {type, AttachType::CgroupInetSockCreate};
        case ProgType::CgroupSockAddr: return {type, AttachType::CgroupInet4Connect};
        case ProgType::CgroupSockopt: return {type, AttachType::CgroupSetsockopt};
        case ProgType::SkLookup: return {type, AttachType::SkLookup};
        case ProgType::Netfilter: return {type, AttachType::Netfilter};
        case ProgType::Tracing:
            return {type, AttachType::TraceRawTp, "btf_trace_sched_process_exit"};
        case ProgType::Lsm: return {type, AttachType::LsmMac, "bpf_lsm_file_open"};
        case ProgType::StructOps: return {type, AttachType{0}, "tcp_congestion_ops"};
        case ProgType::Syscall: return {type, AttachType::None, {}, BPF_F_SLEEPABLE};
        default: return {type};
    }
}

Result<UniqueFd> load_type(ProgType type) {
    const TypeProbe probe = probe_of(type);
    uint32_t target = 0;
    uint32_t attach = static_cast<uint32_t>(probe.attach);
    if (!probe.target.empty()) target = SKEP_TRY(kernel_type(probe.target));
    if (type == ProgType::StructOps) {  // its attach type is the number of a member
        const btf::Type ops = running_types()->type(target);
        for (uint32_t i = 0; ops.is_composite() && i < ops.count(); i++)
            if (ops.member(i).name == "ssthresh") attach = i;
    }
    return load_trivial({type, AttachType{attach}, target, probe.result, probe.flags});
}

/// Replaces a function of another program: it has to have one, so the kernel is asked with none,
/// and knows the type if it misses that.
Finding judge_ext(std::string name) {
    const isa::Insn insns[] = {{.opcode = isa::kAlu64 | isa::kMov},
                               {.opcode = isa::kJmp | isa::kExit}};
    std::string log;
    const auto loaded =
        prog_load({.type = ProgType::Ext, .insns = insns, .attach_btf_id = 1}, &log);
    if (loaded || log.contains("Cannot replace kernel functions"))
        return {.name = std::move(name), .answer = Answer::Yes, .basis = "loaded"};
    return judge(std::move(name), "loaded", loaded);
}

constexpr ProgType kProgTypes[] = {
#define PROG_TYPE(name, value, text, since) ProgType::name,
#include "platform/prog_types.def"
#undef PROG_TYPE
};

constexpr MapType kMapTypes[] = {
#define MAP_TYPE(name, value, text, since) MapType::name,
#include "platform/map_types.def"
#undef MAP_TYPE
};

/// struct_ops maps hold one value of a kernel type that wraps the operations.
Result<MapCreateAttr> struct_ops_attr(MapCreateAttr attr) {
    const uint32_t type = SKEP_TRY(kernel_type("bpf_struct_ops_tcp_congestion_ops"));
    attr.value_size = running_types()->size_of(type).value_or(0);
    attr.btf_vmlinux_value_type_id = type;
    return attr;
}

Result<UniqueFd> create_map(MapType type) {
    MapCreateAttr attr{.type = static_cast<uint32_t>(type),
                       .key_size = 4,
                       .value_size = 4,
                       .max_entries = 1,
                       .name = "skep_doctor"};
    UniqueFd types, inner;
    const auto describe = [&]() -> Result<void> {
        types = SKEP_TRY(int_btf());
        attr.btf_fd = static_cast<uint32_t>(types.get());
        return {};
    };
    switch (type) {
        case MapType::LpmTrie:
            attr.key_size = 8;
            attr.flags = BPF_F_NO_PREALLOC;
            break;
        case MapType::StackTrace: attr.value_size = 8; break;
        case MapType::ArrayOfMaps:
        case MapType::HashOfMaps:
            inner = SKEP_TRY(create_map(MapType::Array));
            attr.inner_map_fd = static_cast<uint32_t>(inner.get());
            break;
        case MapType::CgroupStorage:
        case MapType::PercpuCgroupStorage:
            attr.key_size = 8;
            attr.max_entries = 0;
            break;
        case MapType::Queue:
        case MapType::Stack:
        case MapType::BloomFilter: attr.key_size = 0; break;
        case MapType::Ringbuf:
        case MapType::UserRingbuf:
            attr.key_size = attr.value_size = 0;
            attr.max_entries = 4096;
            break;
        case MapType::Arena:
            attr.key_size = attr.value_size = 0;
            attr.flags = BPF_F_MMAPABLE;
            break;
        case MapType::SkStorage:
        case MapType::InodeStorage:
        case MapType::TaskStorage:
        case MapType::CgrpStorage:
            SKEP_TRY(describe());
            attr.btf_key_type_id = attr.btf_value_type_id = 1;
            attr.max_entries = 0;
            attr.flags = BPF_F_NO_PREALLOC;
            break;
        case MapType::StructOps:
            SKEP_TRY(describe());
            attr = SKEP_TRY(struct_ops_attr(attr));
            break;
        default: break;
    }
    return map_create(attr);
}

}  // namespace

Section probe_prog_types() {
    Section section{"program types", {}};
    for (const ProgType type : kProgTypes) {
        std::string name(to_string(type));
        section.findings.push_back(type == ProgType::Ext
                                       ? judge_ext(std::move(name))
                                       : judge(std::move(name), "loaded", load_type(type)));
    }
    return section;
}

Section probe_map_types() {
    Section section{"map types", {}};
    for (const MapType type : kMapTypes)
        section.findings.push_back(
            judge(std::string(to_string(type)), "created", create_map(type)));
    return section;
}

}  // namespace skep::kernel
