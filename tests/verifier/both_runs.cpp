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
#include <optional>
#include <random>

#include "base/hex.hpp"
#include "differential/packet_kernel.hpp"
#include "engine/jit/optimise.hpp"
#include "engine/object.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/testing.hpp"
#include "verifier/program_case.hpp"
#include "verifier/verify.hpp"

namespace skep::verifier_test {

namespace {

using Random = std::mt19937_64;
using Contents = MapContents;

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

/// `there`: in the kernel, unchecked, or as machine code of either tier.
std::string difference(const Remains& there, const Remains& here) {
    if (there.retval != here.retval)
        return fmt::format("it returns {:#x} there, {:#x} in checked mode", there.retval,
                           here.retval);
    if (there.packet != here.packet)
        return fmt::format("the packet is {} there, {} in checked mode", to_hex(there.packet),
                           to_hex(here.packet));
    for (size_t i = 0; i < there.maps.size(); i++) {
        if (there.maps[i] == here.maps[i]) continue;
        for (const auto& [key, value] : there.maps[i]) {
            const auto found = here.maps[i].find(key);
            if (found == here.maps[i].end() || found->second != value)
                return fmt::format("map {} at {} has {} there, {} in checked mode", i, to_hex(key),
                                   to_hex(value),
                                   found == here.maps[i].end() ? "nothing" : to_hex(found->second));
        }
        return fmt::format("map {} has more elements in checked mode", i);
    }
    return {};
}

}  // namespace

/// The execution that all engines use in turns: there are as many as CPUs.
struct BothRuns::Machine {
    engine::Env env;
    std::unique_ptr<engine::Execution> execution;

    Machine() {
        auto made = engine::Execution::create(env);
        if (!made) return;
        execution = std::move(*made);
        execution->budget = 4'000'000;
    }
};

struct BothRuns::Engine {
    engine::Execution* execution;
    std::unique_ptr<engine::Object> object;
    engine::PacketBuffer packet;
    engine::NoTask task;

    static std::unique_ptr<Engine> load(const object::ObjectSpec& object, Machine& machine,
                                        const engine::Object::Options& options) {
        if (!machine.execution) return nullptr;
        auto loaded = engine::Object::load(object, machine.env, options);
        if (!loaded) return nullptr;
        auto engine = std::make_unique<Engine>();
        engine->execution = machine.execution.get();
        engine->object = std::move(*loaded);
        return engine;
    }

    /// Runs on a frame (or, of programs without a packet, on the bytes of its registers).
    std::optional<engine::Fault> run(const object::ProgSpec& prog, const Bytes& input,
                                     const std::vector<Contents>& before, Remains& out) {
        for (size_t i = 0; i < before.size(); i++)
            if (maps::Map* map = object->maps()[i].get()) write_engine(*map, before[i]);
        engine::Event event;
        event.task = &task;
        Bytes registers;
        if (prog.type == ProgType::Xdp) {
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
        const engine::Outcome outcome = object->find_prog(prog.name)->run(*execution, event);
        if (outcome.fault) return outcome.fault;
        out.retval = uint32_t(outcome.r0);
        if (is_packet_type(prog.type))
            out.packet = Bytes(packet.bytes().begin(), packet.bytes().end());
        for (size_t i = 0; i < before.size(); i++)
            out.maps.push_back(object->maps()[i] ? read_engine(*object->maps()[i]) : Contents{});
        return std::nullopt;
    }
};

BothRuns::BothRuns(const object::ObjectSpec& object)
    : object_(object), machine_(std::make_unique<Machine>()) {
    const object::ProgSpec& prog = object.progs[0];
    checked_ = Engine::load(object, *machine_, {.checked = true});
    unchecked_ = Engine::load(object, *machine_, {.jit = engine::Jit::Off});
    native_ = Engine::load(object, *machine_, {.jit = engine::Jit::Baseline});
    if (unchecked_ && engine::jit::optimiser())
        optimised_ = Engine::load(object, *machine_, {.jit = engine::Jit::Optimising});
    const auto verdict = verifier::verify(object, prog, platform::linux_6_18(), {.perfmon = false});
    comparable_ = is_packet_type(prog.type) && verdict && verdict->accepted &&
                  std::ranges::all_of(verdict->helpers, is_repeatable);
}

BothRuns::~BothRuns() = default;

/// As many functions in a chain as there can be frames; each fills its own.
object::ObjectSpec stack_filler(ProgType type, int32_t fill) {
    std::vector<isa::Insn> insns;
    for (int frame = 0; frame < isa::kMaxFrames; frame++) {
        for (int slot = 1; slot <= isa::kStackSize / 8; slot++)
            insns.push_back({.opcode = uint8_t{isa::kSt} | isa::kMem | isa::kDw,
                             .dst = 10,
                             .off = int16_t(-8 * slot),
                             .imm = fill});
        if (frame + 1 < isa::kMaxFrames)  // over the next two
            insns.push_back(
                {.opcode = uint8_t{isa::kJmp} | isa::kCall, .src = isa::kCallLocal, .imm = 2});
        insns.push_back({.opcode = uint8_t{isa::kAlu64} | isa::kMov});
        insns.push_back({.opcode = uint8_t{isa::kJmp} | isa::kExit});
    }
    return make_object(type, std::move(insns), {});
}

// Beside a stored half of a slot, the kernel lets helpers read the other half too, which was never
// written (6.18, without CAP_PERFMON): then it matters what the stack held before.
bool BothRuns::reads_old_stack(const Bytes& frame, const std::vector<Contents>& before) const {
    Remains nothing, results[2];
    for (const int fill : {0, 1}) {
        const object::ObjectSpec filler = stack_filler(object_.progs[0].type, -fill);
        const auto engine = Engine::load(filler, *machine_, {.checked = true});
        if (!engine || engine->run(filler.progs[0], frame, {}, nothing)) return false;
        if (checked_->run(object_.progs[0], frame, before, results[fill])) return false;
    }
    return !difference(results[0], results[1]).empty();
}

std::string BothRuns::compare(kernel_test::KernelObject& kernel, int fd, uint64_t seed) {
    if (!checked_ || !unchecked_ || !native_) return {};
    for (int input = 0; input < kInputs; input++)
        if (std::string problem = compare_input(kernel, fd, seed + uint64_t(input));
            !problem.empty())
            return problem;
    return {};
}

std::string BothRuns::compare_input(kernel_test::KernelObject& kernel, int fd, uint64_t seed) {
    const object::ProgSpec& prog = object_.progs[0];
    Random random(seed);
    const Bytes frame = random_frame(random);
    std::vector<Contents> before;
    for (const object::MapSpec& map : object_.maps) before.push_back(random_contents(map, random));

    Remains here, fast, native, optimised;
    if (const auto fault = checked_->run(prog, frame, before, here))
        return fmt::format("fault in checked mode: {}", fault->to_string());
    if (const auto fault = unchecked_->run(prog, frame, before, fast))
        return fmt::format("fault in unchecked mode: {}", fault->to_string());
    if (const auto fault = native_->run(prog, frame, before, native))
        return fmt::format("fault in machine code: {}", fault->to_string());
    if (optimised_) {
        if (const std::string& why = optimised_->object->progs()[0]->why_not_optimised();
            !why.empty())
            return "not optimised: " + why;
        if (const auto fault = optimised_->run(prog, frame, before, optimised))
            return fmt::format("fault in optimised code: {}", fault->to_string());
    }
    ran_ = true;
    if (!comparable_) return {};
    const auto told = [&](const std::string& what, std::string_view where) {
        if (what.empty() || reads_old_stack(frame, before)) return std::string();
        return fmt::format("{}: {} (input {})", where, what, to_hex(frame));
    };
    if (std::string problem = told(difference(fast, here), "unchecked"); !problem.empty())
        return problem;

    if (std::string problem = told(difference(native, here), "machine code"); !problem.empty())
        return problem;
    if (optimised_)
        if (std::string problem = told(difference(optimised, here), "optimised code");
            !problem.empty())
            return problem;

    for (size_t i = 0; i < object_.maps.size(); i++) {
        const auto map = kernel.map_fd(uint32_t(i));
        if (!map) return {};
        write_kernel(object_.maps[i], *map, before[i]);
    }
    const auto ran = kernel_test::run_in_kernel(fd, frame, {});
    if (ran.error != 0) return fmt::format("the kernel's run fails: {}", strerror(ran.error));
    Remains there{.retval = ran.retval, .packet = {}, .maps = {}};
    // A socket filter's packet starts at the network header.
    const size_t hidden = prog.type == ProgType::SocketFilter ? 14 : 0;
    for (size_t i = hidden; i < ran.data.size(); i++) there.packet.push_back(ran.data[i]);
    for (size_t i = 0; i < object_.maps.size(); i++)
        there.maps.push_back(read_kernel(object_.maps[i], *kernel.map_fd(uint32_t(i))));
    if (std::string problem = told(difference(there, here), "kernel"); !problem.empty())
        return problem;
    compared_ = true;
    return {};
}

}  // namespace skep::verifier_test
