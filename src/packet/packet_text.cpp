// SPDX-License-Identifier: Apache-2.0
#include "packet/packet_text.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/hex.hpp"
#include "base/text.hpp"

namespace skep::packet {
namespace {

constexpr size_t kMaxLayers = 64;  // building one recurses

// Values: one overload a type of field. False where the text is none.

template <std::unsigned_integral T>
bool parse_value(std::string_view text, T& value) {
    const auto number = parse_uint(text);
    if (!number || *number > std::numeric_limits<T>::max()) return false;
    value = static_cast<T>(*number);
    return true;
}

bool parse_value(std::string_view text, bool& value) {
    value = text == "yes";
    return text == "yes" || text == "no";
}

template <typename T>
bool take(const std::optional<T>& parsed, T& value) {
    if (parsed) value = *parsed;
    return parsed.has_value();
}

bool parse_value(std::string_view text, MacAddress& value) {
    return take(parse_mac(text), value);
}

bool parse_value(std::string_view text, Ipv4Address& value) {
    return take(parse_ipv4(text), value);
}

bool parse_value(std::string_view text, Ipv6Address& value) {
    return take(parse_ipv6(text), value);
}

bool parse_value(std::string_view text, Bytes& value) {
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
        value = payload(text.substr(1, text.size() - 2)).bytes;
        return true;
    }
    return take(from_hex(text), value);
}

template <typename T>
bool parse_value(std::string_view text, std::optional<T>& value) {
    return parse_value(text, value.emplace());
}

bool parse_tcp_flags(std::string_view text, Layer& layer) {
    constexpr std::string_view kLetters = "FSRPAUEC";  // bit 0 first
    uint8_t& flags = std::get<Tcp>(layer).flags;
    flags = 0;
    for (const char letter : text) {
        const size_t bit = kLetters.find(letter);
        if (bit == std::string_view::npos) return false;
        flags |= static_cast<uint8_t>(1 << bit);
    }
    return true;
}

bool parse_payload_size(std::string_view text, Layer& layer) {
    uint16_t size = 0;
    if (!parse_value(text, size)) return false;
    layer = payload(size_t{size});
    return true;
}

struct Field {
    std::string_view name;
    bool (*set)(std::string_view text, Layer& layer);
};

template <typename L, typename T>
L layer_of(T L::*);

// The field that a pointer to a member names.
template <auto kMember>
constexpr Field field(std::string_view name) {
    return {name, [](std::string_view text, Layer& layer) {
                using L = decltype(layer_of(kMember));
                return parse_value(text, std::get<L>(layer).*kMember);
            }};
}

#define FIELD(layer, name) field<&layer::name>(#name)

struct LayerType {
    std::string_view name;
    Layer layer;
    std::vector<Field> fields;
};

const std::vector<LayerType>& layer_types() {
    static const std::vector<LayerType> types = {
        {"eth", Ethernet{}, {FIELD(Ethernet, src), FIELD(Ethernet, dst), FIELD(Ethernet, type)}},
        {"vlan",
         Vlan{},
         {FIELD(Vlan, id), FIELD(Vlan, priority), FIELD(Vlan, service), FIELD(Vlan, type)}},
        {"arp",
         Arp{},
         {FIELD(Arp, operation), FIELD(Arp, src_mac), FIELD(Arp, src), FIELD(Arp, dst_mac),
          FIELD(Arp, dst)}},
        {"ipv4",
         Ipv4{},
         {FIELD(Ipv4, src), FIELD(Ipv4, dst), FIELD(Ipv4, ttl), FIELD(Ipv4, tos), FIELD(Ipv4, id),
          FIELD(Ipv4, dont_fragment), FIELD(Ipv4, more_fragments), FIELD(Ipv4, fragment_offset),
          FIELD(Ipv4, protocol), FIELD(Ipv4, options)}},
        {"ipv6",
         Ipv6{},
         {FIELD(Ipv6, src), FIELD(Ipv6, dst), FIELD(Ipv6, hop_limit), FIELD(Ipv6, traffic_class),
          FIELD(Ipv6, flow_label), FIELD(Ipv6, next)}},
        {"ext",
         Ipv6Extension{},
         {FIELD(Ipv6Extension, type), FIELD(Ipv6Extension, body), FIELD(Ipv6Extension, next)}},
        {"frag",
         Ipv6Fragment{},
         {FIELD(Ipv6Fragment, offset), FIELD(Ipv6Fragment, more), FIELD(Ipv6Fragment, id),
          FIELD(Ipv6Fragment, next)}},
        {"udp", Udp{}, {FIELD(Udp, src), FIELD(Udp, dst), FIELD(Udp, checksum)}},
        {"tcp",
         Tcp{},
         {FIELD(Tcp, src),
          FIELD(Tcp, dst),
          FIELD(Tcp, seq),
          FIELD(Tcp, ack),
          {"flags", parse_tcp_flags},
          FIELD(Tcp, window),
          FIELD(Tcp, urgent),
          FIELD(Tcp, options)}},
        {"icmp", Icmp{}, {FIELD(Icmp, type), FIELD(Icmp, code), FIELD(Icmp, id), FIELD(Icmp, seq)}},
        {"icmp6",
         Icmpv6{},
         {FIELD(Icmpv6, type), FIELD(Icmpv6, code), FIELD(Icmpv6, id), FIELD(Icmpv6, seq)}},
        {"payload", Payload{}, {FIELD(Payload, bytes), {"size", parse_payload_size}}},
    };
    return types;
}

#undef FIELD

// A recursive-descent parser of: LAYER { "/" LAYER }, LAYER = NAME [ "(" ITEM { "," ITEM } ")" ].
class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<std::vector<Layer>> parse() {
        std::vector<Layer> layers;
        do {
            if (layers.size() == kMaxLayers) return error(at_, "too many layers");
            layers.push_back(SKEP_TRY(layer()));
        } while (accept('/'));
        if (at_ != text_.size()) return error(at_, "expected '/' or the end");
        return layers;
    }

  private:
    Result<Layer> layer() {
        skip_spaces();
        const size_t begin = at_;
        const std::string_view name = until("/(");
        const auto& types = layer_types();
        const auto type = std::ranges::find(types, name, &LayerType::name);
        if (type == types.end()) return unknown(begin, "layer", name, types, &LayerType::name);
        Layer layer = type->layer;
        if (!accept('(')) return layer;
        do {
            SKEP_TRY(item(*type, layer));
        } while (accept(','));
        if (!accept(')')) return error(at_, "expected ',' or ')'");
        return layer;
    }

    Result<void> item(const LayerType& type, Layer& layer) {
        skip_spaces();
        size_t begin = at_;
        std::string_view name = until("=,)");
        const Field* field = nullptr;
        if (accept('=')) {
            const auto found = std::ranges::find(type.fields, name, &Field::name);
            if (found == type.fields.end()) {
                return unknown(begin, fmt::format("field of {}", type.name), name, type.fields,
                               &Field::name);
            }
            field = &*found;
        } else if (type.name == "payload" && !name.empty()) {
            // payload(32) and payload("text"), without a name.
            field = &type.fields[name.front() == '"' ? 0 : 1];
            at_ = begin;
        } else {
            return error(begin, "expected NAME=VALUE");
        }
        skip_spaces();
        begin = at_;
        const std::string_view value = until(",)");
        if (!field->set(value, layer)) {
            return error(begin, fmt::format("'{}' is no value for {} of {}", printable(value),
                                            field->name, type.name));
        }
        return {};
    }

    // The text before any of `ends`, without spaces around it; what is in quotes belongs to it
    // whole.
    std::string_view until(std::string_view ends) {
        const size_t begin = at_;
        bool quoted = false;
        for (; at_ < text_.size(); ++at_) {
            if (text_[at_] == '"') quoted = !quoted;
            if (!quoted && ends.find(text_[at_]) != std::string_view::npos) break;
        }
        return trim(text_.substr(begin, at_ - begin));
    }

    bool accept(char c) {
        skip_spaces();
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    void skip_spaces() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    }

    static std::unexpected<Error> error(size_t at, std::string_view message) {
        return malformed("packet text, column {}: {}", at + 1, message);
    }

    template <typename T>
    static std::unexpected<Error> unknown(size_t at, std::string_view what, std::string_view name,
                                          const std::vector<T>& known,
                                          std::string_view T::* member) {
        std::vector<std::string_view> names;
        for (const T& one : known) names.push_back(one.*member);
        const auto near = closest(name, names);
        const std::string hint = near ? fmt::format("did you mean '{}'?", *near)
                                      : fmt::format("there are: {}", fmt::join(names, " "));
        return std::unexpected(error(at, fmt::format("no {} is called '{}'", what, printable(name)))
                                   .error()
                                   .with_hint(hint));
    }

    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace

Result<std::vector<Layer>> parse_packet_text(std::string_view text) {
    return Parser(text).parse();
}

}  // namespace skep::packet
