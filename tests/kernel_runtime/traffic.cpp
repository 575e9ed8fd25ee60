// SPDX-License-Identifier: Apache-2.0
#include "kernel_runtime/traffic.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "kernel_runtime/sandbox.hpp"

namespace skep::kernel_test {

namespace {
bool readable(int fd, int milliseconds) {
    pollfd wait = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&wait, 1, milliseconds) > 0;
}
}  // namespace

sockaddr_in address(const std::string& host, uint16_t port) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    inet_pton(AF_INET, host.c_str(), &to.sin_addr);
    return to;
}

UniqueFd udp_socket(const std::string& netns, const std::string& host, uint16_t port) {
    const auto inside = must(kernel::NetnsScope::enter(netns));
    UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int room = 4 << 20;
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    const sockaddr_in here = address(host, port);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
        throw std::runtime_error("bind");
    return fd;
}

void send_datagrams(int fd, const std::string& host, uint16_t port, int count, size_t size) {
    const std::vector<char> bytes(size, 'x');
    const sockaddr_in to = address(host, port);
    for (int i = 0; i < count; i++)
        sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
               sizeof to);
}

int count_datagrams(int fd) {
    std::vector<char> bytes(1 << 16);
    int count = 0;
    while (readable(fd, 200) && recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT) >= 0) count++;
    return count;
}

UniqueFd tcp_listener(const std::string& netns, const std::string& host, uint16_t port) {
    const auto inside = must(kernel::NetnsScope::enter(netns));
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int one = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const sockaddr_in here = address(host, port);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
        listen(fd.get(), 64) != 0)
        throw std::runtime_error("listen");
    return fd;
}

UniqueFd tcp_connect(const std::string& netns, const std::string& host, uint16_t port) {
    const auto inside = must(kernel::NetnsScope::enter(netns));
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_in to = address(host, port);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        if (errno != EINPROGRESS) return {};
        pollfd wait = {.fd = fd.get(), .events = POLLOUT, .revents = 0};
        int error = ETIMEDOUT;
        socklen_t size = sizeof error;
        if (poll(&wait, 1, 500) > 0) getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            fd.reset();
            errno = error;
            return {};
        }
    }
    fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
    return fd;
}

UniqueFd tcp_accept(int listener) {
    if (!readable(listener, 500)) return {};
    return UniqueFd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace skep::kernel_test
