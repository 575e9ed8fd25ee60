// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/kernel_pace.hpp"
#include "kernel/features.hpp"
#include "kernel/running.hpp"
#include "platform/helper_access.hpp"
#include "platform/kfuncs.hpp"

namespace skep::kernel {

namespace {

using platform::HelperInfo;
using platform::ProgKind;

constexpr ProgType kProgTypes[] = {
#define PROG_TYPE(name, value, text, since) ProgType::name,
#include "platform/prog_types.def"
#undef PROG_TYPE
};

/// The kinds of programs that stand for their type: iterators may call what others may not.
std::vector<ProgKind> kinds_of(ProgType type) {
    switch (type) {
        case ProgType::CgroupSock: return {{type, AttachType::CgroupInetSockCreate}};
        case ProgType::CgroupSockAddr: return {{type, AttachType::CgroupInet4Connect}};
        case ProgType::CgroupSockopt: return {{type, AttachType::CgroupSetsockopt}};
        case ProgType::SkLookup: return {{type, AttachType::SkLookup}};
        case ProgType::Netfilter: return {{type, AttachType::Netfilter}};
        case ProgType::Tracing:
            return {{type, AttachType::TraceRawTp, "btf_trace_sched_process_exit"},
                    {type, AttachType::TraceIter, "bpf_iter_task"}};
        case ProgType::Lsm: return {{type, AttachType::LsmMac, "bpf_lsm_file_open"}};
        case ProgType::StructOps: return {{type, AttachType::None, "tcp_congestion_ops"}};
        default: return {{type}};
    }
}

bool allowed(const HelperInfo& helper, ProgType type) {
    return std::ranges::any_of(kinds_of(type), [&](const ProgKind& kind) {
        return helper_access(kind, helper.id, running_kernel().version).has_value();
    });
}

/// By its refusal: a call with nothing in its registers is wrong in any case, but a helper that the
/// kernel or the program type lacks is what it says first.
bool takes_call(const HelperInfo& helper, const ProgKind& kind) {
    const isa::Insn insns[] = {
        {.opcode = isa::kJmp | isa::kCall, .imm = static_cast<int32_t>(helper.id)},
        {.opcode = isa::kAlu64 | isa::kMov},
        {.opcode = isa::kJmp | isa::kExit}};
    uint32_t target = 0;
    if (!kind.target.empty()) target = kernel_type(kind.target).value_or(0);
    std::string log;
    pace_program_loads();
    const auto loaded = prog_load({.type = kind.type,
                                   .insns = insns,
                                   .attach = kind.attach,
                                   .attach_btf_id = target,
                                   .flags = kind.type == ProgType::Syscall ? BPF_F_SLEEPABLE : 0u},
                                  &log);
    if (loaded) return true;
    return !log.empty() && !log.contains("unknown func") && !log.contains("invalid func") &&
           !log.contains("cannot use helper");
}

bool takes_call(const HelperInfo& helper, ProgType type) {
    return std::ranges::any_of(kinds_of(type),
                               [&](const ProgKind& kind) { return takes_call(helper, kind); });
}

/// What the kernel's own enumeration of helpers has.
bool kernel_lists(const btf::Btf& types, const HelperInfo& helper) {
    const auto set = types.find("bpf_func_id", btf::Kind::Enum);
    if (!set) return false;
    for (const btf::Enumerator enumerator : set->enumerators())
        if (enumerator.value == static_cast<uint32_t>(helper.id)) return true;
    return false;
}

}  // namespace

Section probe_helpers(bool each) {
    Section section{"helpers", {}};
    const auto& types = running_types();
    for (const HelperInfo& helper : platform::helpers()) {
        Finding finding{.name = fmt::format("bpf_{}", helper.name),
                        .basis = each ? "loaded" : "derived"};
        std::vector<std::string_view> users;
        const bool listed = types && kernel_lists(*types, helper);
        // Where it is in no list, nobody has it; without types only a load can tell.
        for (const ProgType type : kProgTypes)
            if (each ? (listed || !types) && type != ProgType::Ext && takes_call(helper, type)
                     : listed && allowed(helper, type))
                users.push_back(to_string(type));
        finding.detail = fmt::format("{}", fmt::join(users, " "));
        finding.answer = each     ? (users.empty() ? Answer::No : Answer::Yes)
                         : !types ? Answer::Unknown
                         : listed ? Answer::Yes
                                  : Answer::No;
        if (!types && !each) {
            finding.detail = "this kernel has no BTF that would list its helpers";
            finding.remedy = "skep doctor --helpers tries each";
        } else if (!listed && !each) {
            finding.detail = fmt::format("came with Linux {}", helper.since.to_string());
        } else if (users.empty()) {
            finding.detail = each ? "no program type may call it here" : finding.detail;
        }
        section.findings.push_back(std::move(finding));
    }
    return section;
}

Section list_kfuncs() {
    Section section{"kernel functions", {}};
    const auto& types = running_types();
    if (!types) return section;
    for (const platform::KfuncInfo& kfunc : platform::kfuncs()) {
        Finding finding{.name = std::string(kfunc.name), .basis = "derived"};
        const bool there = types->find(kfunc.name, btf::Kind::Func).has_value();
        finding.answer = there ? Answer::Yes : Answer::No;
        if (!there)
            finding.detail = fmt::format("came with Linux {}, or needs a configuration or module",
                                         kfunc.since.to_string());
        section.findings.push_back(std::move(finding));
    }
    return section;
}

}  // namespace skep::kernel
