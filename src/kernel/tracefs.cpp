// SPDX-License-Identifier: Apache-2.0
#include "kernel/tracefs.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.hpp"

namespace skep::kernel {

namespace {

UniqueFd open_mounted(const char* path) {
    UniqueFd fd(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct statfs fs = {};
    if (fd && fstatfs(fd.get(), &fs) == 0 && static_cast<uint32_t>(fs.f_type) == TRACEFS_MAGIC)
        return fd;
    return {};
}

UniqueFd mount_unseen() {
    const UniqueFd context(fsopen("tracefs", FSOPEN_CLOEXEC));
    if (!context || fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return {};
    return UniqueFd(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
}

Result<UniqueFd> open_tracefs() {
    for (const char* path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"})
        if (UniqueFd fd = open_mounted(path)) return fd;
    if (UniqueFd fd = mount_unseen()) return fd;
    Error error = sys_error("tracefs", errno);
    error.code = ErrorCode::Unsupported;
    error.hint = "as root: mount -t tracefs none /sys/kernel/tracing";
    return std::unexpected(std::move(error));
}

}  // namespace

Result<int> tracefs() {
    static const Result<UniqueFd> root = open_tracefs();
    if (!root) return std::unexpected(root.error());
    return root->get();
}

Result<std::string> read_tracefs(const std::string& path) {
    const int root = SKEP_TRY(tracefs());
    const UniqueFd fd(openat(root, path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(sys_error(fmt::format("tracefs {}", printable(path))));
    const Bytes bytes = SKEP_TRY(read_fd(fd.get(), "tracefs " + path));
    return std::string(bytes.begin(), bytes.end());
}

Result<uint64_t> tracepoint_id(const std::string& category, const std::string& name) {
    // Names come from users; they must not lead elsewhere.
    if (category.find("..") != std::string::npos || name.find('/') != std::string::npos)
        return fail(ErrorCode::Usage, "'{}/{}' is not a tracepoint", printable(category),
                    printable(name));
    const std::string text = SKEP_TRY(read_tracefs(fmt::format("events/{}/{}/id", category, name)));
    const auto id = parse_uint(trim(text));
    if (!id) return malformed("tracepoint {}/{} has no id", category, name);
    return *id;
}

}  // namespace skep::kernel
