// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>

#include <string>

#include "base/file.hpp"

// Sockets in a namespace of choice, and what gets through between them.

namespace skep::kernel_test {

sockaddr_in address(const std::string& host, uint16_t port);

/// Bound, with a receive buffer for thousands of datagrams.
UniqueFd udp_socket(const std::string& netns, const std::string& host, uint16_t port);
/// `count` datagrams of `size` bytes.
void send_datagrams(int fd, const std::string& host, uint16_t port, int count, size_t size = 64);
/// How many datagrams there are, until none comes for a while.
int count_datagrams(int fd);

UniqueFd tcp_listener(const std::string& netns, const std::string& host, uint16_t port);
/// -1 with errno where it is refused or nothing answers for 0.5 s.
UniqueFd tcp_connect(const std::string& netns, const std::string& host, uint16_t port);
UniqueFd tcp_accept(int listener);

/// How many of 50 datagrams sent from one namespace arrive at the other's address.
struct Delivery {
    UniqueFd from, to;
    std::string host;
    uint16_t port;
    int send50() {
        send_datagrams(from.get(), host, port, 50);
        return count_datagrams(to.get());
    }
};

}  // namespace skep::kernel_test
