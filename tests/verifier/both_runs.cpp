// SPDX-License-Identifier: Apache-2.0
#include "verifier/both_runs.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "base/hex.hpp"
#include "differential/packet_kernel.hpp"
#include "engine/object.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/testing.hpp"
#include "verifier/verify.hpp"

namespace skep::verifier_test {

namespace {

using Random = std::mt19937_64;
using Contents = std::map<Bytes, Bytes>;  // of a map: value by key

/// What a run leaves behind.
struct Remains {
    uint32_t retval = 0;
    Bytes packet;
    std::vector<Contents> maps;
};

bool is_packet_type(ProgType type) {
    return type == ProgType::Xdp || type == ProgType::SchedCls || type == ProgType::SocketFilter;
}

/// Helpers that give the same answer each time, here and in the kernel.
bool is_repeatable(uint32_t helper) {
    using platform::HelperId;
    switch (HelperId(helper)) {
        case HelperId::map_lookup_elem:
        case HelperId::map_update_elem:
        case HelperId::map_delete_elem:
        case HelperId::skb_load_bytes:
        case HelperId::xdp_load_bytes:
        case HelperId::xdp_adjust_head:
        case HelperId::csum_diff:
        case HelperId::loop: return true;
        default: return false;
    }
}

/// Numbers near 0 and -1, and any.
uint8_t random_byte(Random& random) {
    return random() % 3 ? (random() % 2 ? 0 : 0xff) : uint8_t(random());
}
Bytes random_bytes(Random& random, size_t size) {
    Bytes bytes(size);
    for (uint8_t& byte : bytes) byte = random_byte(random);
    return bytes;
}

Bytes random_frame(Random& random) {
    Bytes frame = random_bytes(random, 14 + random() % 90);
    std::memset(frame.data() + 12, 0x88, 2);  // an ethertype that the kernel does not look into
    return frame;
}

/// Arrays are full; of hashes about half of the first keys are there.
Contents random_contents(const object::MapSpec& map, Random& random) {
    Contents contents;
    for (uint64_t key = 0; key < map.max_entries; key++) {
        if (map.type != MapType::Array && random() % 2) continue;
        Bytes name(map.key_size);
        std::memcpy(name.data(), &key, std::min<size_t>(sizeof key, name.size()));
        contents.emplace(std::move(name), random_bytes(random, map.value_size));
    }
    return contents;
}

// -- maps of the kernel

long bpf(int command, int map, const void* key, void* value) {
    bpf_attr attr{};
    attr.map_fd = static_cast<uint32_t>(map);
    attr.key = reinterpret_cast<uint64_t>(key);
    attr.value = reinterpret_cast<uint64_t>(value);
    return syscall(SYS_bpf, command, &attr, sizeof attr);
}

std::vector<Bytes> keys_in_kernel(const object::MapSpec& map, int fd) {
    std::vector<Bytes> keys;
    Bytes next(map.key_size);
    const void* last = nullptr;
    while (keys.size() <= map.max_entries &&
           bpf(BPF_MAP_GET_NEXT_KEY, fd, last, next.data()) == 0) {
        keys.push_back(next);
        last = keys.back().data();
    }
    return keys;
}

Contents read_kernel(const object::MapSpec& map, int fd) {
    Contents contents;
    for (const Bytes& key : keys_in_kernel(map, fd)) {
        Bytes value(map.value_size);
        if (bpf(BPF_MAP_LOOKUP_ELEM, fd, key.data(), value.data()) == 0)
            contents.emplace(key, std::move(value));
    }
    return contents;
}

void write_kernel(const object::MapSpec& map, int fd, const Contents& contents) {
    if (map.type != MapType::Array)
        for (const Bytes& key : keys_in_kernel(map, fd))
            bpf(BPF_MAP_DELETE_ELEM, fd, key.data(), nullptr);
    for (auto [key, value] : contents) bpf(BPF_MAP_UPDATE_ELEM, fd, key.data(), value.data());
}

// -- maps of the engine

Contents read_engine(maps::Map& map) {
    Contents contents;
    Bytes key(map.def().key_size), next(map.def().key_size);
    const void* last = nullptr;
    while (contents.size() <= map.def().max_entries && map.next_key(last, next.data()) == 0) {
        key = next;
        last = key.data();
        Bytes value(map.user_value_size());
        if (map.user_lookup(key.data(), value.data()) == 0) contents.emplace(key, std::move(value));
    }
    return contents;
}

void write_engine(maps::Map& map, const Contents& contents) {
    if (map.def().type != MapType::Array)
        for (const auto& [key, value] : read_engine(map)) map.user_erase(key.data());
    for (const auto& [key, value] : contents) map.user_update(key.data(), value.data(), BPF_ANY);
}

std::string difference(const Remains& kernel, const Remains& engine) {
    if (kernel.retval != engine.retval)
        return fmt::format("it returns {:#x} in the kernel, {:#x} here", kernel.retval,
                           engine.retval);
    if (kernel.packet != engine.packet)
        return fmt::format("the packet is {} in the kernel, {} here", to_hex(kernel.packet),
                           to_hex(engine.packet));
    for (size_t i = 0; i < kernel.maps.size(); i++) {
        if (kernel.maps[i] == engine.maps[i]) continue;
        for (const auto& [key, value] : kernel.maps[i]) {
            const auto found = engine.maps[i].find(key);
            if (found == engine.maps[i].end() || found->second != value)
                return fmt::format(
                    "map {} at {} has {} in the kernel, {} here", i, to_hex(key), to_hex(value),
                    found == engine.maps[i].end() ? "nothing" : to_hex(found->second));
        }
        return fmt::format("map {} has more elements here", i);
    }
    return {};
}

}  // namespace

struct BothRuns::Engine {
    engine::Env env;
    std::unique_ptr<engine::Object> object;
    std::unique_ptr<engine::Execution> execution;
    engine::PacketBuffer packet;
    engine::NoTask task;

    /// Runs on a frame (or, of programs without a packet, on the bytes of its registers).
    engine::Outcome run(const object::ProgSpec& prog, const Bytes& input, Bytes* out) {
        engine::Event event;
        event.task = &task;
        Bytes registers;
        const bool is_xdp = prog.type == ProgType::Xdp;
        if (is_xdp) {
            packet.start_xdp(input, {});
        } else if (is_packet_type(prog.type)) {
            engine::SkbInfo info{.from_network = prog.type == ProgType::SocketFilter,
                                 .untag = false};
            if (input[0] & 1) info.type = PACKET_MULTICAST;  // loopback's address is all zeros
            packet.start_skb(input, info);
        } else {
            registers = input;
            registers.resize(168);  // struct pt_regs
            event.ctx = registers.data();
            event.ctx_size = uint32_t(registers.size());
        }
        if (is_packet_type(prog.type)) packet.attach(event);
        engine::Outcome outcome = object->find_prog(prog.name)->run(*execution, event);
        if (is_packet_type(prog.type)) *out = Bytes(packet.bytes().begin(), packet.bytes().end());
        return outcome;
    }
};

BothRuns::BothRuns(const object::ObjectSpec& object) : object_(object) {
    const object::ProgSpec& prog = object.progs[0];
    auto engine = std::make_unique<Engine>();
    auto loaded = engine::Object::load(object, engine->env);
    auto execution = engine::Execution::create(engine->env);
    if (!loaded || !execution) {
        problem_ = !loaded ? loaded.error().message : execution.error().message;
        return;
    }
    engine->object = std::move(*loaded);
    engine->execution = std::move(*execution);
    engine->execution->budget = 4'000'000;
    engine_ = std::move(engine);

    const auto verdict = verifier::verify(object, prog, platform::linux_6_18(), {.perfmon = false});
    comparable_ = is_packet_type(prog.type) && verdict && verdict->accepted &&
                  std::ranges::all_of(verdict->helpers, is_repeatable);
}

BothRuns::~BothRuns() = default;

// Beside a stored half of a slot, the kernel takes the other half for written (6.18, without
// CAP_PERFMON). Kernels before 6.3 told all what was never written.
bool BothRuns::reads_old_stack() const {
    platform::Platform strict = platform::linux_6_18();
    strict.version = platform::KernelVersion("6.0");
    const auto verdict = verifier::verify(object_, object_.progs[0], strict);
    return verdict && verdict->rule == verifier::Rule::StackRead;
}

std::string BothRuns::compare(kernel_test::KernelObject& kernel, int fd, uint64_t seed) {
    if (!engine_) return {};
    const object::ProgSpec& prog = object_.progs[0];
    Random random(seed);
    for (int input = 0; input < kInputs; input++) {
        const Bytes frame = random_frame(random);
        std::vector<Contents> before;
        for (size_t i = 0; i < object_.maps.size(); i++) {
            before.push_back(random_contents(object_.maps[i], random));
            if (maps::Map* map = engine_->object->maps()[i].get()) write_engine(*map, before[i]);
        }
        Remains here;
        const auto outcome = engine_->run(prog, frame, &here.packet);
        if (outcome.fault)
            return fmt::format("fault in checked mode: {}", outcome.fault->to_string());
        ran_ = true;
        if (!comparable_) continue;
        here.retval = uint32_t(outcome.r0);

        std::vector<int> maps;
        for (size_t i = 0; i < object_.maps.size(); i++) {
            const auto map = kernel.map_fd(uint32_t(i));
            if (!map) return {};
            maps.push_back(*map);
            write_kernel(object_.maps[i], *map, before[i]);
        }
        const auto ran = kernel_test::run_in_kernel(fd, frame, {});
        if (ran.error != 0) return fmt::format("the kernel's run fails: {}", strerror(ran.error));
        Remains there{.retval = ran.retval, .packet = {}, .maps = {}};
        // A socket filter's packet starts at the network header.
        const size_t hidden = prog.type == ProgType::SocketFilter ? 14 : 0;
        for (size_t i = hidden; i < ran.data.size(); i++) there.packet.push_back(ran.data[i]);
        for (size_t i = 0; i < object_.maps.size(); i++) {
            there.maps.push_back(read_kernel(object_.maps[i], maps[i]));
            here.maps.push_back(read_engine(*engine_->object->maps()[i]));
        }
        if (std::string found = difference(there, here); !found.empty() && !reads_old_stack())
            return fmt::format("{} (input {})", found, to_hex(frame));
        compared_ = true;
    }
    return {};
}

}  // namespace skep::verifier_test
