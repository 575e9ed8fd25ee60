// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

// As much of rtnetlink as routes and tc filters need: build a message, send it, read what comes.
//
//     NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
//     message.header(rtmsg{...});
//     message.attribute(RTA_DST, bytes_of(address));
//     SKEP_TRY(netlink_request(message));

namespace skep::kernel {

class NetlinkMessage {
  public:
    NetlinkMessage(uint16_t type, uint16_t flags);

    template <typename T>
    void header(const T& fixed) {
        put(bytes_of(fixed));
    }
    void attribute(uint16_t type, ByteView payload);
    void attribute(uint16_t type, std::string_view text);  ///< with its end
    /// An attribute of attributes: end() it with what begin() returned.
    size_t begin(uint16_t type);
    void end(size_t at);

    Bytes finish() const;

  private:
    void put(ByteView bytes);
    Bytes bytes_;
};

/// Sends it in the calling thread's namespace, and waits for the answer: its flags must ask for one
/// (NLM_F_ACK).
Result<void> netlink_request(const NetlinkMessage& message);

/// A dump: the payload of each message of the answer, behind its nlmsghdr.
Result<std::vector<Bytes>> netlink_dump(const NetlinkMessage& message);

/// The payload of the first attribute of this type among those from `offset` on.
std::optional<ByteView> netlink_attribute(ByteView payload, size_t offset, uint16_t type);

}  // namespace skep::kernel
