// SPDX-License-Identifier: Apache-2.0
#include "engine/helpers/packet.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "engine/packet/packet_buffer.hpp"
#include "packet/csum.hpp"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71  // Linux 5.14
#endif

namespace skep::engine {

namespace {

using platform::HelperId;

uint64_t csum_diff(Execution&, uint64_t from, uint64_t from_size, uint64_t to, uint64_t to_size,
                   uint64_t seed) {
    const auto view = [](uint64_t address, uint64_t size) {
        return ByteView(reinterpret_cast<const uint8_t*>(address), static_cast<uint32_t>(size));
    };
    return packet::csum_diff(view(from, from_size), view(to, to_size), static_cast<uint32_t>(seed));
}

const SocketInfo* socket_of(Execution& x) {
    PacketBuffer* packet = packet_of(x);
    if (!packet || packet->kind() != PacketBuffer::Kind::Skb) return nullptr;
    const auto& socket = packet->hidden().socket;
    return socket ? &*socket : nullptr;
}

uint64_t get_socket_cookie(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    const SocketInfo* socket = socket_of(x);
    return socket ? socket->cookie : 0;
}

uint64_t get_socket_uid(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    const SocketInfo* socket = socket_of(x);
    return socket ? socket->uid : SocketInfo{}.uid;
}

// The namespace that this process is in, as programs run here see it; 1 (the first one's on every
// machine) where the kernel does not say.
uint64_t own_netns_cookie() {
    uint64_t cookie = 1;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return cookie;
    socklen_t size = sizeof(cookie);
    if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) cookie = 1;
    close(fd);
    return cookie;
}

uint64_t get_netns_cookie(Execution&, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    static const uint64_t cookie = own_netns_cookie();
    return cookie;
}

constexpr HelperRow kRows[] = {
    {HelperId::csum_diff, csum_diff},
    {HelperId::get_socket_cookie, get_socket_cookie},
    {HelperId::get_socket_uid, get_socket_uid},
    {HelperId::get_netns_cookie, get_netns_cookie},
};

std::vector<HelperRow> all_rows() {
    std::vector<HelperRow> rows(std::begin(kRows), std::end(kRows));
    for (const auto part : {skb_helpers(), xdp_helpers(), redirect_helpers()}) {
        rows.insert(rows.end(), part.begin(), part.end());
    }
    return rows;
}

}  // namespace

std::span<const HelperRow> packet_helpers() {
    static const std::vector<HelperRow> rows = all_rows();
    return rows;
}

}  // namespace skep::engine
