// SPDX-License-Identifier: Apache-2.0
#include "kernel/bpf.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "kernel/capabilities.hpp"

namespace skep::kernel {

namespace {

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

std::string hint_for(int error_number) {
    if (error_number == EPERM || error_number == EACCES) {
        if (const std::string lacks = missing_capabilities(); !lacks.empty())
            return fmt::format("this process lacks {}; run as root, or see skep doctor", lacks);
        return "the kernel forbids it to everybody here (lockdown, an LSM, a container); see "
               "skep doctor";
    }
    if (error_number == ENOSYS) return "this kernel was built without CONFIG_BPF_SYSCALL";
    if (error_number == ENOMEM) return "memory is short, or `ulimit -l` too low for this kernel";
    return {};
}

/// Numbers of objects, one's own or not, are for CAP_SYS_ADMIN alone.
Error id_error(std::string what, int error_number) {
    Error error = bpf_error(std::move(what), error_number);
    if (error_number == EPERM && !missing_capabilities().empty())
        error.hint = "looking at objects by number needs CAP_SYS_ADMIN; run as root";
    return error;
}

/// The fd or value of a call, or its error.
template <typename Attr>
Result<int> call(bpf_cmd command, Attr& attr, std::string_view what) {
    const int result = bpf_call(command, attr);
    if (result < 0) return std::unexpected(bpf_error(std::string(what), -result));
    return result;
}
template <typename Attr>
Result<UniqueFd> call_fd(bpf_cmd command, Attr& attr, std::string_view what) {
    return UniqueFd(SKEP_TRY(call(command, attr, what)));
}
template <typename Attr>
Result<void> call_void(bpf_cmd command, Attr& attr, std::string_view what) {
    (void)SKEP_TRY(call(command, attr, what));
    return {};
}
/// True, or false where the kernel says ENOENT.
template <typename Attr>
Result<bool> call_found(bpf_cmd command, Attr& attr, std::string_view what) {
    const int result = bpf_call(command, attr);
    if (result == -ENOENT) return false;
    if (result < 0) return std::unexpected(bpf_error(std::string(what), -result));
    return true;
}

struct Commands {
    std::string_view name;
    bpf_cmd next_id;
    bpf_cmd fd_by_id;
};
constexpr Commands kCommands[] = {
    {"program", BPF_PROG_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID},
    {"map", BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID},
    {"link", BPF_LINK_GET_NEXT_ID, BPF_LINK_GET_FD_BY_ID},
    {"BTF", BPF_BTF_GET_NEXT_ID, BPF_BTF_GET_FD_BY_ID},
};
const Commands& commands_of(ObjectKind kind) {
    return kCommands[static_cast<size_t>(kind)];
}

struct IdAttr {
    uint32_t id = 0;
    uint32_t next = 0;
    uint32_t open_flags = 0;
};
struct InfoAttr {
    uint32_t fd = 0;
    uint32_t size = 0;
    uint64_t info = 0;
};
struct ObjAttr {
    uint64_t path = 0;
    uint32_t fd = 0;
    uint32_t flags = 0;
};
struct ElementAttr {
    uint32_t fd = 0;
    uint32_t pad = 0;
    uint64_t key = 0;
    uint64_t value = 0;  // or the next key
    uint64_t flags = 0;
};
struct BatchAttr {
    uint64_t in_batch = 0;
    uint64_t out_batch = 0;
    uint64_t keys = 0;
    uint64_t values = 0;
    uint32_t count = 0;
    uint32_t fd = 0;
    uint64_t elem_flags = 0;
    uint64_t flags = 0;
};
struct AttachAttr {
    uint32_t target = 0;
    uint32_t prog_fd = 0;
    uint32_t type = 0;
    uint32_t flags = 0;
    uint32_t replace_fd = 0;
    uint32_t relative_fd = 0;
    uint64_t expected_revision = 0;
};
struct FdAttr {
    uint32_t fd = 0;
    uint32_t flags = 0;
};

template <typename Info>
Result<Info> info_of(int fd) {
    Info info{};
    SKEP_TRY(object_info(fd, &info, sizeof info));
    return info;
}

BatchAttr batch_attr(int fd, const MapBatch& batch) {
    return {.in_batch = address(batch.in_batch),
            .out_batch = address(batch.out_batch),
            .keys = address(batch.keys),
            .values = address(batch.values),
            .count = batch.count,
            .fd = static_cast<uint32_t>(fd),
            .elem_flags = batch.elem_flags};
}

}  // namespace

std::string_view to_string(LinkType type) {
    switch (type) {
        case LinkType::Unspec: return "unspec";
#define LINK_TYPE(name, value, text) \
    case LinkType::name: return text;
#include "kernel/link_types.def"
#undef LINK_TYPE
    }
    return "unknown";
}

std::string_view to_string(ObjectKind kind) {
    return commands_of(kind).name;
}

int bpf_call(bpf_cmd command, void* attr, size_t size) {
    const long result = syscall(SYS_bpf, command, attr, size);
    return result < 0 ? -errno : static_cast<int>(result);
}

Error bpf_error(std::string what, int error_number) {
    Error error = sys_error(std::move(what), error_number);
    // 524 is the kernel's own ENOTSUPP, which it returns where it means ENOTSUP.
    constexpr int kNotSupported = 524;
    if (error_number == kNotSupported)
        error.message.replace(error.message.rfind(": ") + 2, std::string::npos,
                              "Operation not supported");
    constexpr std::array kCannot = {EPERM, EACCES, ENOSYS, EOPNOTSUPP, kNotSupported};
    if (std::ranges::find(kCannot, error_number) != kCannot.end())
        error.code = ErrorCode::Unsupported;
    error.hint = hint_for(error_number);
    return error;
}

Result<std::optional<uint32_t>> next_id(ObjectKind kind, uint32_t after) {
    IdAttr attr{.id = after};
    const Commands& commands = commands_of(kind);
    const int result = bpf_call(commands.next_id, attr);
    if (result == -ENOENT) return std::nullopt;
    if (result < 0) return std::unexpected(id_error(fmt::format("{} ids", commands.name), -result));
    return attr.next;
}

Result<std::vector<uint32_t>> all_ids(ObjectKind kind) {
    std::vector<uint32_t> ids;
    for (uint32_t last = 0;;) {
        const std::optional<uint32_t> id = SKEP_TRY(next_id(kind, last));
        if (!id) return ids;
        ids.push_back(last = *id);
    }
}

Result<UniqueFd> fd_by_id(ObjectKind kind, uint32_t id, uint32_t open_flags) {
    IdAttr attr{.id = id, .open_flags = open_flags};
    const Commands& commands = commands_of(kind);
    const int fd = bpf_call(commands.fd_by_id, attr);
    if (fd < 0) return std::unexpected(id_error(fmt::format("{} {}", commands.name, id), -fd));
    return UniqueFd(fd);
}

Result<void> object_info(int fd, void* info, uint32_t size) {
    InfoAttr attr{.fd = static_cast<uint32_t>(fd), .size = size, .info = address(info)};
    return call_void(BPF_OBJ_GET_INFO_BY_FD, attr, "information about an object");
}
Result<bpf_prog_info> prog_info(int fd) {
    return info_of<bpf_prog_info>(fd);
}
Result<bpf_map_info> map_info(int fd) {
    return info_of<bpf_map_info>(fd);
}
Result<LinkInfo> link_info(int fd) {
    return info_of<LinkInfo>(fd);
}
Result<bpf_btf_info> btf_info(int fd) {
    return info_of<bpf_btf_info>(fd);
}

Result<std::vector<uint32_t>> prog_map_ids(int fd) {
    std::vector<uint32_t> ids(SKEP_TRY(prog_info(fd)).nr_map_ids);
    bpf_prog_info info{};
    info.nr_map_ids = static_cast<uint32_t>(ids.size());
    info.map_ids = address(ids.data());
    SKEP_TRY(object_info(fd, &info, sizeof info));
    ids.resize(std::min<size_t>(ids.size(), info.nr_map_ids));
    return ids;
}

Result<std::vector<uint64_t>> prog_ksyms(int fd) {
    std::vector<uint64_t> addresses(SKEP_TRY(prog_info(fd)).nr_jited_ksyms);
    bpf_prog_info info{};
    info.nr_jited_ksyms = static_cast<uint32_t>(addresses.size());
    info.jited_ksyms = address(addresses.data());
    SKEP_TRY(object_info(fd, &info, sizeof info));
    addresses.resize(std::min<size_t>(addresses.size(), info.nr_jited_ksyms));
    return addresses;
}

Result<Bytes> btf_bytes(int fd) {
    Bytes bytes(SKEP_TRY(btf_info(fd)).btf_size);
    bpf_btf_info info{};
    info.btf = address(bytes.data());
    info.btf_size = static_cast<uint32_t>(bytes.size());
    SKEP_TRY(object_info(fd, &info, sizeof info));
    return bytes;
}

Result<void> pin(int fd, const std::string& path) {
    ObjAttr attr{.path = address(path.c_str()), .fd = static_cast<uint32_t>(fd)};
    auto done = call_void(BPF_OBJ_PIN, attr, path);
    if (!done && done.error().sys_errno == EPERM && missing_capabilities().empty())
        done.error().hint = "objects are pinned on a bpffs only, usually /sys/fs/bpf";
    return done;
}

Result<UniqueFd> open_pinned(const std::string& path, uint32_t open_flags) {
    ObjAttr attr{.path = address(path.c_str()), .flags = open_flags};
    return call_fd(BPF_OBJ_GET, attr, path);
}

Result<UniqueFd> map_create(const MapCreateAttr& attr) {
    MapCreateAttr copy = attr;
    return call_fd(BPF_MAP_CREATE, copy, "creating a map");
}

Result<bool> map_lookup(int fd, ByteView key, std::span<uint8_t> value, uint64_t flags) {
    ElementAttr attr{.fd = static_cast<uint32_t>(fd),
                     .key = address(key.data()),
                     .value = address(value.data()),
                     .flags = flags};
    return call_found(BPF_MAP_LOOKUP_ELEM, attr, "looking up an element");
}

Result<bool> map_lookup_and_delete(int fd, ByteView key, std::span<uint8_t> value, uint64_t flags) {
    ElementAttr attr{.fd = static_cast<uint32_t>(fd),
                     .key = address(key.data()),
                     .value = address(value.data()),
                     .flags = flags};
    return call_found(BPF_MAP_LOOKUP_AND_DELETE_ELEM, attr, "taking out an element");
}

Result<void> map_update(int fd, ByteView key, ByteView value, uint64_t flags) {
    ElementAttr attr{.fd = static_cast<uint32_t>(fd),
                     .key = address(key.data()),
                     .value = address(value.data()),
                     .flags = flags};
    return call_void(BPF_MAP_UPDATE_ELEM, attr, "setting an element");
}

Result<bool> map_delete(int fd, ByteView key) {
    ElementAttr attr{.fd = static_cast<uint32_t>(fd), .key = address(key.data())};
    return call_found(BPF_MAP_DELETE_ELEM, attr, "deleting an element");
}

Result<bool> map_next_key(int fd, const uint8_t* key, std::span<uint8_t> next) {
    ElementAttr attr{
        .fd = static_cast<uint32_t>(fd), .key = address(key), .value = address(next.data())};
    return call_found(BPF_MAP_GET_NEXT_KEY, attr, "going through the keys");
}

Result<void> map_freeze(int fd) {
    FdAttr attr{.fd = static_cast<uint32_t>(fd)};
    return call_void(BPF_MAP_FREEZE, attr, "freezing a map");
}

Result<bool> map_lookup_batch(int fd, MapBatch& batch, bool and_delete) {
    BatchAttr attr = batch_attr(fd, batch);
    const Result<bool> more =
        call_found(and_delete ? BPF_MAP_LOOKUP_AND_DELETE_BATCH : BPF_MAP_LOOKUP_BATCH, attr,
                   "reading elements");
    batch.count = attr.count;
    return more;
}

Result<void> map_update_batch(int fd, MapBatch& batch) {
    BatchAttr attr = batch_attr(fd, batch);
    const Result<void> done = call_void(BPF_MAP_UPDATE_BATCH, attr, "setting elements");
    batch.count = attr.count;
    return done;
}

Result<void> map_delete_batch(int fd, MapBatch& batch) {
    BatchAttr attr = batch_attr(fd, batch);
    const Result<void> done = call_void(BPF_MAP_DELETE_BATCH, attr, "deleting elements");
    batch.count = attr.count;
    return done;
}

Result<UniqueFd> prog_load(const RawProg& prog, std::string* log) {
    const std::string license(prog.license);
    ProgLoadAttr attr{.type = static_cast<uint32_t>(prog.type),
                      .insn_cnt = static_cast<uint32_t>(prog.insns.size()),
                      .insns = address(prog.insns.data()),
                      .license = address(license.c_str()),
                      .flags = prog.flags,
                      .attach_btf_id = prog.attach_btf_id,
                      .attach_fd = prog.attach_fd};
    if (prog.attach != AttachType::None)
        attr.expected_attach_type = static_cast<uint32_t>(prog.attach);
    set_name(attr.name, prog.name);
    std::string buffer;
    if (log) {
        buffer.resize(1 << 16);
        attr.log_level = std::max(prog.log_level, 1u);
        attr.log_size = static_cast<uint32_t>(buffer.size());
        attr.log_buf = address(buffer.data());
    }
    auto fd = call_fd(BPF_PROG_LOAD, attr, "loading a program");
    if (log) *log = buffer.c_str();
    return fd;
}

Result<void> prog_test_run(int fd, TestRunAttr& attr) {
    attr.prog_fd = static_cast<uint32_t>(fd);
    return call_void(BPF_PROG_TEST_RUN, attr, "test run of a program");
}

Result<UniqueFd> raw_tracepoint_open(int prog_fd, const char* name, uint64_t cookie) {
    struct {
        uint64_t name;
        uint32_t prog_fd;
        uint32_t pad;
        uint64_t cookie;
    } attr{address(name), static_cast<uint32_t>(prog_fd), 0, cookie};
    return call_fd(BPF_RAW_TRACEPOINT_OPEN, attr,
                   name ? fmt::format("attaching to tracepoint {}", name)
                        : std::string("attaching a program"));
}

Result<UniqueFd> btf_load(ByteView bytes, std::string* log) {
    struct {
        uint64_t btf;
        uint64_t log_buf;
        uint32_t size;
        uint32_t log_size;
        uint32_t log_level;
        uint32_t log_true_size;
        uint32_t flags;
        int32_t token_fd;
    } attr{};
    attr.btf = address(bytes.data());
    attr.size = static_cast<uint32_t>(bytes.size());
    std::string buffer;
    if (log) {
        buffer.resize(1 << 16);
        attr.log_buf = address(buffer.data());
        attr.log_size = static_cast<uint32_t>(buffer.size());
        attr.log_level = 1;
    }
    auto fd = call_fd(BPF_BTF_LOAD, attr, "loading BTF");
    if (log) *log = buffer.c_str();
    return fd;
}

namespace {
AttachAttr attach_attr(const ProgAttach& attach) {
    return {attach.target,
            attach.prog_fd,
            static_cast<uint32_t>(attach.type),
            attach.flags,
            attach.replace_fd,
            attach.relative_fd,
            attach.expected_revision};
}
}  // namespace

Result<void> prog_attach(const ProgAttach& attach) {
    AttachAttr attr = attach_attr(attach);
    return call_void(BPF_PROG_ATTACH, attr, fmt::format("attaching to {}", to_string(attach.type)));
}

Result<void> prog_detach(const ProgAttach& attach) {
    AttachAttr attr = attach_attr(attach);
    return call_void(BPF_PROG_DETACH, attr,
                     fmt::format("detaching from {}", to_string(attach.type)));
}

Result<Attached> prog_query(uint32_t target, AttachType type, uint32_t query_flags) {
    const std::string what = fmt::format("programs at {}", to_string(type));
    ProgQueryAttr attr{
        .target = target, .attach_type = static_cast<uint32_t>(type), .query_flags = query_flags};
    (void)SKEP_TRY(call(BPF_PROG_QUERY, attr, what));
    Attached attached;
    const uint32_t room = attr.count;
    if (room != 0) {
        attached.prog_ids.resize(room);
        attached.link_ids.resize(room);
        attached.flags.resize(room);
        attr.prog_ids = address(attached.prog_ids.data());
        // Flags of each are for cgroups, links for interfaces; the other way round it is EINVAL.
        const bool interface = type == AttachType::TcxIngress || type == AttachType::TcxEgress ||
                               type == AttachType::NetkitPrimary || type == AttachType::NetkitPeer;
        if (interface) attr.link_ids = address(attached.link_ids.data());
        if (interface || (query_flags & kQueryEffective) == 0)
            attr.prog_attach_flags = address(attached.flags.data());
        int result = bpf_call(BPF_PROG_QUERY, attr);
        if (result == -E2BIG || result == -EINVAL) {  // a kernel that has neither list
            attr = {.target = target,
                    .attach_type = static_cast<uint32_t>(type),
                    .query_flags = query_flags,
                    .prog_ids = address(attached.prog_ids.data()),
                    .count = room};
            attached.link_ids.clear();
            attached.flags.clear();
            result = bpf_call(BPF_PROG_QUERY, attr);
        }
        if (result < 0) return std::unexpected(bpf_error(what, -result));
        const size_t count = std::min(room, attr.count);
        attached.prog_ids.resize(count);
        if (!interface) attached.link_ids.clear();
        attached.link_ids.resize(std::min(count, attached.link_ids.size()));
        attached.flags.resize(std::min(count, attached.flags.size()));
    }
    attached.attach_flags = attr.attach_flags;
    attached.revision = attr.revision;
    return attached;
}

Result<UniqueFd> link_create(const LinkCreateAttr& attr) {
    LinkCreateAttr copy = attr;
    return call_fd(BPF_LINK_CREATE, copy,
                   fmt::format("attaching to {}", to_string(AttachType{attr.attach_type})));
}

Result<void> link_update(int link_fd, int new_prog_fd, int old_prog_fd, uint32_t flags) {
    struct {
        uint32_t link_fd;
        uint32_t new_prog_fd;
        uint32_t flags;
        uint32_t old_prog_fd;
    } attr{static_cast<uint32_t>(link_fd), static_cast<uint32_t>(new_prog_fd), flags, 0};
    if (old_prog_fd >= 0) {
        attr.flags |= kReplace;
        attr.old_prog_fd = static_cast<uint32_t>(old_prog_fd);
    }
    return call_void(BPF_LINK_UPDATE, attr, "replacing the program of a link");
}

Result<void> link_detach(int link_fd) {
    FdAttr attr{.fd = static_cast<uint32_t>(link_fd)};
    return call_void(BPF_LINK_DETACH, attr, "detaching a link");
}

Result<UniqueFd> iter_create(int link_fd) {
    FdAttr attr{.fd = static_cast<uint32_t>(link_fd)};
    return call_fd(BPF_ITER_CREATE, attr, "opening an iterator");
}

Result<TaskFd> task_fd_query(uint32_t pid, uint32_t fd) {
    std::array<char, 512> name{};
    struct {
        uint32_t pid;
        uint32_t fd;
        uint32_t flags;
        uint32_t buf_len;
        uint64_t buf;
        uint32_t prog_id;
        uint32_t fd_type;
        uint64_t probe_offset;
        uint64_t probe_addr;
    } attr{};
    attr.pid = pid;
    attr.fd = fd;
    attr.buf_len = name.size();
    attr.buf = address(name.data());
    (void)SKEP_TRY(
        call(BPF_TASK_FD_QUERY, attr, fmt::format("file descriptor {} of process {}", fd, pid)));
    return TaskFd{attr.prog_id, attr.fd_type, name.data(), attr.probe_offset, attr.probe_addr};
}

Result<UniqueFd> enable_stats(uint32_t type) {
    FdAttr attr{.fd = type};
    return call_fd(BPF_ENABLE_STATS, attr, "counting the runs of programs");
}

}  // namespace skep::kernel
