// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "cli/input.hpp"
#include "cli/run.hpp"
#include "engine/timers.hpp"
#include "hooks/syscalls/task.hpp"
#include "maps/perf_event_array.hpp"
#include "maps/ringbuf.hpp"
#include "platform/embedded.hpp"

namespace skep::cli {

namespace {

using object::ProgSpec;

/// The program to begin with: the one that is named, or the only one on packets that no other tail
/// calls.
Result<const ProgSpec*> choose(const Run& run) {
    if (run.options.progs.size() > 1)
        return fail(ErrorCode::Usage,
                    "--prog: packets go to one program; tail calls lead to others");
    if (!run.options.progs.empty()) return find_prog(run.spec, run.options.progs.front());
    std::set<uint32_t> called;
    for (const object::MapSpec& map : run.spec.maps)
        if (map.type == MapType::ProgArray)
            for (const object::InitialSlot& slot : map.initial_slots) called.insert(slot.index);
    std::vector<const ProgSpec*> found;
    for (uint32_t i = 0; i < run.spec.progs.size(); i++) {
        const ProgSpec& prog = run.spec.progs[i];
        if (platform::embedded_hook(prog.type) == platform::HookKind::Packet && prog.autoload &&
            !called.contains(i))
            found.push_back(&prog);
    }
    if (found.size() == 1) return found.front();
    std::vector<std::string_view> names;
    for (const ProgSpec* prog : found) names.push_back(prog->name);
    if (found.empty())
        return std::unexpected(
            Error{ErrorCode::Usage,
                  fmt::format("object '{}' has no program for packets", printable(run.spec.name)),
                  "these are of type xdp, sched_cls, sched_act, socket_filter or cgroup_skb", 0});
    return std::unexpected(
        Error{ErrorCode::Usage,
              fmt::format("object '{}' has {} programs for packets", printable(run.spec.name),
                          found.size()),
              printable(fmt::format("choose one with --prog: {}", fmt::join(names, ", "))), 0});
}

/// Timers and buffers of an object between its packets.
class Housekeeping {
  public:
    Housekeeping(Run& run, const engine::Object& object, engine::Execution& execution)
        : run_(run), object_(object), execution_(execution) {
        self_.begin(getpid(), {});
        event_.task = &self_;
        for (size_t i = 0; i < object.maps().size(); i++)
            if (maps::Map* map = object.maps()[i].get();
                map && (map->as<maps::Ringbuf>() || map->as<maps::PerfEventArray>()))
                buffers_.push_back({map, object.spec().maps[i].name});
    }

    /// Nanoseconds until there is one to run; nothing where none has been started.
    std::optional<uint64_t> run_timers() {
        if (!object_.timers().armed()) return std::nullopt;
        if (const auto fault = object_.timers().run_due(execution_, event_))
            run_.context.terminal.note(fault->to_string());
        drain();
        return object_.timers().next_due();
    }

    void drain() {
        for (const auto& [map, name] : buffers_) {
            const auto put = [&](std::span<const uint8_t> bytes) {
                run_.output.record(run_.spec, name, bytes);
                return !run_.output.ok();
            };
            if (auto* ring = map->as<maps::Ringbuf>())
                ring->consume(put);
            else
                map->as<maps::PerfEventArray>()->consume(
                    [&](uint32_t, std::span<const uint8_t> bytes) { return put(bytes); });
        }
    }

    uint64_t lost() const {
        uint64_t lost = 0;
        for (const auto& [map, name] : buffers_) {
            if (const auto* ring = map->as<maps::Ringbuf>()) lost += ring->lost();
            if (const auto* perf = map->as<maps::PerfEventArray>()) lost += perf->lost();
        }
        return lost;
    }

  private:
    struct Buffer {
        maps::Map* map;
        std::string name;
    };
    Run& run_;
    const engine::Object& object_;
    engine::Execution& execution_;
    hooks::LiveTask self_;
    engine::Event event_;
    std::vector<Buffer> buffers_;
};

std::string plural(uint64_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// What happened besides verdicts, on stderr.
void report(Terminal& terminal, const hooks::PacketStats& stats) {
    for (const auto& [reason, count] : stats.skipped)
        terminal.note(fmt::format("{} not given to the program: each {}", plural(count, "packet"),
                                  hooks::to_string(reason)));
    if (stats.first_fault)
        terminal.note(fmt::format("{} stopped; the first: {}", plural(stats.faults, "run"),
                                  stats.first_fault->to_string()));
    if (stats.truncated)
        terminal.note(
            fmt::format("{} cut short by whoever captured it", plural(stats.truncated, "packet")));
    if (stats.unwritable)
        terminal.note(fmt::format("{} could not be written: {}", plural(stats.unwritable, "packet"),
                                  stats.first_unwritable));
    if (stats.lost)
        terminal.note(
            fmt::format("{} lost before the program saw it", plural(stats.lost, "packet")));
}

Result<void> raise_events(Run& run, hooks::PacketRunner& runner, Housekeeping& house,
                          hooks::ReplayClock& clock, hooks::PacketStats& stats) {
    std::atomic<bool> stop = false;
    const hooks::StopOnInterrupt interrupt;
    const auto sink = [&](const hooks::PacketEvent& event) {
        if (run.options.verbose) run.output.packet(event);
        house.drain();
        if (!run.output.ok() || interrupt.flag()->load()) stop = true;
    };
    hooks::RunOptions options{.count = run.options.count,
                              .write = run.options.write,
                              .timers = [&] { return house.run_timers(); },
                              .stop = &stop};
    if (run.options.interface) {
        options.stop = interrupt.flag();
        return run_live(runner, {.interface = *run.options.interface}, options, sink, stats);
    }
    auto reader = SKEP_TRY(packet::CaptureReader::open(*run.options.pcap));
    options.clock = &clock;
    return run_capture(runner, reader, options, sink, stats);
}

}  // namespace

Result<int> run_on_packets(Run& run) {
    const ProgSpec* chosen = SKEP_TRY(choose(run));
    hooks::ReplayClock clock;
    engine::Env env;
    env.printk = [&](std::string_view line) { run.output.printk(line); };
    if (run.options.pcap) env.clock = clock.function();
    const auto object = SKEP_TRY(load_to_run(run, env, {chosen->name}));
    const auto execution = SKEP_TRY(engine::Execution::create(env));
    auto runner =
        SKEP_TRY(hooks::PacketRunner::create(*object->find_prog(chosen->name), *execution));
    Housekeeping house(run, *object, *execution);

    hooks::PacketStats stats;
    const Result<void> done = raise_events(run, runner, house, clock, stats);
    house.drain();
    if (!run.output.ok()) return std::unexpected(run.output.result().error());
    run.output.summary({.prog = chosen->name,
                        .type = std::string(to_string(chosen->type)),
                        .events = stats.events,
                        .verdicts = stats.verdicts,
                        .faults = stats.faults,
                        .lost = stats.lost + house.lost(),
                        .ns_per_event = stats.ns_per_event()},
                       *object, run.maps);
    report(run.context.terminal, stats);
    if (!run.output.ok()) return std::unexpected(run.output.result().error());
    if (!done) return std::unexpected(done.error());
    return stats.faults ? kNo : kDone;
}

}  // namespace skep::cli
