// SPDX-License-Identifier: Apache-2.0
#include "kernel/link.hpp"

#include <bpf/libbpf.h>

#include <cerrno>

#include "base/text.hpp"
#include "kernel/bpf.hpp"
#include "kernel/pin.hpp"

namespace skep::kernel {

namespace {

Result<LinkState> state_of(int fd) {
    const LinkInfo info = SKEP_TRY(link_info(fd));
    const auto type = static_cast<LinkType>(info.type);
    LinkState state{.kind = std::string(to_string(type)), .id = info.id, .prog_id = info.prog_id};
    switch (type) {
        case LinkType::Xdp:
            state.ifindex = info.xdp.ifindex;
            state.gone = state.ifindex == 0;
            break;
        case LinkType::Tcx:
        case LinkType::Netkit:
            state.ifindex = info.tcx.ifindex;
            state.gone = state.ifindex == 0;
            break;
        case LinkType::Cgroup: state.gone = info.cgroup.cgroup_id == 0; break;
        case LinkType::Netns: state.gone = info.netns.netns_ino == 0; break;
        default: break;
    }
    return state;
}

Result<void> update_link(int fd, const Prog& next, const Prog* expected) {
    auto done = link_update(fd, next.fd(), expected ? expected->fd() : -1);
    if (done) return {};
    Error error = std::move(done).error();
    // ENOLINK, EINVAL and ENODEV come from hooks whose interface or cgroup has gone.
    if (const auto state = state_of(fd); state && state->gone) {
        error.message =
            fmt::format("what the {} link was attached to is gone: {}", state->kind, error.message);
        error.hint = "attach anew once it is back";
    } else if (error.sys_errno == EPERM && expected) {
        error.hint = "another program is there by now";
    } else if (error.sys_errno == EINVAL || error.sys_errno == EOPNOTSUPP) {
        error.code = ErrorCode::Unsupported;
        error.hint = fmt::format(
            "this kernel cannot replace the program of a {} link; attach the "
            "new one, then detach the old one",
            state ? state->kind : "such");
    }
    return std::unexpected(std::move(error));
}

class FdLink final : public Link {
  public:
    explicit FdLink(UniqueFd fd) : fd_(std::move(fd)) {}

    Result<void> update(const Prog& next, const Prog* expected) override {
        return update_link(fd_.get(), next, expected);
    }
    Result<void> pin(const std::string& path) override { return pin_at(fd_.get(), path); }
    Result<void> detach() override {
        // Without BPF_LINK_DETACH (tracing links), the last descriptor's end has to do.
        auto done = link_detach(fd_.get());
        if (done || done.error().sys_errno == EOPNOTSUPP) {
            if (!done) fd_.reset();
            return {};
        }
        return done;
    }
    Result<LinkState> state() const override { return state_of(fd_.get()); }
    int fd() const override { return fd_.get(); }

  private:
    UniqueFd fd_;
};

class LibbpfLink final : public Link {
  public:
    LibbpfLink(bpf_link* link, std::shared_ptr<const void> owner)
        : owner_(std::move(owner)), link_(link) {}
    ~LibbpfLink() override { bpf_link__destroy(link_); }

    Result<void> update(const Prog& next, const Prog* expected) override {
        return update_link(fd(), next, expected);
    }
    Result<void> pin(const std::string& path) override {
        // Not bpf_link__pin(): it would remember the path, and leave a link of its own kinds
        // attached by what it does not own.
        return pin_at(fd(), path);
    }
    Result<void> detach() override {
        bpf_link__destroy(link_);
        link_ = nullptr;
        return {};
    }
    Result<LinkState> state() const override {
        if (auto state = state_of(fd())) return state;
        return LinkState{.kind = "perf_event"};  // before 5.15: a perf event, not a link
    }
    int fd() const override { return link_ ? bpf_link__fd(link_) : -1; }

  private:
    std::shared_ptr<const void> owner_;  ///< the object; must go after the link
    bpf_link* link_;
};

}  // namespace

Result<void> Link::update(const Prog&, const Prog*) {
    const auto here = state();
    return std::unexpected(Error{ErrorCode::Unsupported,
                                 fmt::format("a program at a {} hook cannot be replaced in place",
                                             here ? here->kind : "such"),
                                 "attach the new one, then detach the old one", EOPNOTSUPP});
}

Result<void> Link::pin(const std::string& path) {
    const auto here = state();
    return std::unexpected(Error{ErrorCode::Unsupported,
                                 fmt::format("'{}': what is attached to a {} hook cannot be pinned",
                                             printable(path), here ? here->kind : "such"),
                                 "it lasts as long as what it is attached to", EOPNOTSUPP});
}

LinkPtr make_link(UniqueFd fd) {
    return std::make_unique<FdLink>(std::move(fd));
}

LinkPtr make_link(bpf_link* link, std::shared_ptr<const void> owner) {
    return std::make_unique<LibbpfLink>(link, std::move(owner));
}

Result<LinkPtr> Link::open_pinned(const std::string& path) {
    return make_link(SKEP_TRY(open_pinned_as(ObjectKind::Link, path)));
}

Result<LinkPtr> Link::open_id(uint32_t id) {
    return make_link(SKEP_TRY(fd_by_id(ObjectKind::Link, id)));
}

}  // namespace skep::kernel
