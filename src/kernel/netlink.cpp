// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.hpp"

namespace skep::kernel {

namespace {

constexpr size_t kAlign = NLMSG_ALIGNTO;

Result<UniqueFd> send(const NetlinkMessage& message) {
    UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!fd) return std::unexpected(sys_error("netlink socket"));
    const Bytes bytes = message.finish();
    if (::send(fd.get(), bytes.data(), bytes.size(), 0) < 0)
        return std::unexpected(sys_error("netlink request"));
    return fd;
}

/// Calls `see` with the payload of each message; the error of an answer is 0 or negative.
template <typename See>
Result<void> receive(int fd, See see) {
    Bytes buffer(1 << 16);
    for (;;) {
        const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(sys_error("netlink answer"));
        const ByteView all(buffer.data(), static_cast<size_t>(got));
        for (size_t at = 0; at < all.size();) {
            const auto header = load<nlmsghdr>(all, at);
            if (!header || header->nlmsg_len < sizeof(nlmsghdr) ||
                header->nlmsg_len > all.size() - at)
                return malformed("a netlink answer is cut short");
            const ByteView payload =
                all.subspan(at + sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr));
            if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
                const int error_number = -load<int32_t>(payload, 0).value_or(0);
                if (error_number > 0)
                    return std::unexpected(sys_error("netlink request", error_number));
                return {};
            }
            see(payload);
            at += align_up(header->nlmsg_len, kAlign);
        }
    }
}

}  // namespace

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags) {
    put(bytes_of(nlmsghdr{.nlmsg_len = 0,
                          .nlmsg_type = type,
                          .nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST),
                          .nlmsg_seq = 1,
                          .nlmsg_pid = 0}));
}

void NetlinkMessage::put(ByteView bytes) {
    append(bytes_, bytes);
    bytes_.resize(align_up(bytes_.size(), kAlign));
}

void NetlinkMessage::attribute(uint16_t type, ByteView payload) {
    put(bytes_of(rtattr{.rta_len = static_cast<uint16_t>(sizeof(rtattr) + payload.size()),
                        .rta_type = type}));
    put(payload);
}

void NetlinkMessage::attribute(uint16_t type, std::string_view text) {
    Bytes with_end(text.begin(), text.end());
    with_end.push_back(0);
    attribute(type, ByteView(with_end));
}

size_t NetlinkMessage::begin(uint16_t type) {
    const size_t at = bytes_.size();
    attribute(type, ByteView());
    return at;
}

void NetlinkMessage::end(size_t at) {
    const auto length = static_cast<uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &length, sizeof length);
}

Bytes NetlinkMessage::finish() const {
    Bytes bytes = bytes_;
    const auto length = static_cast<uint32_t>(bytes.size());
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes;
}

Result<void> netlink_request(const NetlinkMessage& message) {
    const UniqueFd fd = SKEP_TRY(send(message));
    return receive(fd.get(), [](ByteView) {});
}

Result<std::vector<Bytes>> netlink_dump(const NetlinkMessage& message) {
    const UniqueFd fd = SKEP_TRY(send(message));
    std::vector<Bytes> all;
    SKEP_TRY(receive(fd.get(),
                     [&](ByteView payload) { all.emplace_back(payload.begin(), payload.end()); }));
    return all;
}

std::optional<ByteView> netlink_attribute(ByteView payload, size_t offset, uint16_t type) {
    while (const auto attribute = load<rtattr>(payload, offset)) {
        if (attribute->rta_len < sizeof(rtattr)) return std::nullopt;
        const auto body =
            slice(payload, offset + sizeof(rtattr), attribute->rta_len - sizeof(rtattr));
        if (!body) return std::nullopt;
        if ((attribute->rta_type & NLA_TYPE_MASK) == type) return body;
        offset += align_up(attribute->rta_len, kAlign);
    }
    return std::nullopt;
}

}  // namespace skep::kernel
