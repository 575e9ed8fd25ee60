// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/file.hpp"
#include "base/result.hpp"

// Network namespaces. Interface numbers, XDP, tc, netfilter and routes are those of the calling
// thread's namespace.
//
//     const NetnsScope inside = SKEP_TRY(NetnsScope::enter("/var/run/netns/blue"));
//     ... if_nametoindex("eth0") ...

namespace skep::kernel {

class NetnsScope {
  public:
    /// Moves the calling thread into the namespace until the scope ends. An empty path stays where
    /// it is. "blue" is short for /var/run/netns/blue.
    static Result<NetnsScope> enter(const std::string& path);
    static Result<NetnsScope> enter(int netns_fd);
    NetnsScope(NetnsScope&&) = default;
    NetnsScope& operator=(NetnsScope&&) = delete;
    ~NetnsScope();

  private:
    NetnsScope() = default;
    UniqueFd before_;
};

/// The calling thread's namespace.
Result<UniqueFd> current_netns();

/// Where a name or path of a namespace is: "blue" is /var/run/netns/blue.
std::string netns_path(const std::string& name);

}  // namespace skep::kernel
