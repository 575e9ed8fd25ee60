// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/result.hpp"

// Starts a command under a seccomp filter, so that its own execve is the first call that the filter
// sees. The hard part is to learn what happens in the child without a call that the filter might
// stop: the child shares its descriptor table with us until it execs, so a listener that it makes
// is in our table at once, and it reports through one page of shared memory.
//
//     Launch launch = SKEP_TRY(Launch::prepare(path, argv, filter, Launch::For::Notify));
//     SKEP_TRY(launch.start());          // the child waits; attach to launch.pid() here
//     launch.release();                  // it installs the filter and execs
//     UniqueFd listener = SKEP_TRY(launch.wait_for_listener());
//
// The command inherits what execve passes on: descriptors, directory, environment, the signal mask
// and the dispositions of the time of prepare(). The caller reaps a child that it has released;
// one that it has not dies with the Launch.

namespace skep::hooks {

/// What a shell does with COMMAND before it execs: the file to run, from PATH where the name has no
/// slash, by the rules of execvp(3). Where there is none, the errno that execvp would give.
std::expected<std::string, int> find_command(const std::string& name);

class Launch {
  public:
    enum class For { Notify, Trace };

    /// To run `path` with `argv`, which is not empty.
    static Result<Launch> prepare(std::string path, std::span<const std::string> argv,
                                  std::vector<sock_filter> filter, For purpose);
    Launch(Launch&&) noexcept;
    Launch& operator=(Launch&&) noexcept;
    ~Launch();

    /// Makes the child, which waits for release().
    Result<void> start();
    void release();
    pid_t pid() const { return pid_; }

    /// The seccomp listener, once the child has made it. Fails, and has reaped the child, where it
    /// could not; sys_errno then says why: EBUSY where a filter with a listener is there already.
    Result<UniqueFd> wait_for_listener();

    /// What went wrong in the child, once it has ended: an Error where the filter could not be
    /// installed, else the errno of execve, or 0 where the command ran.
    Result<int> exec_errno() const;

    /// The filter could only be had with no_new_privs: set-uid programs will not gain privileges.
    bool no_new_privs() const;

  private:
    struct Shared;
    struct Plan;
    Launch();
    [[noreturn]] void child() noexcept;

    std::unique_ptr<Plan> plan_;
    Shared* shared_ = nullptr;
    pid_t pid_ = -1;
};

}  // namespace skep::hooks
