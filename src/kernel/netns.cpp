// SPDX-License-Identifier: Apache-2.0
#include "kernel/netns.hpp"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>

#include "base/text.hpp"

namespace skep::kernel {

Result<UniqueFd> current_netns() {
    UniqueFd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(sys_error("this thread's network namespace"));
    return fd;
}

std::string netns_path(const std::string& name) {
    return name.find('/') == std::string::npos ? "/var/run/netns/" + name : name;
}

Result<NetnsScope> NetnsScope::enter(const std::string& path) {
    if (path.empty()) return NetnsScope();
    const UniqueFd fd(open(netns_path(path).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return std::unexpected(sys_error(fmt::format("network namespace '{}'", printable(path))));
    return enter(fd.get());
}

Result<NetnsScope> NetnsScope::enter(int netns_fd) {
    NetnsScope scope;
    scope.before_ = SKEP_TRY(current_netns());
    if (setns(netns_fd, CLONE_NEWNET) != 0) {
        Error error = sys_error("entering a network namespace");
        scope.before_.reset();
        return std::unexpected(std::move(error));
    }
    return scope;
}

NetnsScope::~NetnsScope() {
    // Going back to where the thread came from: if that fails, going on would act on the wrong
    // interfaces.
    if (before_) SKEP_CHECK(setns(before_.get(), CLONE_NEWNET) == 0);
}

}  // namespace skep::kernel
