// SPDX-License-Identifier: Apache-2.0
#include "kernel/pin.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/text.hpp"

namespace skep::kernel {

bool in_bpffs(const std::string& path) {
    struct statfs fs = {};
    if (statfs(path.c_str(), &fs) != 0) {
        const std::string parent = std::filesystem::path(path).parent_path();
        if (statfs(parent.empty() ? "." : parent.c_str(), &fs) != 0) return false;
    }
    return static_cast<uint32_t>(fs.f_type) == BPF_FS_MAGIC;
}

namespace {
Result<void> check(const std::string& path) {
    if (in_bpffs(path)) return {};
    return std::unexpected(Error{
        ErrorCode::Unsupported, fmt::format("'{}' is not in a bpf file system", printable(path)),
        "mount one: mount -t bpf bpf /sys/fs/bpf (as root), and pin below /sys/fs/bpf", 0});
}
}  // namespace

std::optional<ObjectKind> kind_of(int fd) {
    // Information about any object fits any of the structs, so the kernel's name of it decides.
    char name[64] = {};
    const ssize_t length =
        readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), name, sizeof(name) - 1);
    const std::string_view text(name, length > 0 ? static_cast<size_t>(length) : 0);
    if (text.ends_with("bpf-map")) return ObjectKind::Map;
    if (text.ends_with("bpf-prog")) return ObjectKind::Prog;
    if (text.ends_with("bpf_link") || text.ends_with("bpf-link")) return ObjectKind::Link;
    return std::nullopt;
}

Result<UniqueFd> open_pinned_as(ObjectKind kind, const std::string& path) {
    UniqueFd fd = SKEP_TRY(kernel::open_pinned(path));
    const auto here = kind_of(fd.get());
    if (here == kind) return fd;
    return fail(ErrorCode::Usage, "'{}' is a pinned {}, not a {}", printable(path),
                here ? to_string(*here) : "object", to_string(kind));
}

Result<void> pin_at(int fd, const std::string& path) {
    SKEP_TRY(check(path));
    auto done = kernel::pin(fd, path);
    if (done) return {};
    Error error = std::move(done).error();
    if (error.sys_errno == EEXIST)
        error.hint = "something is pinned there; unpin it, or choose another name";
    if (error.sys_errno == EPERM && path.rfind('.') != std::string::npos)
        error.hint = "names in a bpf file system have no dots";
    return std::unexpected(std::move(error));
}

Result<void> unpin(const std::string& path) {
    SKEP_TRY(check(path));
    if (::unlink(path.c_str()) == 0) return {};
    return std::unexpected(sys_error(fmt::format("unpin '{}'", printable(path)), errno));
}

}  // namespace skep::kernel
