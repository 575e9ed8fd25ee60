// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/result.hpp"
#include "isa/insn.hpp"
#include "kernel/uapi.hpp"
#include "platform/types.hpp"

// bpf(2), typed: the one place from which skep calls it.
//
//     for (uint32_t id : SKEP_TRY(all_ids(ObjectKind::Map))) {
//         UniqueFd map = SKEP_TRY(fd_by_id(ObjectKind::Map, id));
//         bpf_map_info info = SKEP_TRY(map_info(map.get()));
//     }
//
// Errors carry errno (Error::sys_errno), so that callers tell "gone meanwhile" (ENOENT) from
// "may not" (EPERM), and a hint: what this process lacks. EPERM and what the kernel does not know
// are ErrorCode::Unsupported (exit 3).

namespace skep::kernel {

/// The call itself: what the command returns, or -errno. `attr` is zero where not used.
int bpf_call(bpf_cmd command, void* attr, size_t size);
template <typename Attr>
int bpf_call(bpf_cmd command, Attr& attr) {
    return bpf_call(command, &attr, sizeof attr);
}

/// The error of a failed call: "WHAT: Operation not permitted", its class and its hint.
Error bpf_error(std::string what, int error_number);

// Objects by number.

enum class ObjectKind { Prog, Map, Link, Btf };
std::string_view to_string(ObjectKind kind);

/// The next id above `after`, or nothing behind the last.
Result<std::optional<uint32_t>> next_id(ObjectKind kind, uint32_t after);
Result<std::vector<uint32_t>> all_ids(ObjectKind kind);
/// `open_flags`: BPF_F_RDONLY or BPF_F_WRONLY, maps only.
Result<UniqueFd> fd_by_id(ObjectKind kind, uint32_t id, uint32_t open_flags = 0);

/// In/out: what is set of pointers and counts asks for lists.
Result<void> object_info(int fd, void* info, uint32_t size);
Result<bpf_prog_info> prog_info(int fd);
Result<bpf_map_info> map_info(int fd);
Result<LinkInfo> link_info(int fd);
Result<bpf_btf_info> btf_info(int fd);
Result<std::vector<uint32_t>> prog_map_ids(int fd);
Result<std::vector<uint64_t>> prog_ksyms(int fd);
/// Raw BTF, as btf::Btf::parse() takes it.
Result<Bytes> btf_bytes(int fd);

// Pinning. Paths are on a bpffs.

Result<void> pin(int fd, const std::string& path);
/// Any kind of object.
Result<UniqueFd> open_pinned(const std::string& path, uint32_t open_flags = 0);

// Maps. Sizes of keys and values are the caller's business: ask map_info().

Result<UniqueFd> map_create(const MapCreateAttr& attr);
/// Nothing where there is no such element.
Result<bool> map_lookup(int fd, ByteView key, std::span<uint8_t> value, uint64_t flags = 0);
Result<bool> map_lookup_and_delete(int fd, ByteView key, std::span<uint8_t> value,
                                   uint64_t flags = 0);
Result<void> map_update(int fd, ByteView key, ByteView value, uint64_t flags = BPF_ANY);
/// False where there was no such element.
Result<bool> map_delete(int fd, ByteView key);
/// The key behind `key` (null: the first); false behind the last.
Result<bool> map_next_key(int fd, const uint8_t* key, std::span<uint8_t> next);
Result<void> map_freeze(int fd);

struct MapBatch {
    void* in_batch = nullptr;  ///< null to begin
    void* out_batch = nullptr;
    void* keys = nullptr;
    void* values = nullptr;
    uint32_t count = 0;  ///< room, then what was done
    uint64_t elem_flags = 0;
};
/// False when that was the last. ENOTSUP where the map type has no batches.
Result<bool> map_lookup_batch(int fd, MapBatch& batch, bool and_delete = false);
Result<void> map_update_batch(int fd, MapBatch& batch);
Result<void> map_delete_batch(int fd, MapBatch& batch);

// Programs.

struct RawProg {
    ProgType type = ProgType::Unspec;
    isa::InsnView insns;
    AttachType attach = AttachType::None;
    uint32_t attach_btf_id = 0;
    uint32_t attach_fd = 0;
    uint32_t flags = 0;
    std::string_view license = "GPL";
    std::string_view name = {};
    uint32_t log_level = 0;
};
/// A few instructions without BTF. Where `log` is given, it receives the verifier's words.
Result<UniqueFd> prog_load(const RawProg& prog, std::string* log = nullptr);
/// In/out. The caller sets all but the fd.
Result<void> prog_test_run(int fd, TestRunAttr& attr);
Result<UniqueFd> raw_tracepoint_open(int prog_fd, const char* name, uint64_t cookie = 0);
Result<UniqueFd> btf_load(ByteView bytes, std::string* log = nullptr);

// Attaching.

struct ProgAttach {
    uint32_t target = 0;  ///< a file descriptor, or an ifindex
    uint32_t prog_fd = 0;
    AttachType type = AttachType::None;
    uint32_t flags = 0;
    uint32_t replace_fd = 0;
    uint32_t relative_fd = 0;
    uint64_t expected_revision = 0;
};
Result<void> prog_attach(const ProgAttach& attach);
Result<void> prog_detach(const ProgAttach& attach);

struct Attached {
    std::vector<uint32_t> prog_ids;
    std::vector<uint32_t> link_ids;  ///< 0 for each program without a link; empty where not known
    std::vector<uint32_t> flags;     ///< of each program, where the kernel says it
    uint32_t attach_flags = 0;
    uint64_t revision = 0;
};
/// The programs at a hook; `target` is the fd of a cgroup, namespace, map..., or an ifindex.
Result<Attached> prog_query(uint32_t target, AttachType type, uint32_t query_flags = 0);

Result<UniqueFd> link_create(const LinkCreateAttr& attr);
/// `old_prog_fd`: the program that must be there now, or -1 for any.
Result<void> link_update(int link_fd, int new_prog_fd, int old_prog_fd = -1, uint32_t flags = 0);
Result<void> link_detach(int link_fd);
Result<UniqueFd> iter_create(int link_fd);

/// What a perf event's fd of a process is for.
struct TaskFd {
    uint32_t prog_id = 0;
    uint32_t type = 0;  ///< enum bpf_task_fd_type
    std::string name;   ///< tracepoint, function or file
    uint64_t offset = 0;
    uint64_t address = 0;
};
Result<TaskFd> task_fd_query(uint32_t pid, uint32_t fd);

/// Run counts and times of all programs are kept while the fd is open.
Result<UniqueFd> enable_stats(uint32_t type = BPF_STATS_RUN_TIME);

}  // namespace skep::kernel
