// SPDX-License-Identifier: Apache-2.0
// `skep bench`: what a program costs an event, here and in the kernel, by test runs on the same
// input. Rounds are taken in turn, so that what disturbs the machine disturbs all alike.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "base/hex.hpp"
#include "base/json.hpp"
#include "base/table.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/input.hpp"
#include "cli/jit_mode.hpp"
#include "packet/capture_reader.hpp"
#include "packet/link.hpp"
#include "platform/embedded.hpp"
#include "skep/skep.hpp"

namespace skep::cli {

namespace {

struct Options {
    std::string file;
    std::optional<std::string> prog;
    std::optional<std::string> pcap;
    std::optional<std::string> ctx;
    uint64_t rounds = 21;
    uint64_t repeat = 0;  ///< runs of each input a round; 0: enough for some milliseconds
    bool json = false;
    std::string jit = "auto";
};

/// An IPv4 TCP packet of 64 bytes, 10.0.0.1:1000 to 10.0.0.2:80, for programs that get no capture.
constexpr uint8_t kPacket[64] = {
    0x02, 0,    0,    0,    0, 2, 0x02, 0, 0,  0, 0,    1,    0x08, 0x00,  // Ethernet
    0x45, 0,    0,    50,   0, 1, 0x40, 0, 64, 6, 0x26, 0xc3, 10,   0,    0,    1,
    10,   0,    0,    2,                                                                // IPv4
    0x03, 0xe8, 0x00, 0x50, 0, 0, 0,    1, 0,  0, 0,    0,    0x50, 0x02, 0xff, 0xff};  // TCP

/// What each run gets: packets, or one context.
struct Inputs {
    std::vector<Bytes> packets;
    Bytes ctx;
    size_t count() const { return std::max<size_t>(packets.size(), 1); }
};

Result<Inputs> read_inputs(const Options& options, ProgType type) {
    Inputs inputs;
    if (platform::embedded_hook(type) != platform::HookKind::Packet) {
        if (options.pcap) return fail(ErrorCode::Usage, "--pcap is for programs on packets");
        inputs.ctx.resize(64);
        if (options.ctx) {
            auto bytes = from_hex(*options.ctx);
            if (!bytes)
                return fail(ErrorCode::Usage, "--ctx: '{}' is no hex", printable(*options.ctx));
            inputs.ctx = std::move(*bytes);
        }
        return inputs;
    }
    if (options.ctx) return fail(ErrorCode::Usage, "--ctx is for programs without packets");
    if (!options.pcap) {
        inputs.packets.emplace_back(std::begin(kPacket), std::end(kPacket));
        return inputs;
    }
    auto reader = SKEP_TRY(packet::CaptureReader::open(*options.pcap));
    while (const auto packet = SKEP_TRY(reader.next())) {
        const auto view = packet::ethernet_view(packet->link_type, packet->data);
        if (!view) continue;
        Bytes frame;
        append(frame, view->head());
        append(frame, view->rest);
        inputs.packets.push_back(std::move(frame));
    }
    if (inputs.packets.empty())
        return fail(ErrorCode::Malformed, "{}: no packet that programs could be given",
                    *options.pcap);
    return inputs;
}

/// One way to run the program, and what its rounds came to.
struct Measured {
    std::string name;
    std::string mode;
    std::optional<Runtime> runtime = {};
    std::optional<Program> prog = {};
    std::string problem = {};
    std::vector<double> rounds = {};  ///< ns a run

    double at(double share) const {
        std::vector<double> sorted = rounds;
        std::ranges::sort(sorted);
        return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
    }
    double min() const { return at(0); }
    double median() const { return at(0.5); }
    /// Half of the rounds lie within this share of the median.
    double spread() const { return median() > 0 ? (at(0.75) - at(0.25)) / median() : 0; }
};

Result<double> round(Measured& place, const Inputs& inputs, uint32_t repeat) {
    double ns = 0;
    if (inputs.packets.empty())
        return static_cast<double>(
            SKEP_TRY(place.prog->test_run({.ctx = inputs.ctx, .repeat = repeat})).ns);
    for (const Bytes& packet : inputs.packets)
        ns += static_cast<double>(
            SKEP_TRY(place.prog->test_run({.data = packet, .repeat = repeat})).ns);
    return ns / static_cast<double>(inputs.packets.size());
}

/// `runtime`: of this process, made with the first that needs it; each would take a CPU's slot.
Measured open_place(Place where, Verify verify, Jit jit, ByteView elf, const Options& options,
                    const std::string& prog, std::optional<Runtime>& runtime) {
    Measured place{.name = where == Place::Kernel ? "kernel" : "embedded",
                   .mode = where == Place::Kernel      ? "jit"
                           : verify == Verify::Checked ? "checked"
                           : jit == Jit::Off           ? "verified"
                           : jit == Jit::Optimising    ? "optimised"
                                                       : "native"};
    const auto open = [&]() -> Result<void> {
        if (where == Place::Kernel || !runtime) place.runtime = SKEP_TRY(Runtime::open(where));
        if (where == Place::Embedded) {
            if (!runtime) runtime = place.runtime;
            place.runtime = runtime;
        }
        const Object object = SKEP_TRY(place.runtime->load(
            elf, options.file, {.progs = {prog}, .verify = verify, .jit = jit}));
        place.prog = SKEP_TRY(object.program(prog));
        if (jit != Jit::Off && !place.prog->native())
            return unsupported("there is no machine code on this machine");
        return {};
    };
    if (auto opened = open(); !opened) place.problem = opened.error().message;
    return place;
}

/// So many runs that a round takes about 5 ms, by what one costs.
uint32_t enough(double ns, const Inputs& inputs) {
    const double each = std::max(ns, 1.0) * static_cast<double>(inputs.count());
    return static_cast<uint32_t>(std::clamp(5e6 / each, 10.0, 100'000.0));
}

void measure(std::vector<Measured>& places, const Inputs& inputs, const Options& options) {
    std::vector<uint32_t> repeats;
    for (Measured& place : places) {
        repeats.push_back(static_cast<uint32_t>(options.repeat));
        if (!place.problem.empty() || options.repeat) continue;
        const auto first = round(place, inputs, 100);  // also warms up
        if (!first)
            place.problem = first.error().message;
        else
            repeats.back() = enough(*first, inputs);
    }
    for (uint64_t i = 0; i < options.rounds; i++)
        for (size_t p = 0; p < places.size(); p++) {
            if (!places[p].problem.empty()) continue;
            const auto ns = round(places[p], inputs, repeats[p]);
            if (!ns)
                places[p].problem = ns.error().message;
            else
                places[p].rounds.push_back(*ns);
        }
}

std::string as_text(const std::vector<Measured>& places) {
    Table table({"WHERE", "MODE", ">MIN NS", ">MEDIAN NS", ">SPREAD"});
    for (const Measured& place : places)
        if (place.problem.empty())
            table.row({place.name, place.mode, fmt::format("{:.1f}", place.min()),
                       fmt::format("{:.1f}", place.median()),
                       fmt::format("{:.0f}%", 100 * place.spread())});
    return table.empty() ? "" : table.to_string();
}

std::string as_json(const std::string& prog, ProgType type, const Inputs& inputs,
                    const std::vector<Measured>& places) {
    JsonWriter json;
    json.begin_object().key("prog").value(prog).key("type").value(to_string(type));
    json.key("inputs").value(uint64_t{inputs.count()}).key("places").begin_array();
    for (const Measured& place : places) {
        json.begin_object().key("where").value(place.name).key("mode").value(place.mode);
        if (!place.problem.empty()) {
            json.key("problem").value(place.problem).end_object();
            continue;
        }
        json.key("rounds").value(uint64_t{place.rounds.size()}).key("min_ns").value(place.min());
        json.key("median_ns").value(place.median()).key("spread").value(place.spread());
        json.end_object();
    }
    return json.end_array().end_object().text() + '\n';
}

Result<const object::ProgSpec*> choose(const object::ObjectSpec& spec, const Options& options) {
    if (options.prog) return find_prog(spec, *options.prog);
    std::vector<const object::ProgSpec*> able;
    for (const object::ProgSpec& prog : spec.progs)
        if (platform::embedded_hook(prog.type) == platform::HookKind::Packet ||
            prog.type == ProgType::Syscall || prog.type == ProgType::RawTracepoint)
            able.push_back(&prog);
    if (able.size() == 1) return able.front();
    if (able.empty())
        return unsupported(
            "object '{}' has no program that can be run by itself: packet, syscall "
            "and raw tracepoint programs can",
            printable(spec.name));
    std::string names;
    for (const object::ProgSpec* prog : able)
        names += (names.empty() ? "" : ", ") + printable(prog->name);
    return std::unexpected(Error{ErrorCode::Usage,
                                 fmt::format("object '{}' has {} programs that can be measured",
                                             printable(spec.name), able.size()),
                                 "choose one with --prog: " + names, 0});
}

Result<int> bench(const Options& options, Context& context) {
    if (options.rounds == 0) return fail(ErrorCode::Usage, "--rounds: at least 1");
    const Bytes elf = SKEP_TRY(object_bytes(options.file));
    const object::ObjectSpec spec = SKEP_TRY(parse_object(elf, options.file));
    const object::ProgSpec* prog = SKEP_TRY(choose(spec, options));
    const Inputs inputs = SKEP_TRY(read_inputs(options, prog->type));
    std::vector<Measured> places;
    std::optional<Runtime> here;
    const auto open = [&](Place where, Verify verify, Jit jit) {
        places.push_back(open_place(where, verify, jit, elf, options, prog->name, here));
    };
    const engine::Jit jit = SKEP_TRY(jit_mode(options.jit));
    if (jit == engine::Jit::Optimising) open(Place::Embedded, Verify::Required, Jit::Optimising);
    if (jit != engine::Jit::Off) open(Place::Embedded, Verify::Required, Jit::Baseline);
    if (jit != engine::Jit::Baseline) open(Place::Embedded, Verify::Required, Jit::Off);
    open(Place::Embedded, Verify::Checked, Jit::Off);
    open(Place::Kernel, Verify::Required, Jit::Off);
    measure(places, inputs, options);
    SKEP_TRY(context.terminal.print(options.json ? as_json(prog->name, prog->type, inputs, places)
                                                 : as_text(places)));
    bool any = false;
    for (const Measured& place : places) {
        any |= place.problem.empty();
        if (!place.problem.empty() && !options.json)
            context.terminal.note(
                fmt::format("not measured: {}, {}: {}", place.name, place.mode, place.problem));
    }
    return any ? kDone : kNo;
}

Action declare(Arguments& args) {
    auto options = std::make_shared<Options>();
    args.operand("FILE", options->file,
                 "compiled object, or NAME.bpf.c, which clang compiles first");
    args.option("--prog", "NAME", options->prog, "this program; else the only one that can be");
    args.option("--pcap", "IN", options->pcap, "packets to run on, each as often as the others");
    args.option("--ctx", "HEX", options->ctx, "context of a syscall or raw tracepoint program");
    args.option("--rounds", "N", options->rounds, "how often to measure each place (21)");
    args.option("--repeat", "N", options->repeat, "runs of each input a round (about 5 ms)");
    args.option("--jit", "MODE", options->jit,
                "in this process: machine code (baseline), the interpreter (off), both (auto), or "
                "optimised machine code, too (optimising)")
        .choices = kJitModes;
    args.flag("--json", options->json, "one JSON object instead of a table");
    return [options](Context& context) { return bench(*options, context); };
}

}  // namespace

const Command kBench = {
    .name = "bench",
    .summary = "what a program costs per event, here and in the kernel",
    .description =
        "Runs a program on the same input in this process (as machine code, interpreted as\n"
        "the verifier lets it, and checked) and in the kernel (BPF_PROG_TEST_RUN, as root),\n"
        "in turns. MIN is the quietest round, SPREAD how far apart the middle half of the\n"
        "rounds lies.",
    .examples =
        "skep bench goodbye_ping.bpf.o\n"
        "skep bench talkers.bpf.o --pcap traffic.pcap --json\n",
    .declare = declare,
};

}  // namespace skep::cli
