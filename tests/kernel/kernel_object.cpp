// SPDX-License-Identifier: Apache-2.0
#include "kernel/kernel_object.hpp"

#include <fmt/core.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>

#include "base/kernel_pace.hpp"

namespace skep::kernel_test {

namespace {

long bpf(int command, bpf_attr& attr) {
    return syscall(SYS_bpf, command, &attr, sizeof attr);
}

uint64_t address(const void* pointer) {
    return reinterpret_cast<uint64_t>(pointer);
}

/// BPF_OBJ_NAME_LEN: 15 characters, and no others than these.
template <size_t size>
void set_name(char (&out)[size], std::string_view name) {
    for (size_t i = 0; i + 1 < size && i < name.size(); i++) {
        const char c = name[i];
        out[i] = std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' ? c : '_';
    }
}

/// Map types that refuse to be described by BTF.
bool takes_btf(MapType type) {
    switch (type) {
        case MapType::PerfEventArray:
        case MapType::CgroupArray:
        case MapType::StackTrace:
        case MapType::ArrayOfMaps:
        case MapType::HashOfMaps:
        case MapType::Devmap:
        case MapType::DevmapHash:
        case MapType::Cpumap:
        case MapType::Xskmap:
        case MapType::Sockmap:
        case MapType::Sockhash:
        case MapType::Queue:
        case MapType::Stack: return false;
        default: return true;
    }
}

uint32_t entries_of(const object::MapSpec& map) {
    if (map.type == MapType::PerfEventArray && map.max_entries == 0)
        return static_cast<uint32_t>(sysconf(_SC_NPROCESSORS_CONF));
    if (map.type != MapType::Ringbuf && map.type != MapType::UserRingbuf) return map.max_entries;
    uint32_t pages = static_cast<uint32_t>(sysconf(_SC_PAGESIZE));
    while (pages < map.max_entries && pages < 1u << 31) pages *= 2;
    return map.max_entries == 0 ? 0 : pages;
}

struct FuncInfo {
    uint32_t insn;
    uint32_t type;
};
struct KernelLineInfo {
    uint32_t insn;
    uint32_t file;
    uint32_t line;
    uint32_t line_column;
};

std::vector<FuncInfo> func_info(const object::ProgSpec& prog) {
    std::vector<FuncInfo> info;
    for (const object::Subprog& subprog : prog.subprogs) {
        if (subprog.btf_type_id == 0) return {};
        info.push_back({subprog.insn, subprog.btf_type_id});
    }
    return info;
}

std::vector<KernelLineInfo> line_info(const object::ProgSpec& prog) {
    std::vector<KernelLineInfo> info;
    for (const object::LineInfo& line : prog.lines)
        info.push_back({line.insn, line.file_off, line.line_off, line.line << 10 | line.column});
    return info;
}

uint32_t id_or_zero(const btf::Btf& btf, std::string_view name, btf::Kind kind) {
    const auto found = btf.find(name, kind);
    return found ? found->id() : 0;
}

Result<AttachTarget> struct_ops_target(const object::ObjectSpec& object, uint32_t prog_index,
                                       const btf::Btf& kernel) {
    for (const object::MapSpec& map : object.maps) {
        if (map.type != MapType::StructOps) continue;
        const auto slot =
            std::ranges::find(map.initial_slots, prog_index, &object::InitialSlot::index);
        if (slot == map.initial_slots.end()) continue;
        const btf::Type local = object.btf->resolve(map.value_type_id);
        const auto type = kernel.find(btf::essential_name(local.name()), btf::Kind::Struct);
        if (!type) return unsupported("the kernel has no struct {}", local.name());
        for (const btf::Member mine : local.members()) {
            if (mine.bit_offset != slot->slot * 8) continue;
            for (uint32_t i = 0; i < type->count(); i++)
                if (type->member(i).name == mine.name) return AttachTarget{type->id(), i};
        }
        return unsupported("the kernel's struct {} has no such member", local.name());
    }
    return unsupported("no struct_ops variable uses the program");
}

}  // namespace

namespace {

/// Rewrites the records of one BTF in place, and appends a variable that stands in for functions.
class LoadableBtf {
  public:
    explicit LoadableBtf(const object::ObjectSpec& object)
        : btf_(*object.btf), bytes_(btf_.bytes().begin(), btf_.bytes().end()) {
        for (const object::ProgSpec& prog : object.progs)
            for (const object::Subprog& subprog : prog.subprogs)
                if (subprog.global || subprog.insn == 0) separate_.insert(subprog.btf_type_id);
        for (uint32_t id = 1; id < btf_.type_count(); id++) {
            const btf::Type type = btf_.type(id);
            if (type.kind() == btf::Kind::Int && type.size() == 4) int_type_ = id;
            if (type.kind() == btf::Kind::Func) any_name_ = type.name_offset();
        }
    }

    Bytes run() {
        for (uint32_t id = 1; id < btf_.type_count(); id++) {
            const btf::Type type = btf_.type(id);
            if (type.kind() == btf::Kind::Func) fix_function(type);
            if (type.kind() == btf::Kind::Var && type.linkage() == btf::Linkage::Extern)
                put(btf_.record_offset(type) + 12, uint32_t(btf::Linkage::Global));
        }
        if (const auto ksyms = btf_.find(".ksyms", btf::Kind::Datasec)) {
            fix_ksyms(*ksyms);
            append_dummy();
        }
        return std::move(bytes_);
    }

  private:
    void put(size_t offset, uint32_t value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof value);
    }

    void fix_function(const btf::Type& type) {
        const auto set = [&](btf::Linkage linkage) {
            put(btf_.record_offset(type) + 4, uint32_t(btf::Kind::Func) << 24 | uint32_t(linkage));
        };
        if (type.linkage() == btf::Linkage::Global && !separate_.contains(type.id()))
            set(btf::Linkage::Static);
        if (type.linkage() != btf::Linkage::Extern) return;
        set(btf::Linkage::Global);
        const btf::Type proto = btf_.type(type.ref());
        for (uint32_t i = 0; i < proto.count(); i++)
            if (proto.param(i).name.empty() && proto.param(i).type)
                put(btf_.record_offset(proto) + 12 + size_t{8} * i, type.name_offset());
    }

    /// The section has no place in memory; the kernel wants one, of variables only.
    void fix_ksyms(const btf::Type& ksyms) {
        const size_t record = btf_.record_offset(ksyms);
        for (uint32_t i = 0; i < ksyms.count(); i++) {
            const size_t entry = record + 12 + size_t{12} * i;
            const btf::Type type = btf_.type(ksyms.variable(i).type);
            if (type.kind() == btf::Kind::Var)
                put(btf_.record_offset(type) + 8, int_type_);
            else
                put(entry, btf_.type_count());
            put(entry + 4, 4 * i);
            put(entry + 8, 4);
        }
        put(record + 8, 4 * ksyms.count());
    }

    void append_dummy() {
        const uint32_t var[4] = {any_name_, uint32_t(btf::Kind::Var) << 24, int_type_,
                                 uint32_t(btf::Linkage::Global)};
        uint32_t header[6];  // magic, version and flags; hdr_len, type_off, type_len, str_off, ...
        std::memcpy(header, bytes_.data(), sizeof header);
        const auto* raw = reinterpret_cast<const uint8_t*>(var);
        bytes_.insert(bytes_.begin() + header[1] + header[2] + header[3], raw, raw + sizeof var);
        put(12, header[3] + sizeof var);
        if (header[4] > header[2]) put(16, header[4] + sizeof var);
    }

    const btf::Btf& btf_;
    Bytes bytes_;
    std::set<uint32_t> separate_;
    uint32_t int_type_ = 0;
    uint32_t any_name_ = 0;
};

}  // namespace

Bytes loadable_btf(const object::ObjectSpec& object) {
    return LoadableBtf(object).run();
}

Result<AttachTarget> attach_target(const object::ObjectSpec& object, const object::ProgSpec& prog,
                                   const btf::Btf& kernel) {
    const auto find = [&](std::string_view prefix, btf::Kind kind) -> Result<AttachTarget> {
        const std::string name = std::string(prefix) + prog.attach_target;
        const uint32_t id = id_or_zero(kernel, name, kind);
        if (id == 0) return unsupported("the kernel has no {}", name);
        return AttachTarget{id, uint32_t(prog.attach_type)};
    };
    if (prog.type == ProgType::StructOps) {
        const auto index = static_cast<uint32_t>(
            std::ranges::find(object.progs, prog.name, &object::ProgSpec::name) -
            object.progs.begin());
        return struct_ops_target(object, index, kernel);
    }
    if (prog.attach_type == AttachType::TraceRawTp) return find("btf_trace_", btf::Kind::Typedef);
    if (prog.attach_type == AttachType::TraceIter) return find("bpf_iter_", btf::Kind::Func);
    if (prog.type == ProgType::Lsm) return find("bpf_lsm_", btf::Kind::Func);
    if (prog.type == ProgType::Tracing) return find("", btf::Kind::Func);
    if (prog.type == ProgType::Ext) return unsupported("it replaces a function of another program");
    if (prog.attach_type == AttachType::None) return AttachTarget{};
    return AttachTarget{0, uint32_t(prog.attach_type)};
}

KernelObject::~KernelObject() {
    for (const auto& [arena, bytes] : arenas_) munmap(arena, bytes);
}

int KernelObject::btf_fd() {
    if (btf_tried_ || !object_.btf) return btf_.get();
    btf_tried_ = true;
    const Bytes bytes = loadable_btf(object_);
    bpf_attr attr{};
    attr.btf = address(bytes.data());
    attr.btf_size = static_cast<uint32_t>(bytes.size());
    btf_ = UniqueFd(static_cast<int>(bpf(BPF_BTF_LOAD, attr)));
    if (!btf_ && getenv("SKEP_BTF_LOG")) {
        std::string log(1 << 20, '\0');
        attr.btf_log_buf = address(log.data());
        attr.btf_log_size = static_cast<uint32_t>(log.size());
        attr.btf_log_level = 1;
        bpf(BPF_BTF_LOAD, attr);
        fmt::print(stderr, "{}\n", log.c_str());
    }
    return btf_.get();
}

Result<UniqueFd> KernelObject::create(const object::MapSpec& map, bool with_btf) {
    bpf_attr attr{};
    attr.map_type = static_cast<uint32_t>(map.type);
    attr.key_size = map.key_size;
    attr.value_size = map.value_size;
    attr.max_entries = entries_of(map);
    attr.map_flags = map.flags;
    attr.numa_node = map.numa_node;
    attr.map_extra = map.extra;
    set_name(attr.map_name, map.name);
    UniqueFd inner;
    if (map.inner) {
        inner = SKEP_TRY(create(*map.inner, with_btf));
        attr.inner_map_fd = static_cast<uint32_t>(inner.get());
    }
    if (with_btf && takes_btf(map.type) && (map.key_type_id || map.value_type_id) &&
        btf_fd() >= 0) {
        attr.btf_fd = static_cast<uint32_t>(btf_fd());
        attr.btf_key_type_id = map.key_type_id;
        attr.btf_value_type_id = map.value_type_id;
        if (const long fd = bpf(BPF_MAP_CREATE, attr); fd >= 0)
            return UniqueFd(static_cast<int>(fd));
        attr.btf_fd = attr.btf_key_type_id = attr.btf_value_type_id = 0;
    }
    const long fd = bpf(BPF_MAP_CREATE, attr);
    if (fd < 0) return std::unexpected(sys_error(fmt::format("map '{}'", map.name)));
    return UniqueFd(static_cast<int>(fd));
}

Result<void> KernelObject::fill(const object::MapSpec& map, int fd) {
    if (map.type == MapType::Arena) {
        // The verifier wants to know where user space sees it.
        const size_t bytes = size_t{map.max_entries} * static_cast<size_t>(sysconf(_SC_PAGESIZE));
        void* where = reinterpret_cast<void*>(map.extra);
        void* arena = mmap(where, bytes, PROT_READ | PROT_WRITE,
                           MAP_SHARED | (where ? MAP_FIXED_NOREPLACE : 0), fd, 0);
        if (arena == MAP_FAILED)
            return std::unexpected(sys_error(fmt::format("arena '{}'", map.name)));
        arenas_.emplace_back(arena, bytes);
        return {};
    }
    if (map.origin == object::MapSpec::Origin::Declared) return {};
    bpf_attr attr{};
    attr.map_fd = static_cast<uint32_t>(fd);
    const uint32_t zero = 0;
    attr.key = address(&zero);
    Bytes value = map.initial_value;
    value.resize(map.value_size);
    attr.value = address(value.data());
    if (bpf(BPF_MAP_UPDATE_ELEM, attr) != 0)
        return std::unexpected(sys_error(fmt::format("map '{}'", map.name)));
    if (map.origin != object::MapSpec::Origin::Rodata &&
        map.origin != object::MapSpec::Origin::Kconfig)
        return {};
    bpf_attr freeze{};
    freeze.map_fd = static_cast<uint32_t>(fd);
    bpf(BPF_MAP_FREEZE, freeze);
    return {};
}

Result<int> KernelObject::map_fd(uint32_t index, bool with_btf) {
    if (const auto found = maps_.find(index); found != maps_.end()) return found->second.get();
    const object::MapSpec& map = object_.maps.at(index);
    UniqueFd fd = SKEP_TRY(create(map, with_btf));
    SKEP_TRY(fill(map, fd.get()));
    return maps_.emplace(index, std::move(fd)).first->second.get();
}

LoadAnswer KernelObject::load(const object::ProgSpec& prog, const LoadOptions& options) {
    LoadAnswer answer;
    std::vector<isa::Insn> insns = prog.insns;
    for (const object::Reference& reference : prog.references) {
        const auto fd = map_fd(reference.index, options.privileged);
        if (!fd) {
            answer.unanswered = fd.error().message;
            answer.error = fd.error().sys_errno;
            return answer;
        }
        insns[reference.insn].imm = *fd;
    }
    const auto target = attach_target(object_, prog, kernel_);
    if (!target) {
        answer.unanswered = target.error().message;
        return answer;
    }

    static thread_local std::vector<char> log(size_t{16} << 20);
    log[0] = '\0';
    bpf_attr attr{};
    attr.prog_type = static_cast<uint32_t>(prog.type);
    attr.expected_attach_type = target->attach_type;
    attr.attach_btf_id = target->btf_id;
    attr.insns = address(insns.data());
    attr.insn_cnt = static_cast<uint32_t>(insns.size());
    attr.license = address(object_.license.c_str());
    attr.kern_version = object_.kernel_version;
    attr.prog_flags = options.flags | (prog.sleepable ? BPF_F_SLEEPABLE : 0) |
                      (prog.multi_buffer ? BPF_F_XDP_HAS_FRAGS : 0);
    set_name(attr.prog_name, prog.name);
    const std::vector<FuncInfo> funcs = func_info(prog);
    const std::vector<KernelLineInfo> lines = line_info(prog);
    if (options.privileged && btf_fd() >= 0) {
        attr.prog_btf_fd = static_cast<uint32_t>(btf_fd());
        attr.func_info_rec_size = sizeof(FuncInfo);
        attr.func_info_cnt = static_cast<uint32_t>(funcs.size());
        attr.func_info = address(funcs.data());
        attr.line_info_rec_size = sizeof(KernelLineInfo);
        attr.line_info_cnt = funcs.empty() ? 0 : static_cast<uint32_t>(lines.size());
        attr.line_info = address(lines.data());
    }
    if (options.log_level) {
        attr.log_level = options.log_level;
        attr.log_size = static_cast<uint32_t>(log.size());
        attr.log_buf = address(log.data());
    }
    pace_program_loads();
    const auto before = std::chrono::steady_clock::now();
    const long fd = bpf(BPF_PROG_LOAD, attr);
    const int error = fd < 0 ? errno : 0;
    answer.nanoseconds = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                                   std::chrono::steady_clock::now() - before)
                                                   .count());
    answer.prog = UniqueFd(static_cast<int>(fd));
    answer.error = error;
    if (options.log_level) answer.log = log.data();
    return answer;
}

}  // namespace skep::kernel_test
