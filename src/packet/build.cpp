// SPDX-License-Identifier: Apache-2.0
#include "packet/build.hpp"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <numeric>
#include <span>

#include "packet/csum.hpp"
#include "packet/wire.hpp"

namespace skep::packet {
namespace {

using Rest = std::span<const Layer>;

// For a last layer that says nothing of what follows: numbers that mean just that.
constexpr uint16_t kLocalExperimentalEthertype = 0x88b5;  // IEEE 802
constexpr uint8_t kExperimentalProtocol = 253;            // RFC 3692

uint16_t ethertype_of(Rest rest) {
    if (rest.empty()) return kLocalExperimentalEthertype;
    if (const auto* vlan = std::get_if<Vlan>(&rest[0])) {
        return vlan->service ? ETH_P_8021AD : ETH_P_8021Q;
    }
    if (std::holds_alternative<Arp>(rest[0])) return ETH_P_ARP;
    if (std::holds_alternative<Ipv4>(rest[0])) return ETH_P_IP;
    if (std::holds_alternative<Ipv6>(rest[0])) return ETH_P_IPV6;
    return kLocalExperimentalEthertype;
}

struct ProtocolOf {
    uint8_t operator()(const Ipv4&) const { return IPPROTO_IPIP; }
    uint8_t operator()(const Ipv6&) const { return IPPROTO_IPV6; }
    uint8_t operator()(const Ipv6Extension& extension) const { return extension.type; }
    uint8_t operator()(const Ipv6Fragment&) const { return IPPROTO_FRAGMENT; }
    uint8_t operator()(const Udp&) const { return IPPROTO_UDP; }
    uint8_t operator()(const Tcp&) const { return IPPROTO_TCP; }
    uint8_t operator()(const Icmp&) const { return IPPROTO_ICMP; }
    uint8_t operator()(const Icmpv6&) const { return IPPROTO_ICMPV6; }
    uint8_t operator()(const auto&) const { return kExperimentalProtocol; }
};

uint8_t protocol_of(Rest rest) {
    return rest.empty() ? uint8_t{IPPROTO_NONE} : std::visit(ProtocolOf(), rest[0]);
}

void put_csum(Bytes& bytes, size_t offset, uint16_t csum) {
    std::memcpy(bytes.data() + offset, &csum, sizeof(csum));
}

// Options as a header takes them: whole words, 40 bytes at most.
Bytes padded_options(const Bytes& options) {
    Bytes padded = options;
    padded.resize(std::min<size_t>(align_up(options.size(), 4), 40));
    return padded;
}

// Of the innermost enclosing IP header, which checksums cover; empty where there is none.
struct Addresses {
    ByteView source = {};
    ByteView destination = {};
};

Bytes build(Rest layers, Addresses addresses);

// Builds one layer and, before it, what it encloses, whose length it has to know.
class Builder {
  public:
    Builder(Rest rest, Addresses addresses) : rest_(rest), addresses_(addresses) {}

    Bytes operator()(const Ethernet& layer) const {
        Bytes header;
        append(header, layer.dst.bytes);
        append(header, layer.src.bytes);
        append_be<uint16_t>(header, layer.type.value_or(ethertype_of(rest_)));
        return enclose(std::move(header));
    }

    Bytes operator()(const Vlan& layer) const {
        Bytes header;
        append_be<uint16_t>(header,
                            static_cast<uint16_t>(layer.priority << 13 | (layer.id & 0xfff)));
        append_be<uint16_t>(header, layer.type.value_or(ethertype_of(rest_)));
        return enclose(std::move(header));
    }

    Bytes operator()(const Arp& layer) const {
        Bytes header;
        append_be<uint16_t>(header, 1);  // Ethernet
        append_be<uint16_t>(header, ETH_P_IP);
        append_be<uint16_t>(header, 0x0604);  // the lengths of their addresses
        append_be<uint16_t>(header, layer.operation);
        append(header, layer.src_mac.bytes);
        append(header, layer.src.bytes);
        append(header, layer.dst_mac.bytes);
        append(header, layer.dst.bytes);
        return enclose(std::move(header));
    }

    Bytes operator()(const Ipv4& layer) const {
        const Bytes body = build(rest_, {layer.src.bytes, layer.dst.bytes});
        const Bytes options = padded_options(layer.options);
        const size_t header_size = 20 + options.size();
        Bytes packet;
        append(packet, static_cast<uint8_t>(0x40 | header_size / 4));
        append(packet, layer.tos);
        append_be(packet, static_cast<uint16_t>(header_size + body.size()));
        append_be(packet, layer.id);
        append_be(packet,
                  static_cast<uint16_t>(layer.dont_fragment << 14 | layer.more_fragments << 13 |
                                        layer.fragment_offset / 8));
        append(packet, layer.ttl);
        append(packet, layer.protocol.value_or(protocol_of(rest_)));
        append(packet, uint16_t{0});
        append(packet, layer.src.bytes);
        append(packet, layer.dst.bytes);
        append(packet, options);
        put_csum(packet, 10, csum_fold(csum_partial(packet)));
        append(packet, body);
        return packet;
    }

    Bytes operator()(const Ipv6& layer) const {
        const Bytes body = build(rest_, {layer.src.bytes, layer.dst.bytes});
        Bytes packet;
        append_be(packet, uint32_t{6} << 28 | uint32_t{layer.traffic_class} << 20 |
                              (layer.flow_label & 0xfffff));
        append_be(packet, static_cast<uint16_t>(body.size()));
        append(packet, layer.next.value_or(protocol_of(rest_)));
        append(packet, layer.hop_limit);
        append(packet, layer.src.bytes);
        append(packet, layer.dst.bytes);
        append(packet, body);
        return packet;
    }

    Bytes operator()(const Ipv6Extension& layer) const {
        const size_t size = align_up(layer.body.size() + 2, 8);
        Bytes header = {layer.next.value_or(protocol_of(rest_)),
                        static_cast<uint8_t>(size / 8 - 1)};
        append(header, layer.body);
        header.resize(size);
        return enclose(std::move(header));
    }

    Bytes operator()(const Ipv6Fragment& layer) const {
        Bytes header = {layer.next.value_or(protocol_of(rest_)), 0};
        append_be(header, static_cast<uint16_t>((layer.offset & ~7) | layer.more));
        append_be(header, layer.id);
        return enclose(std::move(header));
    }

    Bytes operator()(const Udp& layer) const {
        Bytes header;
        append_be(header, layer.src);
        append_be(header, layer.dst);
        append(header, uint32_t{0});  // length and checksum
        Bytes datagram = enclose(std::move(header));
        store_be(datagram.data() + 4, static_cast<uint16_t>(datagram.size()));
        if (layer.checksum) {
            // 0 means that there is none, so ones-complement's other zero is sent.
            const uint16_t csum = transport_csum(datagram, IPPROTO_UDP);
            put_csum(datagram, 6, csum == 0 ? 0xffff : csum);
        }
        return datagram;
    }

    Bytes operator()(const Tcp& layer) const {
        const Bytes options = padded_options(layer.options);
        Bytes header;
        append_be(header, layer.src);
        append_be(header, layer.dst);
        append_be(header, layer.seq);
        append_be(header, layer.ack);
        append(header, static_cast<uint8_t>((20 + options.size()) / 4 << 4));
        append(header, layer.flags);
        append_be(header, layer.window);
        append(header, uint16_t{0});
        append_be(header, layer.urgent);
        append(header, options);
        Bytes segment = enclose(std::move(header));
        put_csum(segment, 16, transport_csum(segment, IPPROTO_TCP));
        return segment;
    }

    Bytes operator()(const Icmp& layer) const {
        Bytes message = enclose(icmp_header(layer));
        put_csum(message, 2, csum_fold(csum_partial(message)));
        return message;
    }

    Bytes operator()(const Icmpv6& layer) const {
        Bytes message = enclose(icmp_header(layer));
        put_csum(message, 2, transport_csum(message, IPPROTO_ICMPV6));
        return message;
    }

    Bytes operator()(const Payload& layer) const { return enclose(layer.bytes); }

  private:
    Bytes enclose(Bytes header) const {
        append(header, build(rest_, addresses_));
        return header;
    }

    static Bytes icmp_header(const auto& layer) {
        Bytes header = {layer.type, layer.code, 0, 0};
        append_be(header, layer.id);
        append_be(header, layer.seq);
        return header;
    }

    uint16_t transport_csum(ByteView bytes, uint8_t protocol) const {
        const auto length = static_cast<uint32_t>(bytes.size());
        const uint32_t pseudo =
            pseudo_header_sum(addresses_.source, addresses_.destination, protocol, length);
        return csum_fold(csum_partial(bytes, pseudo));
    }

    Rest rest_;
    Addresses addresses_;
};

Bytes build(Rest layers, Addresses addresses) {
    if (layers.empty()) return {};
    return std::visit(Builder(layers.subspan(1), addresses), layers[0]);
}

}  // namespace

Bytes build_packet(const std::vector<Layer>& layers) {
    return build(layers, {});
}

Payload payload(std::string_view text) {
    const ByteView bytes = bytes_of(text);
    return {.bytes = {bytes.begin(), bytes.end()}};
}

Payload payload(size_t size) {
    Payload result = {.bytes = Bytes(size)};
    std::iota(result.bytes.begin(), result.bytes.end(), uint8_t{0});
    return result;
}

}  // namespace skep::packet
