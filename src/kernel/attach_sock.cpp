// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/text.hpp"
#include "kernel/attach_hooks.hpp"
#include "kernel/refused.hpp"

// Programs of one socket, and of the sockets in a map. The kernel knows no links of them (of maps,
// from 6.10 on); they go with the socket or the map, so a killed process leaves nothing.

namespace skep::kernel {

namespace {

class SocketLink final : public Link {
  public:
    SocketLink(UniqueFd socket, int attach_option, int detach_option, Prog prog)
        : socket_(std::move(socket)),
          attach_option_(attach_option),
          detach_option_(detach_option),
          prog_(std::move(prog)) {}
    ~SocketLink() override { (void)detach(); }

    Result<void> update(const Prog& next, const Prog* expected) override {
        if (expected && expected->fd() != prog_.fd())
            return std::unexpected(sys_error("replace the program of a socket", EPERM));
        const int fd = next.fd();
        if (setsockopt(socket_.get(), SOL_SOCKET, attach_option_, &fd, sizeof fd) != 0)
            return std::unexpected(sys_error(attaching(next, "a socket")));
        prog_ = next;
        return {};
    }
    Result<void> detach() override {
        if (!socket_) return {};
        int unused = 0;
        const int result =
            setsockopt(socket_.get(), SOL_SOCKET, detach_option_, &unused, sizeof unused);
        const int error_number = errno;
        socket_.reset();
        if (result == 0) return {};
        return std::unexpected(sys_error("detach from a socket", error_number));
    }
    Result<LinkState> state() const override {
        return LinkState{.kind = "socket", .prog_id = prog_.id(), .gone = !socket_};
    }

  private:
    UniqueFd socket_;  ///< our own descriptor of it, which keeps the socket open
    int attach_option_, detach_option_;
    Prog prog_;
};

Result<LinkPtr> attach_socket(const Prog& prog, const AttachTo& to, int attach_option,
                              int detach_option) {
    if (to.socket < 0) return not_given(prog, "the socket", "its file descriptor");
    UniqueFd socket(fcntl(to.socket, F_DUPFD_CLOEXEC, 0));
    const int fd = prog.fd();
    if (!socket || setsockopt(socket.get(), SOL_SOCKET, attach_option, &fd, sizeof fd) != 0)
        return std::unexpected(attach_error(attaching(prog, "a socket"), "", errno));
    return std::make_unique<SocketLink>(std::move(socket), attach_option, detach_option, prog);
}

/// BPF_PROG_ATTACH to a map: what kernels before 6.10 have.
class SockmapLink final : public Link {
  public:
    SockmapLink(Map map, AttachType type, Prog prog)
        : map_(std::move(map)), type_(type), prog_(std::move(prog)) {}
    ~SockmapLink() override { (void)detach(); }

    Result<void> update(const Prog& next, const Prog*) override {
        SKEP_TRY(prog_attach({.target = static_cast<uint32_t>(map_.fd()),
                              .prog_fd = static_cast<uint32_t>(next.fd()),
                              .type = type_}));
        prog_ = next;
        return {};
    }
    Result<void> detach() override {
        if (std::exchange(detached_, true)) return {};
        return prog_detach({.target = static_cast<uint32_t>(map_.fd()),
                            .prog_fd = static_cast<uint32_t>(prog_.fd()),
                            .type = type_});
    }
    Result<LinkState> state() const override {
        return LinkState{.kind = "sockmap", .prog_id = prog_.id(), .gone = detached_};
    }

  private:
    Map map_;
    AttachType type_;
    Prog prog_;
    bool detached_ = false;
};

}  // namespace

Result<LinkPtr> attach_socket_filter(const Prog& prog, const AttachTo& to) {
    return attach_socket(prog, to, SO_ATTACH_BPF, SO_DETACH_FILTER);
}

Result<LinkPtr> attach_reuseport(const Prog& prog, const AttachTo& to) {
    return attach_socket(prog, to, SO_ATTACH_REUSEPORT_EBPF, SO_DETACH_REUSEPORT_BPF);
}

Result<LinkPtr> attach_sockmap(const Prog& prog, const AttachTo& to) {
    if (!to.map)
        return not_given(prog, "the sockmap",
                         "a map of type sockmap or sockhash of the same object");
    AttachType type = to.attach_type != AttachType::None ? to.attach_type : prog.attach_type();
    if (type == AttachType::None) type = AttachType::SkSkbVerdict;
    const std::string where = fmt::format("map '{}'", to.map->info().name);
    auto fd = link_create(link_attr(prog.fd(), static_cast<uint32_t>(to.map->fd()), type));
    if (fd) return make_link(std::move(*fd));
    if (fd.error().sys_errno == EBUSY || fd.error().sys_errno == EEXIST)
        return std::unexpected(attach_error(attaching(prog, where), "", fd.error().sys_errno));
    if (auto done = prog_attach({.target = static_cast<uint32_t>(to.map->fd()),
                                 .prog_fd = static_cast<uint32_t>(prog.fd()),
                                 .type = type});
        !done)
        return std::unexpected(attach_error(attaching(prog, where), "", done.error().sys_errno));
    return std::make_unique<SockmapLink>(SKEP_TRY(to.map->dup()), type, prog);
}

}  // namespace skep::kernel
