// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/text.hpp"
#include "kernel/events.hpp"
#include "kernel/tracefs.hpp"

namespace skep::kernel {

namespace {

constexpr std::string_view kEvent = "bpf_trace_printk: ";

Result<void> write_tracefs(int root, const std::string& path, std::string_view text) {
    const UniqueFd fd(openat(root, path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(sys_error(fmt::format("tracefs {}", path)));
    return write_fd(fd.get(), bytes_of(text), path);
}

/// Instances of processes that are no more.
void sweep(int root) {
    const int fd = openat(root, "instances", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    const std::unique_ptr<DIR, int (*)(DIR*)> list(fdopendir(fd), closedir);
    if (!list) return;
    while (const dirent* entry = readdir(list.get())) {
        int pid = 0, end = 0;
        if (std::sscanf(entry->d_name, "skep-%d-%*d%n", &pid, &end) != 1 || pid <= 0) continue;
        if (kill(pid, 0) != 0 && errno == ESRCH) unlinkat(fd, entry->d_name, AT_REMOVEDIR);
    }
}

/// The place of our own instance in tracefs, made and switched on; empty where that cannot be.
std::string make_instance(int root) {
    static int count = 0;
    const std::string path = fmt::format("instances/skep-{}-{}", getpid(), count++);
    if (mkdirat(root, path.c_str(), 0700) != 0) return {};
    if (write_tracefs(root, path + "/events/bpf_trace/bpf_trace_printk/enable", "1")) return path;
    unlinkat(root, path.c_str(), AT_REMOVEDIR);
    return {};
}

}  // namespace

std::optional<PrintkLine> parse_printk(std::string_view line) {
    // "           <...>-1234    [001] b..31   123.456789: bpf_trace_printk: text". A comm may hold
    // anything, so all is found from the event's name backwards.
    const size_t event = line.find(kEvent);
    if (event == std::string_view::npos || event < 2) return std::nullopt;
    const std::string_view head = trim(line.substr(0, event));
    const size_t bracket = head.rfind('[');
    const size_t space = head.rfind(' ');
    if (bracket == std::string_view::npos || space == std::string_view::npos || space < bracket)
        return std::nullopt;
    PrintkLine out;
    out.text = std::string(line.substr(event + kEvent.size()));
    out.seconds = std::strtod(std::string(head.substr(space + 1)).c_str(), nullptr);
    out.cpu = static_cast<uint32_t>(
        std::strtoul(std::string(head.substr(bracket + 1)).c_str(), nullptr, 10));
    const std::string_view task = trim(head.substr(0, bracket));
    const size_t dash = task.rfind('-');
    if (dash == std::string_view::npos) return std::nullopt;
    out.comm = std::string(trim(task.substr(0, dash)));
    out.pid = static_cast<uint32_t>(
        std::strtoul(std::string(task.substr(dash + 1)).c_str(), nullptr, 10));
    return out;
}

Result<Printk> Printk::open(OnLine on_line) {
    const int root = SKEP_TRY(tracefs());
    Printk printk;
    printk.on_line_ = std::move(on_line);
    sweep(root);
    printk.instance_ = make_instance(root);
    const std::string path =
        printk.instance_.empty() ? "trace_pipe" : printk.instance_ + "/trace_pipe";
    printk.pipe_.reset(openat(root, path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!printk.pipe_) return std::unexpected(sys_error("tracefs trace_pipe"));
    return printk;
}

Printk::~Printk() {
    if (instance_.empty() || !pipe_) return;
    pipe_.reset();  // an instance in use stays
    const auto root = tracefs();
    if (root) unlinkat(*root, instance_.c_str(), AT_REMOVEDIR);
}

uint64_t Printk::take_lines() {
    uint64_t lines = 0;
    size_t from = 0;
    for (size_t end; (end = rest_.find('\n', from)) != std::string::npos; from = end + 1) {
        const std::string_view line = std::string_view(rest_).substr(from, end - from);
        // "CPU:1 [LOST 17 EVENTS]"
        if (const size_t lost = line.find("[LOST "); lost != std::string_view::npos) {
            lost_ += std::strtoull(std::string(line.substr(lost + 6)).c_str(), nullptr, 10);
        } else if (const auto parsed = parse_printk(line)) {
            on_line_(*parsed);
            lines++;
        }
    }
    rest_.erase(0, from);
    return lines;
}

Result<uint64_t> Printk::consume() {
    std::array<char, 1 << 16> buffer;
    uint64_t lines = 0;
    for (;;) {
        const ssize_t got = read(pipe_.get(), buffer.data(), buffer.size());
        if (got > 0) {
            rest_.append(buffer.data(), static_cast<size_t>(got));
            lines += take_lines();
            continue;
        }
        if (got == 0 || errno == EAGAIN || errno == EINTR) return lines;
        return std::unexpected(sys_error("reading trace_pipe"));
    }
}

Result<uint64_t> Printk::poll(int milliseconds) {
    pollfd wait = {.fd = pipe_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, milliseconds) < 0 && errno != EINTR)
        return std::unexpected(sys_error("waiting for trace_pipe"));
    return consume();
}

}  // namespace skep::kernel
