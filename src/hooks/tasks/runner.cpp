// SPDX-License-Identifier: Apache-2.0
#include "hooks/tasks/runner.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "engine/timers.hpp"
#include "maps/local_storage.hpp"
#include "maps/perf_event_array.hpp"
#include "maps/ringbuf.hpp"

namespace skep::hooks {
namespace {

using When = AttachPoint::When;

uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

/// Where programs find the user's registers; 0 of events that have none.
uint64_t registers_of(const TaskEvent& event) {
    if (const auto* enter = std::get_if<SysEnter>(&event))
        return reinterpret_cast<uint64_t>(enter->registers);
    if (const auto* exit = std::get_if<SysExit>(&event))
        return reinterpret_cast<uint64_t>(exit->registers);
    return 0;
}

}  // namespace

Result<std::unique_ptr<TaskRunner>> TaskRunner::create(const engine::Object& object,
                                                       const engine::Env& env, Options options) {
    for (const std::string& name : options.progs)
        if (!object.find_prog(name))
            return fail(ErrorCode::Usage, "there is no program '{}' in '{}'", name,
                        object.spec().name);
    std::unique_ptr<TaskRunner> runner(new TaskRunner());
    for (const auto& prog : object.progs())
        if (options.progs.empty() || std::ranges::count(options.progs, prog->name()) != 0)
            SKEP_TRY(runner->attach(*prog));
    if (runner->attached_.empty())
        return fail(ErrorCode::Usage, "no program of '{}' says what to run it on",
                    object.spec().name);
    return create(std::move(runner), env, std::move(options));
}

Result<std::unique_ptr<TaskRunner>> TaskRunner::create(
    const std::vector<const engine::Prog*>& progs, const engine::Env& env, Options options) {
    std::unique_ptr<TaskRunner> runner(new TaskRunner());
    for (const engine::Prog* prog : progs) {
        SKEP_TRY(runner->attach(*prog));
        if (runner->attached_.empty() || runner->attached_.back().prog != prog)
            return fail(ErrorCode::Usage, "program '{}' does not say what to run it on",
                        prog->name());
    }
    return create(std::move(runner), env, std::move(options));
}

Result<std::unique_ptr<TaskRunner>> TaskRunner::create(std::unique_ptr<TaskRunner> runner,
                                                       const engine::Env& env, Options options) {
    runner->index();
    if (!options.execution) runner->own_execution_ = SKEP_TRY(engine::Execution::create(env));
    runner->execution_ = options.execution ? options.execution : runner->own_execution_.get();
    runner->tree_ =
        std::make_unique<ProcessTree>(ProcessTreeOptions{.argv = std::move(options.argv),
                                                         .wanted = runner->wanted_,
                                                         .mechanism = options.mechanism});
    return runner;
}

Result<void> TaskRunner::attach(const engine::Prog& prog) {
    const auto point = SKEP_TRY(attach_point(prog.spec()));
    if (!point) return {};
    attached_.push_back({&prog, *point});
    statistics_.progs.push_back({.name = prog.name()});
    add_to(wanted_, *point);
    note_maps(prog);
    return {};
}

/// Of all programs of its object, for it may call others, and find maps in maps.
void TaskRunner::note_maps(const engine::Prog& prog) {
    if (std::ranges::count(timers_, &prog.timers()) == 0) timers_.push_back(&prog.timers());
    for (maps::Map* map : prog.maps()) {
        if (!map) continue;
        const bool output = map->as<maps::Ringbuf>() || map->as<maps::PerfEventArray>();
        if (output && std::ranges::count(outputs_, map) == 0) outputs_.push_back(map);
        if (map->def().type == MapType::TaskStorage) storages_.insert(map);
    }
    if (!storages_.empty()) wanted_.task_exit = wanted_.exec = true;
}

void TaskRunner::set_prog(size_t index, const engine::Prog* prog) {
    attached_[index].prog = prog;
    attached_[index].stopped = !prog;
    if (prog) note_maps(*prog);
}

void TaskRunner::index() {
    on_enter_.resize(SyscallSet::kLimit);
    on_exit_.resize(SyscallSet::kLimit);
    for (uint32_t i = 0; i < attached_.size(); ++i) {
        const AttachPoint& point = attached_[i].point;
        switch (point.when) {
            case When::Fork: on_fork_.push_back(i); continue;
            case When::Exec: on_exec_.push_back(i); continue;
            case When::TaskExit: on_task_exit_.push_back(i); continue;
            default: break;
        }
        auto& by_number = point.when == When::SysEnter ? on_enter_ : on_exit_;
        if (point.syscall) {
            by_number[*point.syscall].push_back(i);
            continue;
        }
        for (Indices& one : by_number) one.push_back(i);
        (point.when == When::SysEnter ? on_any_enter_ : on_any_exit_).push_back(i);
    }
}

const TaskRunner::Indices& TaskRunner::on(const TaskEvent& event) const {
    const auto call = [](const auto& one, const std::vector<Indices>& by_number,
                         const Indices& any) -> const Indices& {
        const bool known = one.abi == Abi::Native && one.nr >= 0 && one.nr < SyscallSet::kLimit;
        return known ? by_number[static_cast<size_t>(one.nr)] : any;
    };
    if (const auto* enter = std::get_if<SysEnter>(&event))
        return call(*enter, on_enter_, on_any_enter_);
    if (const auto* exit = std::get_if<SysExit>(&event)) return call(*exit, on_exit_, on_any_exit_);
    if (std::holds_alternative<Fork>(event)) return on_fork_;
    return std::holds_alternative<Exec>(event) ? on_exec_ : on_task_exit_;
}

Result<Outcome> TaskRunner::run(const TaskSinks& sinks) {
    sinks_ = &sinks;
    Result<Outcome> outcome =
        tree_->run([this](const TaskEvent& event, engine::Task& task) { handle(event, task); },
                   [this] { return run_timers(); });
    run_timers();
    drain();
    count_lost();
    return outcome;
}

void TaskRunner::handle(const TaskEvent& event, engine::Task& task) {
    if (sinks_->before) sinks_->before();
    const Indices& progs = on(event);
    engine::Event context;
    context.task = &task;
    context.registers = registers_of(event);
    if (std::holds_alternative<Exec>(event)) follow_storage(event);
    if (!progs.empty()) {
        const uint64_t start = monotonic_ns();
        for (const uint32_t i : progs) run_prog(attached_[i], statistics_.progs[i], event, context);
        statistics_.prog_ns += monotonic_ns() - start;
        statistics_.events++;
    }
    if (std::holds_alternative<TaskExit>(event)) follow_storage(event);
    drain();
}

/// Nanoseconds until there is a timer to run; nothing where none has been started.
std::optional<uint64_t> TaskRunner::run_timers() {
    std::optional<uint64_t> next;
    for (engine::Timers* timers : timers_) {
        if (!timers->armed()) continue;
        self_.begin(getpid(), {});
        engine::Event context;
        context.task = &self_;
        if (auto fault = timers->run_due(*execution_, context)) report(std::move(*fault), nullptr);
        drain();
        if (const auto due = timers->next_due()) next = next ? std::min(*next, *due) : *due;
    }
    return next;
}

// Programs name a task by its thread id (engine/helpers/maps.cpp), which others get after it. A
// thread that execs takes its process's id, and its storage goes with it.
void TaskRunner::follow_storage(const TaskEvent& event) {
    for (maps::Map* map : storages_) {
        auto* storage = map->as<maps::LocalStorage>();
        if (const auto* exit = std::get_if<TaskExit>(&event))
            storage->remove(static_cast<uint32_t>(exit->pid));
        if (const auto* exec = std::get_if<Exec>(&event); exec && exec->old_pid != exec->pid)
            storage->rename(static_cast<uint32_t>(exec->old_pid), static_cast<uint32_t>(exec->pid));
    }
}

void TaskRunner::run_prog(Attached& attached, ProgStatistics& statistics, const TaskEvent& event,
                          engine::Event& context) {
    if (attached.stopped) return;
    const std::span<uint8_t> bytes = contexts_.make(attached.point, event, *context.task);
    context.ctx = bytes.data();
    context.ctx_size = static_cast<uint32_t>(bytes.size());
    engine::Outcome outcome = attached.prog->run(*execution_, context);
    statistics.runs++;
    if (!outcome.fault) {
        if (statistics.returned.size() < ProgStatistics::kMaxReturned ||
            statistics.returned.contains(outcome.r0))
            statistics.returned[outcome.r0]++;
        return;
    }
    attached.stopped = true;
    report(std::move(*outcome.fault), &statistics);
}

void TaskRunner::report(engine::Fault fault, ProgStatistics* statistics) {
    if (sinks_->fault) sinks_->fault(fault);
    if (statistics) statistics->fault = std::move(fault);
}

void TaskRunner::drain() {
    if (sinks_->keep_records) return;
    const auto hand_over = [&](const maps::Map& map, std::span<const uint8_t> bytes, uint32_t cpu) {
        statistics_.records++;
        if (sinks_->record) sinks_->record({map, bytes, cpu});
        return false;
    };
    for (maps::Map* map : outputs_) {
        if (auto* ring = map->as<maps::Ringbuf>())
            ring->consume(
                [&](std::span<const uint8_t> bytes) { return hand_over(*map, bytes, 0); });
        else
            map->as<maps::PerfEventArray>()->consume(
                [&](uint32_t cpu, std::span<const uint8_t> bytes) {
                    return hand_over(*map, bytes, cpu);
                });
    }
}

void TaskRunner::count_lost() {
    statistics_.lost = 0;
    for (maps::Map* map : outputs_) {
        if (const auto* ring = map->as<maps::Ringbuf>()) statistics_.lost += ring->lost();
        if (const auto* perf = map->as<maps::PerfEventArray>()) statistics_.lost += perf->lost();
    }
}

}  // namespace skep::hooks
