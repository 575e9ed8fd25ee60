// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/launch.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/text.hpp"

namespace skep::hooks {
namespace {

// Since Linux 5.19; Debian 12's headers have it, older ones may not.
constexpr unsigned long kWaitKillable = 1UL << 5;

constexpr std::string_view kDefaultPath = "/bin:/usr/bin";

/// 0 where execve has a chance, else the errno that it would fail with.
int executable_errno(const std::string& path) {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return errno;
    if (!S_ISREG(info.st_mode)) return EACCES;
    return faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

long futex(std::atomic<int>& word, int operation, int value) {
    return syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

}  // namespace

std::expected<std::string, int> find_command(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        if (const int error = executable_errno(name)) return std::unexpected(error);
        return name;
    }
    if (name.empty()) return std::unexpected(ENOENT);
    const char* variable = std::getenv("PATH");
    int found_but = ENOENT;
    for (const std::string_view directory : split(variable ? variable : kDefaultPath, ':')) {
        std::string path = directory.empty() ? name : fmt::format("{}/{}", directory, name);
        const int error = executable_errno(path);
        if (error == 0) return path;
        if (error == EACCES) found_but = EACCES;
    }
    return std::unexpected(found_but);
}

/// What the child tells, in memory that both map.
struct Launch::Shared {
    std::atomic<int> go = 0;
    std::atomic<int> listener = -1;
    std::atomic<int> filter_errno = 0;
    std::atomic<int> exec_errno = 0;
    std::atomic<bool> no_new_privs = false;
};

/// All that the child needs, made before it exists: after a raw clone it may not allocate.
struct Launch::Plan {
    std::vector<std::string> words;
    std::string path;
    std::vector<char*> argv;
    std::vector<char*> shell_argv;
    std::vector<sock_filter> filter;
    For purpose = For::Notify;
    std::array<bool, NSIG> ignored{};
    sigset_t mask{};
    pid_t parent = 0;
};

Launch::Launch() = default;
Launch::Launch(Launch&& other) noexcept
    : plan_(std::move(other.plan_)),
      shared_(std::exchange(other.shared_, nullptr)),
      pid_(std::exchange(other.pid_, -1)) {}
Launch& Launch::operator=(Launch&& other) noexcept {
    std::swap(plan_, other.plan_);
    std::swap(shared_, other.shared_);
    std::swap(pid_, other.pid_);
    return *this;
}
Launch::~Launch() {
    if (!shared_) return;
    if (pid_ > 0 && shared_->go == 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, __WALL);
    }
    munmap(shared_, sizeof(Shared));
}

Result<Launch> Launch::prepare(std::string path, std::span<const std::string> argv,
                               std::vector<sock_filter> filter, For purpose) {
    Launch launch;
    launch.plan_ = std::make_unique<Plan>();
    Plan& plan = *launch.plan_;
    plan.words.assign(argv.begin(), argv.end());
    plan.path = std::move(path);
    for (std::string& word : plan.words) plan.argv.push_back(word.data());
    plan.argv.push_back(nullptr);
    // A script without "#!" is the shell's, as with execvp.
    static char shell[] = "/bin/sh";
    plan.shell_argv = {shell, plan.path.data()};
    plan.shell_argv.insert(plan.shell_argv.end(), plan.argv.begin() + 1, plan.argv.end());
    plan.filter = std::move(filter);
    plan.purpose = purpose;
    plan.parent = getpid();
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action{};
        plan.ignored[static_cast<size_t>(signal)] =
            sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
    }
    sigprocmask(SIG_SETMASK, nullptr, &plan.mask);

    void* page =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return std::unexpected(sys_error("mmap"));
    launch.shared_ = new (page) Shared;
    return launch;
}

Result<void> Launch::start() {
    sigset_t all;
    sigfillset(&all);
    sigset_t before;
    pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler of ours may run in the child
    const long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    const int error = errno;
    if (pid == 0) child();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return std::unexpected(sys_error("cannot start a process", error));
    pid_ = static_cast<pid_t>(pid);
    return {};
}

void Launch::release() {
    shared_->go = 1;
    futex(shared_->go, FUTEX_WAKE, 1);
}

// Runs in a copy of a process that may have had other threads: system calls only.
void Launch::child() noexcept {
    // A filter cannot be taken off, and without us its calls fail with ENOSYS.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != plan_->parent) _exit(127);
    while (shared_->go == 0) futex(shared_->go, FUTEX_WAIT, 0);

    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action{};
        action.sa_handler = plan_->ignored[static_cast<size_t>(signal)] ? SIG_IGN : SIG_DFL;
        sigaction(signal, &action, nullptr);
    }
    sigprocmask(SIG_SETMASK, &plan_->mask, nullptr);

    const sock_fprog program{static_cast<unsigned short>(plan_->filter.size()),
                             plan_->filter.data()};
    // SPEC_ALLOW: this is no sandbox, so it need not slow the command down by mitigations.
    unsigned long flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    if (plan_->purpose == For::Notify) flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER | kWaitKillable;
    const auto install = [&] {
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    };
    long fd = install();
    if (fd < 0 && errno == EINVAL && (flags & kWaitKillable)) {
        flags &= ~kWaitKillable;
        fd = install();
    }
    if (fd < 0 && errno == EACCES) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        shared_->no_new_privs = true;
        fd = install();
    }
    if (fd < 0) {
        shared_->filter_errno = errno;
        _exit(127);
    }
    if (plan_->purpose == For::Notify) shared_->listener = static_cast<int>(fd);

    execve(plan_->path.c_str(), plan_->argv.data(), environ);
    if (errno == ENOEXEC) execve(plan_->shell_argv[0], plan_->shell_argv.data(), environ);
    shared_->exec_errno = errno;
    _exit(errno == ENOENT ? 127 : 126);
}

Result<UniqueFd> Launch::wait_for_listener() {
    // No call of the child's may say "done", for the filter might stop it: look, every 20 us.
    // It takes one or two looks.
    for (;;) {
        siginfo_t ended{};
        waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT);
        if (const int fd = shared_->listener; fd >= 0) return UniqueFd(fd);
        if (ended.si_pid == pid_) break;
        const timespec pause{0, 20'000};
        nanosleep(&pause, nullptr);
    }
    waitpid(pid_, nullptr, 0);
    return std::unexpected(sys_error("cannot install a seccomp filter", shared_->filter_errno));
}

Result<int> Launch::exec_errno() const {
    if (shared_->filter_errno != 0)
        return std::unexpected(sys_error("cannot install a seccomp filter", shared_->filter_errno));
    return shared_->exec_errno.load();
}

bool Launch::no_new_privs() const {
    return shared_->no_new_privs;
}

}  // namespace skep::hooks
