// SPDX-License-Identifier: Apache-2.0
// Where programs judge what the processes of a control group do: in a new group without processes.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "kernel/facts.hpp"
#include "kernel/features.hpp"

namespace skep::kernel {

namespace {

/// A control group of its own, removed at the end.
class ScratchGroup {
  public:
    static Result<ScratchGroup> make() {
        const std::string mount = cgroup2_mount();
        if (mount.empty())
            return std::unexpected(
                Error{ErrorCode::Unsupported, "control groups of version 2 are not mounted",
                      "mkdir -p /sys/fs/cgroup/unified; mount -t cgroup2 cgroup2 "
                      "/sys/fs/cgroup/unified",
                      0});
        std::string path = fmt::format("{}/skep-doctor-{}", mount, getpid());
        if (mkdir(path.c_str(), 0755) != 0) return std::unexpected(bpf_error(path, errno));
        UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        ScratchGroup group(std::move(path), std::move(fd));
        if (!group.fd_) return std::unexpected(sys_error(group.path_));
        return group;
    }
    ScratchGroup(ScratchGroup&& other) noexcept
        : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}
    ~ScratchGroup() {
        fd_.reset();
        if (!path_.empty()) rmdir(path_.c_str());
    }
    int fd() const { return fd_.get(); }

  private:
    ScratchGroup(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    std::string path_;
    UniqueFd fd_;
};

ProgType prog_type_of(AttachType type) {
    using enum AttachType;
    switch (type) {
        case CgroupInetIngress:
        case CgroupInetEgress: return ProgType::CgroupSkb;
        case CgroupInetSockCreate:
        case CgroupInet4PostBind:
        case CgroupInet6PostBind:
        case CgroupInetSockRelease: return ProgType::CgroupSock;
        case AttachType::CgroupSockOps: return ProgType::SockOps;
        case AttachType::CgroupDevice: return ProgType::CgroupDevice;
        case AttachType::CgroupSysctl: return ProgType::CgroupSysctl;
        case CgroupGetsockopt:
        case CgroupSetsockopt: return ProgType::CgroupSockopt;
        case LsmCgroup: return ProgType::Lsm;
        default: return ProgType::CgroupSockAddr;
    }
}

constexpr struct {
    AttachType type;
    std::string_view name;
} kAttachTypes[] = {
#define ATTACH_TYPE(name, value, text) {AttachType::name, text},
#include "platform/attach_types.def"
#undef ATTACH_TYPE
};

Result<UniqueFd> attach(const Result<ScratchGroup>& group, AttachType type) {
    if (!group) return std::unexpected(group.error());
    TrivialProg trivial{.type = prog_type_of(type), .attach = type, .result = 1};
    if (type == AttachType::LsmCgroup)
        trivial.attach_btf_id = SKEP_TRY(kernel_type("bpf_lsm_socket_bind"));
    const UniqueFd prog = SKEP_TRY(load_trivial(trivial));
    return link_create(link_attr(prog, static_cast<uint32_t>(group->fd()), type));
}

}  // namespace

std::vector<Finding> probe_cgroup_hooks() {
    const Result<ScratchGroup> group = ScratchGroup::make();
    std::vector<Finding> found;
    for (const auto& row : kAttachTypes)
        if (row.name.starts_with("cgroup_") || row.type == AttachType::LsmCgroup)
            found.push_back(judge(std::string(row.name), "attached", attach(group, row.type)));
    return found;
}

}  // namespace skep::kernel
