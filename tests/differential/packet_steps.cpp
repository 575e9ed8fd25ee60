// SPDX-License-Identifier: Apache-2.0
#include "differential/packet_steps.hpp"

#include <fmt/core.h>
#include <linux/bpf.h>

#include <initializer_list>

#include "packet/build.hpp"
#include "platform/ctx.hpp"

namespace skep::kernel_test {

using isa::Insn;
using platform::HelperId;

std::string StepProgram::to_string() const {
    std::string text;
    for (size_t i = 0; i < steps.size(); ++i) text += fmt::format("  {}: {}\n", i, steps[i]);
    return text;
}

namespace {

constexpr int16_t kSource = -256;  // 128 random bytes on the stack, for helpers to read
constexpr int16_t kTarget = -128;  // 64 bytes for them to write

class Writer {
  public:
    Writer(Random& random, const platform::ProgKind& kind, uint32_t size, bool still)
        : random_(random), kind_(kind), size_(size), still_(still) {}

    StepProgram write();

  private:
    // --- chance ---
    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
    bool one_in(uint32_t n) { return below(n) == 0; }
    int64_t pick(std::initializer_list<int64_t> values) {
        return values.begin()[below(static_cast<uint32_t>(values.size()))];
    }
    uint32_t offset() {
        if (!one_in(4)) return below(size_ + 8);
        const int64_t n = size_;
        return static_cast<uint32_t>(pick({0, 12, 14, 24, 34, n - 4, n - 2, n - 1, n, n + 1, 0xfffe,
                                           0xffff, 0x10000, INT32_MAX, INT32_MIN, -1}));
    }
    uint32_t even_offset() { return one_in(6) ? offset() : offset() & ~1u; }
    uint32_t length() {
        return one_in(3) ? static_cast<uint32_t>(pick({1, 2, 4, 8, 64})) : 1 + below(64);
    }
    uint64_t flags(std::initializer_list<uint64_t> usual) {
        if (one_in(10)) return uint64_t{1} << below(64);
        return usual.begin()[below(static_cast<uint32_t>(usual.size()))];
    }

    // --- instructions ---
    void emit(Insn insn) { program_.insns.push_back(insn); }
    void mov(int dst, int src) {
        emit({.opcode = isa::kAlu64 | isa::kX | isa::kMov,
              .dst = static_cast<uint8_t>(dst & 15),
              .src = static_cast<uint8_t>(src & 15)});
    }
    void set(int dst, int64_t value) {
        const auto reg = static_cast<uint8_t>(dst & 15);
        if (value == static_cast<int32_t>(value)) {
            emit({.opcode = isa::kAlu64 | isa::kMov,
                  .dst = reg,
                  .imm = static_cast<int32_t>(value)});
            return;
        }
        emit({.opcode = 0x18, .dst = reg, .imm = static_cast<int32_t>(value)});
        emit({.imm = static_cast<int32_t>(value >> 32)});
    }
    void alu(uint8_t operation, int dst, int src) {
        emit({.opcode = static_cast<uint8_t>(isa::kAlu64 | isa::kX | operation),
              .dst = static_cast<uint8_t>(dst & 15),
              .src = static_cast<uint8_t>(src & 15)});
    }
    void alu_imm(uint8_t operation, int dst, int32_t imm) {
        emit({.opcode = static_cast<uint8_t>(isa::kAlu64 | operation),
              .dst = static_cast<uint8_t>(dst & 15),
              .imm = imm});
    }
    void load(uint8_t width, int dst, int base, int off) {
        emit({.opcode = static_cast<uint8_t>(isa::kLdx | isa::kMem | width),
              .dst = static_cast<uint8_t>(dst & 15),
              .src = static_cast<uint8_t>(base & 15),
              .off = static_cast<int16_t>(off)});
    }
    void store(uint8_t width, int base, int off, int src) {
        emit({.opcode = static_cast<uint8_t>(isa::kStx | isa::kMem | width),
              .dst = static_cast<uint8_t>(base & 15),
              .src = static_cast<uint8_t>(src & 15),
              .off = static_cast<int16_t>(off)});
    }
    void stack_address(int dst, int16_t at) {
        mov(dst, 10);
        alu_imm(isa::kAdd, dst, at);
    }
    void call(HelperId helper) {
        emit({.opcode = isa::kJmp | isa::kCall, .imm = static_cast<int32_t>(helper)});
    }
    void fold(int reg) {
        alu_imm(isa::kMul, 7, 31);
        alu(isa::kAdd, 7, reg);
    }
    bool may_call(HelperId helper) { return platform::helper_access(kind_, helper).has_value(); }

    /// helper(ctx, arguments...)
    bool call_with(HelperId helper, std::initializer_list<int64_t> arguments, bool ctx = true) {
        if (!may_call(helper)) return false;
        std::string words;
        int reg = 1;
        if (ctx) mov(reg++, 6);
        for (const int64_t value : arguments) {
            set(reg++, value);
            words += fmt::format("{}{:#x}", words.empty() ? "" : ", ", value);
        }
        call(helper);
        say("{}({})", platform::helper_info(helper).name, words);
        return true;
    }
    template <typename... Args>
    void say(fmt::format_string<Args...> format, Args&&... args) {
        program_.steps.push_back(fmt::format(format, std::forward<Args>(args)...));
    }

    // --- steps: each leaves its result in r0; false where programs of this kind cannot ---
    bool load_bytes();
    bool store_bytes();
    bool replace_sum();
    bool csum_diff();
    bool csum_state();
    bool change();
    bool adjust_room();
    bool vlan();
    bool hash();
    bool redirect();
    bool xdp_adjust();
    bool read_ctx();
    bool write_ctx();
    bool legacy_load();
    bool packet_pointers();
    bool direct_write();
    bool random_step();

    Random& random_;
    platform::ProgKind kind_;
    uint32_t size_;
    bool still_;
    StepProgram program_;
};

bool Writer::load_bytes() {
    const bool xdp = kind_.type == ProgType::Xdp;
    const bool relative = !xdp && one_in(3);
    const HelperId helper = xdp        ? HelperId::xdp_load_bytes
                            : relative ? HelperId::skb_load_bytes_relative
                                       : HelperId::skb_load_bytes;
    if (!may_call(helper)) return false;
    const uint32_t at = offset(), count = length();
    const int64_t start = pick({0, 1, 1, 2});
    set(0, 0);
    for (int i = 0; i < 8; ++i) store(isa::kDw, 10, kTarget + 8 * i, 0);
    mov(1, 6);
    set(2, at);
    stack_address(3, kTarget);
    set(4, count);
    if (relative) set(5, start);
    call(helper);
    for (int i = 0; i < 8; ++i) {
        load(isa::kDw, 1, 10, kTarget + 8 * i);
        fold(1);
    }
    say("{}({:#x}, to, {}, {})", platform::helper_info(helper).name, at, count, start);
    return true;
}

bool Writer::store_bytes() {
    const bool xdp = kind_.type == ProgType::Xdp;
    const HelperId helper = xdp ? HelperId::xdp_store_bytes : HelperId::skb_store_bytes;
    if (!may_call(helper)) return false;
    const uint32_t at = offset(), count = length();
    const uint64_t bits = flags({0, 0, 1, 2, 3});
    mov(1, 6);
    set(2, at);
    stack_address(3, kSource);
    set(4, count);
    if (!xdp) set(5, static_cast<int64_t>(bits));
    call(helper);
    say("{}({:#x}, from, {}, {:#x})", platform::helper_info(helper).name, at, count, bits);
    return true;
}

bool Writer::replace_sum() {
    const bool l3 = one_in(2);
    uint64_t bits = static_cast<uint64_t>(pick({0, 2, 4, 4, 2, 0, 1, 3}));
    if (!l3) bits |= flags({0, 0x10, 0x20, 0x30, 0x60, 0x70, 0x80, 0x90});
    if (l3 && one_in(10)) bits |= 0x10;
    const int64_t from = (bits & 0xf) == 0 && !one_in(8) ? 0 : static_cast<int64_t>(random_());
    return call_with(
        l3 ? HelperId::l3_csum_replace : HelperId::l4_csum_replace,
        {even_offset(), from, static_cast<int64_t>(random_()), static_cast<int64_t>(bits)});
}

bool Writer::csum_diff() {
    if (!may_call(HelperId::csum_diff)) return false;
    const int64_t from = pick({0, 4, 8, 20, 64, 6}), to = pick({0, 4, 8, 40, 64, 3});
    const auto seed = static_cast<int64_t>(one_in(3) ? 0 : random_());
    from ? stack_address(1, kSource) : set(1, 0);
    set(2, from);
    to ? stack_address(3, kSource + 64) : set(3, 0);
    set(4, to);
    set(5, seed);
    call(HelperId::csum_diff);
    say("csum_diff(from, {}, to, {}, {:#x})", from, to, seed);
    return true;
}

bool Writer::csum_state() {
    switch (below(4)) {
        case 0: return call_with(HelperId::csum_update, {static_cast<int64_t>(random_())});
        case 1: return call_with(HelperId::skb_ecn_set_ce, {});
        default: return call_with(HelperId::csum_level, {pick({0, 1, 1, 2, 3, 4})});
    }
}

bool Writer::change() {
    if (still_) return false;
    const int64_t n = size_, wrong = one_in(10);
    switch (below(5)) {
        case 0:
            return call_with(HelperId::skb_change_head,
                             {pick({0, 1, 4, 14, 100, 2000, 16064 - n, 16065 - n, -1}), wrong});
        case 1:
            return call_with(
                HelperId::skb_change_tail,
                {pick({0, 13, 14, 33, 34, n - 1, n, n + 1, n + 99, 16064, 16065, -1}), wrong});
        case 2:
            return call_with(HelperId::skb_change_proto,
                             {pick({0x0008, 0xdd86, 0x0008, 0xdd86, 0x0608}), wrong});
        case 3: return call_with(HelperId::skb_change_type, {pick({0, 1, 2, 3, 4, 7, 8})});
        default: return call_with(HelperId::skb_pull_data, {pick({0, 1, n - 1, n, n + 1, -1})});
    }
}

bool Writer::adjust_room() {
    if (still_) return false;
    const int64_t diff =
        one_in(3)
            ? static_cast<int64_t>(below(80)) - 40
            : pick({0, 4, -4, 8, 20, -20, 28, 34, 40, -40, 50, 0xfff, 0x1000, -0xfff, INT32_MIN});
    uint64_t bits = 0;
    if (diff >= 0 && !one_in(3)) {
        bits |= static_cast<uint64_t>(pick({0, 2, 4, 4, 2, 6}));     // encapsulated in IPv4, IPv6
        bits |= static_cast<uint64_t>(pick({0, 0, 8, 0x10, 0x18}));  // GRE, UDP
        if (one_in(3)) bits |= static_cast<uint64_t>(pick({0, 6, 14, 18, 50})) << 56;
        if (one_in(4)) bits |= 0x40;  // of an inner Ethernet header
    } else if (one_in(2)) {
        bits |= static_cast<uint64_t>(pick({0x80, 0x100, 0x180}));  // decapsulated to IPv4, IPv6
    }
    if (one_in(4)) bits |= static_cast<uint64_t>(pick({1, 0x20}));
    if (one_in(12)) bits |= uint64_t{1} << below(64);
    return call_with(HelperId::skb_adjust_room,
                     {diff, pick({0, 1, 1, 0, 2}), static_cast<int64_t>(bits)});
}

bool Writer::vlan() {
    if (still_) return false;
    if (one_in(2)) return call_with(HelperId::skb_vlan_pop, {});
    return call_with(HelperId::skb_vlan_push,
                     {pick({0x0081, 0xa888, 0, 0x0008}), static_cast<int64_t>(below(0x10000))});
}

bool Writer::hash() {
    switch (below(3)) {
        case 0: return call_with(HelperId::set_hash_invalid, {});
        case 1: return call_with(HelperId::set_hash, {static_cast<int64_t>(random_())});
        default:
            // What a flow's hash is differs from boot to boot: only a known one can be asked for.
            return call_with(HelperId::set_hash, {static_cast<int64_t>(random_())}) &&
                   call_with(HelperId::get_hash_recalc, {});
    }
}

bool Writer::redirect() {
    const auto bits = static_cast<int64_t>(flags({0, 0, 1, 1, 2}));
    switch (below(6)) {
        case 0: return call_with(HelperId::redirect_peer, {1, bits}, false);
        case 1: return call_with(HelperId::redirect_neigh, {1, 0, 0, bits}, false);
        case 2: return call_with(HelperId::clone_redirect, {pick({1, 1, 0}), bits});
        case 3: return call_with(HelperId::get_socket_uid, {});
        case 4: return call_with(HelperId::get_netns_cookie, {});
        default: return call_with(HelperId::redirect, {1, bits}, false);
    }
}

bool Writer::xdp_adjust() {
    const int64_t n = size_;
    const auto small = static_cast<int64_t>(below(64)) - 32;
    switch (below(4)) {
        case 0:
            return call_with(HelperId::xdp_adjust_head,
                             {pick({small, 0, -4, -14, -20, 4, 14, -200, -216, -217, n - 14, n - 13,
                                    n, INT32_MAX, INT32_MIN})});
        case 1:
            return call_with(HelperId::xdp_adjust_tail,
                             {pick({small, 0, -1, 1, 100, 14 - n, 13 - n, 3520 - n, 3521 - n,
                                    INT32_MAX, INT32_MIN})});
        case 2:
            return call_with(
                HelperId::xdp_adjust_meta,
                {pick({small, -4, -8, 4, 8, -3, -252, -256, -216, INT32_MAX, INT32_MIN})});
        default: return call_with(HelperId::xdp_get_buff_len, {});
    }
}

uint8_t width_of(uint32_t size) {
    return size == 1 ? isa::kB : size == 2 ? isa::kH : size == 4 ? isa::kW : isa::kDw;
}

/// Whether the kernel has the field as wide as __sk_buff has it. Of one that is narrower there,
/// part of the upper half reads as something odd (pkt_type repeats itself).
bool is_whole(std::string_view field) {
    for (const std::string_view whole : {"len", "mark", "priority", "ingress_ifindex", "ifindex",
                                         "hash", "cb", "napi_id", "wire_len"}) {
        if (field == whole) return true;
    }
    return false;
}

// Any scalar that the tables say a program of this kind may read. Reading tstamp_type changes what
// the kernel makes of tstamp.
bool Writer::read_ctx() {
    const platform::CtxLayout* layout = platform::ctx_layout(kind_.type);
    for (int tries = 0; tries < 100; ++tries) {
        const auto size = static_cast<uint32_t>(pick({1, 2, 4, 4, 4, 8}));
        const uint32_t at = below(layout->size);
        const auto access = platform::ctx_access(kind_.type, kind_.attach, at, size, false);
        if (!access.allowed() || access.kind != platform::CtxKind::Scalar) continue;
        if (access.field->name == "tstamp_type" || access.field->name == "egress_ifindex") continue;
        if (size < access.field->element && !is_whole(access.field->name)) continue;
        load(width_of(size), 0, 6, static_cast<int>(at));
        say("read {} bytes of {}, ctx + {}", size, access.field->name, at);
        return true;
    }
    return false;
}

bool Writer::write_ctx() {
    const platform::CtxLayout* layout = platform::ctx_layout(kind_.type);
    for (int tries = 0; tries < 100; ++tries) {
        const auto size = static_cast<uint32_t>(pick({1, 2, 4, 4, 4, 8}));
        const uint32_t at = below(layout->size);
        if (!platform::ctx_access(kind_.type, kind_.attach, at, size, true).allowed()) continue;
        const auto value = static_cast<int64_t>(random_());
        set(0, value);
        store(width_of(size), 6, static_cast<int>(at), 0);
        const uint32_t word = at & ~3u;
        if (platform::ctx_access(kind_.type, kind_.attach, word, 4, false).allowed()) {
            load(isa::kW, 0, 6, static_cast<int>(word));  // narrower ones come back cut
        }
        say("write {:#x}, {} bytes, to ctx + {}", value, size, at);
        return true;
    }
    return false;
}

bool Writer::legacy_load() {
    if (kind_.type != ProgType::SchedCls && kind_.type != ProgType::SocketFilter) return false;
    const auto width = static_cast<uint8_t>(pick({isa::kB, isa::kH, isa::kW}));
    const int64_t base = pick({0, 0, -0x100000, -0x200000});
    const auto at = static_cast<int32_t>(base + below(size_ + 2) - (one_in(20) ? 1 : 0));
    const bool indirect = one_in(2);
    if (indirect) {
        const auto part = static_cast<int32_t>(below(100));
        set(8, part);
        emit({.opcode = static_cast<uint8_t>(isa::kLd | isa::kInd | width),
              .src = 8,
              .imm = at - part});
    } else {
        emit({.opcode = static_cast<uint8_t>(isa::kLd | isa::kAbs | width), .imm = at});
    }
    say("legacy load of {} bytes at {}", isa::width_bytes(width), at);
    return true;
}

// How far apart they are; what they are is each place's own.
bool Writer::packet_pointers() {
    const bool xdp = kind_.type == ProgType::Xdp;
    const int data = xdp ? 0 : 76, end = xdp ? 4 : 80, meta = xdp ? 8 : 140;
    if (!platform::ctx_access(kind_.type, kind_.attach, data, 4, false).allowed()) return false;
    const bool with_meta = platform::ctx_access(kind_.type, kind_.attach, meta, 4, false).allowed();
    load(isa::kW, 1, 6, data);
    load(isa::kW, 0, 6, end);
    alu(isa::kSub, 0, 1);
    if (with_meta) {
        load(isa::kW, 1, 6, data);
        load(isa::kW, 2, 6, meta);
        alu(isa::kSub, 1, 2);
        fold(1);
    }
    say("data_end - data, data - data_meta");
    return true;
}

bool Writer::direct_write() {
    const bool xdp = kind_.type == ProgType::Xdp;
    if (!xdp && kind_.type != ProgType::SchedCls) return false;
    const auto at = static_cast<int32_t>(below(40));
    load(isa::kW, 1, 6, xdp ? 0 : 76);
    load(isa::kW, 2, 6, xdp ? 4 : 80);
    mov(3, 1);
    alu_imm(isa::kAdd, 3, at + 4);
    set(0, 0);
    emit({.opcode = isa::kJmp | isa::kX | isa::kJgt, .dst = 3, .src = 2, .off = 3});
    load(isa::kW, 0, 1, at);
    set(4, 0x5a);
    store(isa::kB, 1, at + 1, 4);
    say("a direct load and store at {}", at);
    return true;
}

bool Writer::random_step() {
    switch (below(16)) {
        case 0: return load_bytes();
        case 1: return store_bytes();
        case 2: return replace_sum();
        case 3: return csum_diff();
        case 4: return csum_state();
        case 5:
        case 6: return change();
        case 7:
        case 8: return adjust_room();
        case 9: return vlan();
        case 10: return one_in(2) ? hash() : redirect();
        case 11: return read_ctx();
        case 12: return write_ctx();
        case 13: return one_in(2) ? legacy_load() : direct_write();
        case 14: return packet_pointers();
        default: return xdp_adjust();
    }
}

StepProgram Writer::write() {
    mov(6, 1);
    set(7, 0);
    for (int i = 0; i < 16; ++i) {
        set(0, static_cast<int64_t>(uint64_t{random_()} << 32 | random_()));
        store(isa::kDw, 10, kSource + 8 * i, 0);
    }
    const uint32_t count = 1 + below(6);
    for (uint32_t done = 0; done < count;) {
        if (!random_step()) continue;
        ++done;
        fold(0);
    }
    if (kind_.type == ProgType::CgroupSkb) {
        store(isa::kW, 6, 8, 7);
        set(7, 1);
    }
    mov(0, 7);
    emit({.opcode = isa::kJmp | isa::kExit});
    return std::move(program_);
}

}  // namespace

StepProgram random_program(Random& random, const platform::ProgKind& kind, uint32_t size,
                           bool still) {
    return Writer(random, kind, size, still).write();
}

std::vector<uint8_t> random_frame(Random& random) {
    using namespace packet;
    const auto below = [&](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
    std::vector<Layer> layers;
    Ethernet ethernet;
    if (below(3) == 0) ethernet.dst = {};
    if (below(6) == 0) ethernet.dst.bytes.fill(0xff);
    if (below(6) == 0) ethernet.dst.bytes[0] = 1;
    if (below(8) == 0) ethernet.type = static_cast<uint16_t>(below(0x10000));
    layers.push_back(ethernet);
    for (uint32_t tags = below(3) == 0 ? 1 + below(3) : 0; tags > 0; --tags) {
        layers.push_back(Vlan{.id = static_cast<uint16_t>(below(4096)), .service = below(2) == 0});
    }
    switch (below(8)) {
        case 0: layers.push_back(Arp{}); break;
        case 1: break;
        case 2:
        case 3:
        case 4: layers.push_back(Ipv4{.tos = static_cast<uint8_t>(below(4))}); break;
        default: layers.push_back(Ipv6{.traffic_class = static_cast<uint8_t>(below(4))}); break;
    }
    if (layers.size() > 1 && below(4) != 0) {
        if (below(2) == 0) {
            layers.push_back(Udp{.checksum = below(3) != 0});
        } else {
            layers.push_back(Tcp{});
        }
    }
    layers.push_back(payload(static_cast<size_t>(below(3) == 0 ? below(1200) : below(60))));
    Bytes frame = build_packet(layers);
    if (below(6) == 0)
        frame.resize(std::max<size_t>(14, below(static_cast<uint32_t>(frame.size()))));
    return frame;
}

}  // namespace skep::kernel_test
