// SPDX-License-Identifier: Apache-2.0
// What the checked interpreter costs: the programs of interpreter_programs.h in it and as native
// code, measured in turns in one process; the least of many rounds, in CPU time. With SKEP_UBPF set
// to where ubpf's shared library is, in ubpf's interpreter, too.
#include <fmt/core.h>
#include <linux/bpf.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "base/file.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/testing.hpp"
#include "interpreter_programs.h"
#include "object/read.hpp"
#include "ubpf.hpp"

namespace {

using namespace skep;
using namespace skep::engine;
using bench::Ubpf;

double cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) * 1e9 + double(now.tv_nsec);
}

double ns_per_call(const std::function<void()>& call, int calls) {
    const double begin = cpu_ns();
    for (int i = 0; i < calls; i++) call();
    return (cpu_ns() - begin) / calls;
}

struct Row {
    const char* name;
    uint32_t (*native)(ByteView frame, uint64_t seed);
    int calls;
};

uint32_t native_parser(ByteView frame, uint64_t) {
    return parse_packet(frame.data(), frame.data() + frame.size());
}
uint32_t native_mixer(ByteView, uint64_t seed) {
    return mix(seed);
}
uint32_t native_branches(ByteView, uint64_t seed) {
    return collatz(seed);
}

constexpr Row kRows[] = {{"parser", native_parser, 100'000},
                         {"mixer", native_mixer, 1'000},
                         {"branches", native_branches, 500}};

/// An Ethernet frame with IPv4 and TCP, zeros but for the headers that the parser looks at.
Bytes tcp_frame() {
    Bytes frame(74);
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[23] = 6;
    for (size_t i = 26; i < 38; i++) frame[i] = uint8_t(i);
    return frame;
}

/// What ubpf gets: the context, then the packet that it points to.
Bytes flat_memory(ByteView frame, uint64_t seed) {
    Bytes memory(sizeof(flat_ctx) + frame.size());
    const u8* data = memory.data() + sizeof(flat_ctx);
    const flat_ctx ctx{data, data + frame.size(), seed};
    std::memcpy(memory.data(), &ctx, sizeof ctx);
    std::ranges::copy(frame, memory.begin() + sizeof ctx);
    return memory;
}

/// `peer` may be null.
bool measure(const Object& object, Execution& execution, const Row& row, const Ubpf* peer) {
    const Prog* prog = object.find_prog(row.name);
    const Bytes frame = tcp_frame();
    PacketBuffer packet;
    NoTask task;
    Event event{.task = &task};
    if (!prog || !packet.start_xdp(frame, {.ifindex = 27})) return false;
    packet.attach(event);
    const auto* flat = object.spec().find_prog(std::string(row.name) + "_flat");
    const auto peer_prog = peer && flat ? peer->load(flat->insns) : nullptr;
    Bytes memory = flat_memory(frame, 27);
    uint32_t here = 0;
    uint32_t there = 0;
    uint32_t at_peer = 0;
    volatile uint64_t seed = 27;
    double interpreted = 1e18;
    double native = 1e18;
    double ubpf = 1e18;
    for (int round = 0; round < 20; round++) {
        interpreted = std::min(
            interpreted,
            ns_per_call([&] { here = uint32_t(prog->run(execution, event).r0); }, row.calls));
        native = std::min(native, ns_per_call([&] { there = row.native(frame, seed); }, row.calls));
        if (peer_prog)
            ubpf = std::min(
                ubpf, ns_per_call([&] { at_peer = uint32_t(peer_prog->run(memory)); }, row.calls));
    }
    fmt::print("{:<10} {:>12.1f} {:>12.1f} {:>8.1f}", row.name, interpreted, native,
               interpreted / native);
    if (peer_prog) fmt::print(" {:>12.1f} {:>8.2f}", ubpf, interpreted / ubpf);
    const bool equal = here == there && (!peer_prog || (at_peer == there && !peer_prog->failed()));
    fmt::print("{}\n", equal ? "" : "   RESULTS DIFFER");
    return equal;
}

}  // namespace

int main(int, char** argv) {
    const std::string self = argv[0];
    const std::string path = self.substr(0, self.rfind('/') + 1) + "interpreter_programs.bpf.o";
    const auto bytes = read_file(path);
    if (!bytes) return fmt::print(stderr, "{}\n", bytes.error().to_string()), 5;
    const Env env;
    const auto spec = object::read_object(*bytes, path);
    if (!spec) return fmt::print(stderr, "{}\n", spec.error().to_string()), 5;
    const auto object = Object::load(*spec, env);
    if (!object) return fmt::print(stderr, "{}\n", object.error().to_string()), 5;
    const auto execution = Execution::create(env);
    if (!execution) return fmt::print(stderr, "{}\n", execution.error().to_string()), 5;
    const char* library = std::getenv("SKEP_UBPF");
    const auto ubpf = library ? Ubpf::open(library) : nullptr;
    if (!library) fmt::print("ubpf is left out: set SKEP_UBPF to its libubpf.so\n");
    fmt::print("{:<10} {:>12} {:>12} {:>8}", "program", "checked ns", "native ns", "ratio");
    fmt::print("{}\n", ubpf ? fmt::format(" {:>12} {:>8}", "ubpf ns", "ratio") : "");
    bool equal = true;
    for (const Row& row : kRows) equal &= measure(**object, **execution, row, ubpf.get());
    return equal ? 0 : 1;
}
