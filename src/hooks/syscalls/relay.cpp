// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/relay.hpp"

#include <cerrno>

namespace skep::hooks {

std::atomic<SignalRelay*> SignalRelay::active_ = nullptr;

SignalRelay::SignalRelay(StopRequest& stop) : stop_(stop) {
    SKEP_CHECK(active_.exchange(this) == nullptr);
    struct sigaction action{};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    for (size_t i = 0; i < kRelayed.size(); i++) {
        sigaction(kRelayed[i], nullptr, &before_[i]);
        if (before_[i].sa_handler != SIG_IGN) sigaction(kRelayed[i], &action, nullptr);
    }
    // Ignored, it would take the command's status away from us.
    struct sigaction child{};
    child.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, nullptr, &child_before_);
    if (child_before_.sa_handler == SIG_IGN) sigaction(SIGCHLD, &child, nullptr);
}

SignalRelay::~SignalRelay() {
    for (size_t i = 0; i < kRelayed.size(); i++) sigaction(kRelayed[i], &before_[i], nullptr);
    sigaction(SIGCHLD, &child_before_, nullptr);
    active_ = nullptr;
}

void SignalRelay::handle(int signal, siginfo_t* info, void*) {
    SignalRelay* relay = active_;
    if (!relay) return;
    const int saved_errno = errno;
    const pid_t command = relay->command_;
    if (command <= 0)
        relay->stop_.request();
    else if (info->si_code != SI_KERNEL)  // that is the terminal, which tells its whole group
        kill(command, signal);
    errno = saved_errno;
}

}  // namespace skep::hooks
