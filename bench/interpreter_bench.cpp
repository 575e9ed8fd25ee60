// SPDX-License-Identifier: Apache-2.0
// What the ways to run a program cost: the interpreter with run-time checks and without, machine
// code of the baseline and of the optimising tier, and the same C text as native code (gcc -O2).
// The programs of interpreter_programs.h, measured in turns in one process; the least of many
// rounds, in CPU time. Then what making the machine code costs. With SKEP_UBPF set to where ubpf's
// shared library is, in ubpf's interpreter, too.
#include <fmt/core.h>
#include <linux/bpf.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "base/file.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/jit/optimise.hpp"
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
    return choose(seed);
}

uint32_t native_pass(ByteView, uint64_t) {
    return XDP_PASS;
}

constexpr Row kRows[] = {{"pass", native_pass, 200'000},
                         {"parser", native_parser, 100'000},
                         {"mixer", native_mixer, 1'000},
                         {"branches", native_branches, 5'000}};

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

/// The program in one of the modes, on an event of its own.
class Runs {
  public:
    Runs(const Object& object, Execution& execution, const char* name)
        : prog_(object.find_prog(name)), execution_(execution) {
        if (prog_ && packet_.start_xdp(tcp_frame(), {.ifindex = 27})) packet_.attach(event_);
    }
    bool ready() const { return prog_ && event_.ctx; }
    uint32_t run() { return uint32_t(prog_->run(execution_, event_).r0); }

  private:
    const Prog* prog_;
    Execution& execution_;
    PacketBuffer packet_;
    NoTask task_;
    Event event_{.task = &task_};
};

/// `peer` may be null.
bool measure(const Object& checked, const Object& verified, const Object& compiled,
             const Object& optimised, Execution& execution, const Row& row, const Ubpf* peer) {
    Runs with(checked, execution, row.name), without(verified, execution, row.name),
        code(compiled, execution, row.name), best_code(optimised, execution, row.name);
    if (!with.ready() || !without.ready() || !code.ready() || !best_code.ready()) return false;
    const Bytes frame = tcp_frame();
    const auto* flat = checked.spec().find_prog(std::string(row.name) + "_flat");
    const auto peer_prog = peer && flat ? peer->load(flat->insns) : nullptr;
    Bytes memory = flat_memory(frame, 27);
    volatile uint64_t seed = 27;
    uint32_t results[6] = {};
    double best[6] = {1e18, 1e18, 1e18, 1e18, 1e18, 1e18};
    const auto turn = [&](size_t which, const std::function<uint32_t()>& run) {
        const double ns = ns_per_call([&] { results[which] = run(); }, row.calls);
        best[which] = std::min(best[which], ns);
    };
    for (int round = 0; round < 20; round++) {
        turn(0, [&] { return with.run(); });
        turn(1, [&] { return without.run(); });
        turn(2, [&] { return row.native(frame, seed); });
        turn(4, [&] { return code.run(); });
        turn(5, [&] { return best_code.run(); });
        if (peer_prog) turn(3, [&] { return uint32_t(peer_prog->run(memory)); });
    }
    fmt::print("{:<10}", row.name);
    for (const size_t which : {0, 1, 4, 5, 2}) fmt::print(" {:>12.1f}", best[which]);
    for (const size_t which : {0, 1, 4, 5}) fmt::print(" {:>8.2f}", best[which] / best[2]);
    if (peer_prog) fmt::print(" {:>12.1f} {:>8.1f}", best[3], best[3] / best[2]);
    const bool equal = results[0] == results[2] && results[1] == results[2] &&
                       results[4] == results[2] && results[5] == results[2] &&
                       (!peer_prog || (results[3] == results[2] && !peer_prog->failed()));
    fmt::print("{}\n", equal ? "" : "   RESULTS DIFFER");
    return equal;
}

/// What machine code costs before it runs.
void measure_compiling(const char* tier, const Object& object, int rounds,
                       const std::function<void(const Prog&)>& compile) {
    fmt::print("\n{:<10} {:>8} {:>12} {:>8} {:>8} {:>8}\n", tier, "insns", "compile ns", "an insn",
               "bytes", "beside");
    for (const auto& prog : object.progs()) {
        double best = 1e18;
        for (int round = 0; round < rounds; round++)
            best = std::min(best, ns_per_call([&] { compile(*prog); }, 1));
        const size_t insns = prog->spec().insns.size();
        fmt::print("{:<10} {:>8} {:>12.0f} {:>8.0f} {:>8} {:>8}\n", prog->name(), insns, best,
                   best / double(insns), prog->native()->bytes().size(),
                   prog->native()->overhead());
    }
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
    const auto checked = Object::load(*spec, env, {.checked = true});
    const auto verified = Object::load(*spec, env, {.jit = Jit::Off});
    const auto compiled = Object::load(*spec, env, {.jit = Jit::Baseline});
    const auto optimised = Object::load(*spec, env, {.jit = Jit::Optimising});
    if (!checked || !verified || !compiled || !optimised)
        return fmt::print(stderr, "{}\n", checked.error().to_string()), 5;
    for (const auto& prog : (*verified)->progs())
        if (!prog->runs_unchecked())
            return fmt::print(stderr, "{}: {}\n", prog->name(), prog->why_not_verified()), 1;
    for (const auto& prog : (*compiled)->progs())
        if (!prog->native())
            return fmt::print(stderr, "{}: {}\n", prog->name(), prog->why_not_native()), 1;
    if (const std::string& why = (*optimised)->progs()[0]->why_not_optimised(); !why.empty())
        fmt::print("not optimised, so the baseline twice: {}\n", why);
    const auto execution = Execution::create(env);
    if (!execution) return fmt::print(stderr, "{}\n", execution.error().to_string()), 5;
    const char* library = std::getenv("SKEP_UBPF");
    const auto ubpf = library ? Ubpf::open(library) : nullptr;
    if (!library) fmt::print("ubpf is left out: set SKEP_UBPF to its libubpf.so\n");
    fmt::print("{:<10} {:>12} {:>12} {:>12} {:>12} {:>12} {:>8} {:>8} {:>8} {:>8}", "program",
               "checked ns", "verified ns", "baseline ns", "optimised ns", "native ns", "ratio",
               "ratio", "ratio", "ratio");
    fmt::print("{}\n", ubpf ? fmt::format(" {:>12} {:>8}", "ubpf ns", "ratio") : "");
    bool equal = true;
    for (const Row& row : kRows)
        equal &=
            measure(**checked, **verified, **compiled, **optimised, **execution, row, ubpf.get());
    measure_compiling("baseline", **compiled, 200,
                      [](const Prog& prog) { (void)jit::NativeCode::compile(prog); });
    if (jit::optimiser())
        measure_compiling("optimising", **optimised, 20,
                          [](const Prog& prog) { (void)jit::optimise(prog); });
    return equal ? 0 : 1;
}
