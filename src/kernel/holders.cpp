// SPDX-License-Identifier: Apache-2.0
// Who holds what: the descriptors of all processes, and the files of all bpf file systems.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "base/text.hpp"
#include "kernel/bpf.hpp"
#include "kernel/facts.hpp"
#include "kernel/listing.hpp"

namespace skep::kernel {

namespace {

std::string read_text(const std::string& path) {
    const auto bytes = read_file(path);
    return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

/// "map_id:	12" of a descriptor's /proc/PID/fdinfo/FD.
std::optional<uint32_t> id_in(const std::string& fdinfo, std::string_view field) {
    for (const std::string_view line : split(fdinfo, '\n'))
        if (line.starts_with(field))
            if (const auto id = parse_uint(trim(line.substr(field.size()))))
                return static_cast<uint32_t>(*id);
    return std::nullopt;
}

void add(std::vector<Holder>& holders, const Holder& holder) {
    if (holders.empty() || holders.back().pid != holder.pid) holders.push_back(holder);
}

std::string_view hook_of(uint32_t fd_type) {
    switch (fd_type) {
        case BPF_FD_TYPE_RAW_TRACEPOINT: return "raw_tracepoint";
        case BPF_FD_TYPE_TRACEPOINT: return "tracepoint";
        case BPF_FD_TYPE_KPROBE: return "kprobe";
        case BPF_FD_TYPE_KRETPROBE: return "kretprobe";
        case BPF_FD_TYPE_UPROBE: return "uprobe";
        case BPF_FD_TYPE_URETPROBE: return "uretprobe";
        default: return "perf_event";
    }
}

std::string target_of(const TaskFd& task) {
    const bool user = task.type == BPF_FD_TYPE_UPROBE || task.type == BPF_FD_TYPE_URETPROBE;
    if (task.name.empty()) return task.address ? fmt::format("0x{:x}", task.address) : "";
    return task.offset || user ? fmt::format("{}+0x{:x}", task.name, task.offset) : task.name;
}

class Process {
  public:
    Process(uint32_t pid, Holders& out) : pid_(pid), out_(out) {}

    void look() {
        const std::string path = fmt::format("/proc/{}/fd", pid_);
        DIR* directory = opendir(path.c_str());
        if (!directory) {
            if (errno == EACCES || errno == EPERM) out_.hidden_processes++;
            return;
        }
        std::array<char, 64> name;
        while (const dirent* entry = readdir(directory)) {
            const ssize_t length =
                readlinkat(dirfd(directory), entry->d_name, name.data(), name.size());
            if (length > 0) descriptor(entry->d_name, {name.data(), static_cast<size_t>(length)});
        }
        closedir(directory);
    }

  private:
    void descriptor(const char* fd, std::string_view what) {
        if (what == "anon_inode:bpf-prog")
            held(fd, "prog_id:", out_.progs);
        else if (what == "anon_inode:bpf-map")
            held(fd, "map_id:", out_.maps);
        else if (what == "anon_inode:bpf_link" || what == "anon_inode:bpf-link")
            held(fd, "link_id:", out_.links);
        else if (what == "anon_inode:[perf_event]")
            perf_event(static_cast<uint32_t>(parse_uint(fd).value_or(0)));
    }

    void held(const char* fd, std::string_view field,
              std::map<uint32_t, std::vector<Holder>>& out) {
        if (const auto id = id_in(read_text(fmt::format("/proc/{}/fdinfo/{}", pid_, fd)), field))
            add(out[*id], holder());
    }

    void perf_event(uint32_t fd) {
        const auto task = task_fd_query(pid_, fd);
        if (!task || task->prog_id == 0) return;
        add(out_.progs[task->prog_id], holder());
        out_.perf_events.push_back(
            {task->prog_id, {std::string(hook_of(task->type)), target_of(*task), 0}});
    }

    const Holder& holder() {
        if (holder_.pid == 0)
            holder_ = {pid_, std::string(trim(read_text(fmt::format("/proc/{}/comm", pid_))))};
        return holder_;
    }

    uint32_t pid_;
    Holders& out_;
    Holder holder_;
};

}  // namespace

Holders find_holders() {
    Holders out;
    DIR* proc = opendir("/proc");
    if (!proc) return out;
    while (const dirent* entry = readdir(proc)) {
        const auto pid = parse_uint(entry->d_name);
        if (pid && *pid != static_cast<uint64_t>(getpid()))
            Process(static_cast<uint32_t>(*pid), out).look();
    }
    closedir(proc);
    return out;
}

namespace {

/// What a descriptor is, by the name that the kernel gives it.
void put_pin(const std::string& path, Pins& out) {
    auto fd = open_pinned(path);
    if (!fd && fd.error().sys_errno == EACCES) fd = open_pinned(path, BPF_F_RDONLY);
    if (!fd) return;
    std::array<char, 64> name;
    const ssize_t length =
        readlink(fmt::format("/proc/self/fd/{}", fd->get()).c_str(), name.data(), name.size());
    const std::string_view what(name.data(), static_cast<size_t>(std::max<ssize_t>(length, 0)));
    if (what.ends_with("bpf-prog")) {
        if (const auto info = prog_info(fd->get())) out.progs[info->id].push_back(path);
    } else if (what.ends_with("bpf-map")) {
        if (const auto info = map_info(fd->get())) out.maps[info->id].push_back(path);
    } else if (const auto info = link_info(fd->get())) {
        out.links[info->id].push_back(path);
    }
}

}  // namespace

Pins find_pins() {
    Pins out;
    namespace fs = std::filesystem;
    for (const std::string& root : mounted("bpf")) {
        std::error_code error;
        fs::recursive_directory_iterator files(root, fs::directory_options::skip_permission_denied,
                                               error);
        for (; !error && files != fs::recursive_directory_iterator(); files.increment(error))
            if (files->symlink_status(error).type() == fs::file_type::regular)
                put_pin(files->path().string(), out);
    }
    for (auto* kind : {&out.progs, &out.links, &out.maps})
        for (auto& [id, paths] : *kind) {  // a file system may be mounted in several places
            std::ranges::sort(paths);
            paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
        }
    return out;
}

}  // namespace skep::kernel
