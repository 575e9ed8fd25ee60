// SPDX-License-Identifier: Apache-2.0
// Compares helper_protos.def with the kernel's own prototypes, read from the kernel that is
// running. Prototypes are `struct bpf_func_proto` constants whose first word is the address of the
// helper's function. Functions are in /proc/kallsyms and the constants in .rodata, so a search of
// .rodata for these addresses finds every prototype. A raw tracepoint program run by
// BPF_PROG_TEST_RUN reads it.
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <unordered_map>

#include "base/testing.hpp"
#include "kernel/kernel_probe.hpp"
#include "platform/helpers.hpp"

namespace skep::platform {
namespace {

using kernel_test::insn;

constexpr int mode(int a, int b) {
    return a | b;
}

// Reads kernel memory in pages through a one-element array map.
class KernelMemory {
  public:
    static constexpr uint32_t kPage = 4096;

    KernelMemory() {
        bpf_attr attr{};
        attr.map_type = BPF_MAP_TYPE_ARRAY;
        attr.key_size = 4;
        attr.value_size = kPage;
        attr.max_entries = 1;
        map_ = UniqueFd(static_cast<int>(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr)));
        using namespace isa;
        kernel_test::Candidate reader{
            .type = ProgType::RawTracepoint,
            .insns = {
                insn(kLdx, mode(kMem, kDw), 6, 1),        // r6 = args[0], the address
                insn(kSt, mode(kMem, kW), 10, 0, -4, 0),  // key 0
                insn(kLd, mode(kImm, kDw), 1, kPseudoMapFd, 0, map_.get()),
                {},
                insn(kAlu64, mode(kMov, kX), 2, 10),
                insn(kAlu64, kAdd, 2, 0, 0, -4),
                kernel_test::call(static_cast<int>(HelperId::map_lookup_elem)),
                insn(kJmp, kJeq, 0, 0, 4, 0),
                insn(kAlu64, mode(kMov, kX), 1, 0),
                kernel_test::mov(2, kPage),
                insn(kAlu64, mode(kMov, kX), 3, 6),
                kernel_test::call(static_cast<int>(HelperId::probe_read_kernel)),
                kernel_test::exit_insn(),
            }};
        prog_ = kernel_test::offer(reader).prog;
    }

    /// The page at `address`, or nothing where the kernel has none or denies it.
    std::optional<Bytes> page(uint64_t address) const {
        bpf_attr run{};
        run.test.prog_fd = static_cast<uint32_t>(prog_.get());
        run.test.ctx_in = reinterpret_cast<uint64_t>(&address);
        run.test.ctx_size_in = sizeof address;
        if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &run, sizeof run) != 0 || run.test.retval != 0)
            return std::nullopt;
        Bytes value(kPage);
        const uint32_t key = 0;
        bpf_attr lookup{};
        lookup.map_fd = static_cast<uint32_t>(map_.get());
        lookup.key = reinterpret_cast<uint64_t>(&key);
        lookup.value = reinterpret_cast<uint64_t>(value.data());
        if (syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &lookup, sizeof lookup) != 0) return std::nullopt;
        return value;
    }

    std::optional<uint32_t> word(uint64_t address) const {
        const auto bytes = page(address & ~uint64_t{kPage - 1});
        return bytes ? load<uint32_t>(*bytes, address % kPage) : std::nullopt;
    }

  private:
    UniqueFd map_, prog_;
};

// struct bpf_func_proto of 6.18 (its BTF says so too).
struct RawProto {
    uint64_t func;
    uint8_t gpl_only, pkt_access, might_sleep, allow_fastcall;
    uint32_t ret;
    uint32_t args[5];
    uint32_t pad;
    uint64_t arg_btf_id[5];  // or a size
    uint64_t ret_btf_id;
    uint64_t allowed;
};
static_assert(sizeof(RawProto) == 96);

// Functions of the kernel by name, without those of modules.
std::map<std::string, uint64_t, std::less<>> kernel_symbols() {
    std::map<std::string, uint64_t, std::less<>> symbols;
    std::ifstream file("/proc/kallsyms");
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        uint64_t address = 0;
        char type = 0;
        std::string name, module;
        words >> std::hex >> address >> type >> name;
        if (!(words >> module)) symbols.emplace(name, address);
    }
    return symbols;
}

// The function behind a variant; most are called bpf_ and the variant's name.
std::string symbol_of(const HelperProto& proto) {
    static const std::map<std::string_view, std::string_view> kOthers = {
        {"get_prandom_u32", "bpf_user_rnd_u32"},
        {"get_raw_smp_processor_id", "bpf_get_raw_cpu_id"},
        {"skb_output", "bpf_skb_event_output"},
        {"xdp_output", "bpf_xdp_event_output"},
        {"probe_read", "bpf_probe_read_compat"},
        {"probe_read_str", "bpf_probe_read_compat_str"},
        {"setsockopt", "bpf_sock_addr_setsockopt"},
        {"getsockopt", "bpf_sock_addr_getsockopt"},
        {"redirect_map", "bpf_xdp_redirect_map"},
        {"fib_lookup", "bpf_skb_fib_lookup"},
        {"lwt_push_encap", "bpf_lwt_in_push_encap"},
        {"load_hdr_opt", "bpf_sock_ops_load_hdr_opt"},
        {"store_hdr_opt", "bpf_sock_ops_store_hdr_opt"},
        {"reserve_hdr_opt", "bpf_sock_ops_reserve_hdr_opt"},
        {"check_mtu", "bpf_skb_check_mtu"},
        {"get_func_ip", "bpf_get_func_ip_tracing"},
        {"get_func_ip_multi", "bpf_get_func_ip_kprobe_multi"},
        {"sk_select_reuseport", "sk_select_reuseport"},
        {"get_func_arg", "get_func_arg"},
        {"get_func_ret", "get_func_ret"},
        {"get_func_arg_cnt", "get_func_arg_cnt"},
        {"sk_storage_get_cg_sock", "bpf_sk_storage_get"},
        {"xdp_get_buff_len_trace", "bpf_xdp_get_buff_len"},
    };
    const auto other = kOthers.find(proto.name);
    return other == kOthers.end() ? "bpf_" + std::string(proto.name) : std::string(other->second);
}

uint32_t raw(auto base, TypeFlag flags) {
    return static_cast<uint32_t>(base) | static_cast<uint32_t>(flags);
}

bool same_btf_type(const KernelMemory& memory, uint64_t id_address, std::string_view name) {
    if (name.empty()) return true;
    const auto id = memory.word(id_address);
    return id && *id == kernel_test::kernel_btf_id(btf::Kind::Struct, name);
}

/// Marked as sleeping by an update of 6.18 (seen in 6.18.44), so a kernel of that release may not
/// say so yet.
bool may_lack_mark(const HelperProto& ours) {
    return ours.name == "sys_bpf" || ours.name == "sys_close" ||
           ours.name == "btf_find_by_name_kind";
}

bool same(const KernelMemory& memory, const HelperProto& ours, const RawProto& theirs) {
    using enum HelperProps;
    if (ours.is(GplOnly) != theirs.gpl_only || ours.is(PktAccess) != theirs.pkt_access ||
        (ours.is(MightSleep) != theirs.might_sleep && !may_lack_mark(ours)) ||
        ours.is(AllowFastcall) != theirs.allow_fastcall)
        return false;
    const bool restricted =
        ours.is(AllowedDPath) || ours.is(AllowedSkStorage) || ours.is(AllowedIma);
    if (restricted != (theirs.allowed != 0)) return false;
    if (raw(ours.ret.base, ours.ret.flags) != theirs.ret) return false;
    if (!same_btf_type(memory, theirs.ret_btf_id, ours.ret.btf_type)) return false;
    for (size_t i = 0; i < ours.args.size(); ++i) {
        const ArgType& arg = ours.args[i];
        if (raw(arg.base, arg.flags) != theirs.args[i]) return false;
        if (has(arg.flags, TypeFlag::FixedSizeMem) && arg.size != theirs.arg_btf_id[i])
            return false;
        if (!same_btf_type(memory, theirs.arg_btf_id[i], arg.btf_type)) return false;
    }
    return true;
}

TEST(HelperProto, IsTheRunningKernels) {
    if (auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    const auto symbols = kernel_symbols();
    const auto rodata = symbols.find("__start_rodata");
    if (rodata == symbols.end() || rodata->second == 0)
        SKEP_SKIP("/proc/kallsyms does not tell where the kernel's constants are");

    std::multimap<uint64_t, const HelperProto*> wanted;
    for (const HelperProto& proto : helper_protos())
        if (auto symbol = symbols.find(symbol_of(proto)); symbol != symbols.end())
            wanted.emplace(symbol->second, &proto);
    std::unordered_map<uint64_t, std::vector<RawProto>> found;  // by function
    const KernelMemory memory;
    Bytes bytes;  // one page and what a prototype that starts there needs of the next
    for (uint64_t at = rodata->second;; at += KernelMemory::kPage) {
        const auto page = memory.page(at);
        if (page) append(bytes, ByteView(*page));
        for (size_t i = 0; i + sizeof(RawProto) <= bytes.size() && i < KernelMemory::kPage; i += 8)
            if (wanted.contains(*load<uint64_t>(bytes, i)))
                found[*load<uint64_t>(bytes, i)].push_back(*load<RawProto>(bytes, i));
        if (!page) break;
        if (bytes.size() > KernelMemory::kPage)
            bytes.erase(bytes.begin(), bytes.begin() + KernelMemory::kPage);
    }

    size_t compared = 0;
    for (const auto& [function, proto] : wanted) {
        const auto records = found.find(function);
        if (records == found.end()) continue;
        ++compared;
        const bool any = std::ranges::any_of(
            records->second, [&](const RawProto& record) { return same(memory, *proto, record); });
        EXPECT_TRUE(any) << proto->name << " differs from each of " << records->second.size()
                         << " prototypes of " << symbol_of(*proto);
    }
    // All but what this kernel may be built without, and tail_call, which has no function.
    EXPECT_GE(compared, helper_protos().size() - 8);
}

}  // namespace
}  // namespace skep::platform
