// SPDX-License-Identifier: Apache-2.0
#include "runtime/embedded_program.hpp"

#include <algorithm>
#include <chrono>

#include "base/text.hpp"
#include "engine/timers.hpp"
#include "hooks/packets/packet_runner.hpp"
#include "maps/map.hpp"
#include "platform/embedded.hpp"

namespace skep::runtime {

namespace {

uint64_t now_ns() {
    return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

Error stopped(const engine::Fault& fault) {
    return {ErrorCode::Failed, fmt::format("stopped: {}", fault.to_string()), {}, 0};
}

}  // namespace

RunCounters::RunCounters()
    : cpus_(maps::possible_cpus()), counts_(std::make_unique<Counts[]>(cpus_)) {}

// Each slot has one writer at a time: whoever has borrowed it.
void RunCounters::add(uint32_t cpu, uint64_t runs, uint64_t ns, uint64_t misses) {
    Counts& counts = counts_[cpu % cpus_];
    const auto relaxed = std::memory_order_relaxed;
    counts.runs.store(counts.runs.load(relaxed) + runs, relaxed);
    if (ns) counts.ns.store(counts.ns.load(relaxed) + ns, relaxed);
    if (misses) counts.misses.store(counts.misses.load(relaxed) + misses, relaxed);
}

ProgramStats RunCounters::total() const {
    ProgramStats total;
    for (uint32_t cpu = 0; cpu < cpus_; cpu++) {
        total.runs += counts_[cpu].runs.load(std::memory_order_relaxed);
        total.ns += counts_[cpu].ns.load(std::memory_order_relaxed);
        total.misses += counts_[cpu].misses.load(std::memory_order_relaxed);
    }
    return total;
}

EmbeddedProgram::EmbeddedProgram(std::shared_ptr<LoadedObject> object,
                                 std::shared_ptr<const engine::Prog> prog)
    : object_(std::move(object)), prog_(std::move(prog)), id_(object_->state->new_id()) {}

Result<uint64_t> EmbeddedProgram::run_once(const ExecutionPool::Lease& lease, uint8_t* ctx,
                                           size_t size, uint64_t* ns) {
    engine::Execution& execution = lease.execution();
    engine::Event event{.ctx = ctx, .ctx_size = static_cast<uint32_t>(size), .task = &lease.task()};
    const uint64_t start = ns ? now_ns() : 0;
    const engine::Outcome outcome = prog_->run(execution, event);
    const uint64_t took = ns ? now_ns() - start : 0;
    if (ns) *ns += took;
    counters_.add(execution.cpu(), 1, took, outcome.fault ? 1 : 0);
    if (outcome.fault) [[unlikely]]
        return std::unexpected(stopped(*outcome.fault));
    if (object_->object->timers().armed()) [[unlikely]] {
        event.ctx = nullptr;
        event.ctx_size = 0;
        if (const auto fault = object_->object->timers().run_due(execution, event))
            return std::unexpected(stopped(*fault));
    }
    return outcome.r0;
}

Result<uint64_t> EmbeddedProgram::call(std::span<uint8_t> ctx) {
    const auto lease = SKEP_TRY(object_->state->pool.borrow());
    // The verifier lets such programs reach up to 64 KiB: that much is there, whatever `ctx` has.
    std::ranges::copy(ctx, lease.context());
    uint64_t ns = 0;
    const bool timed = object_->state->stats.load(std::memory_order_relaxed);
    auto result = run_once(lease, lease.context(), ctx.size(), timed ? &ns : nullptr);
    std::copy_n(lease.context(), ctx.size(), ctx.begin());
    return result;
}

Result<TestResult> EmbeddedProgram::test_run(const TestRun& run) {
    if (platform::embedded_hook(spec().type) == platform::HookKind::Packet) return test_packet(run);
    if (spec().type == ProgType::Syscall || spec().type == ProgType::RawTracepoint)
        return test_context(run);
    return unsupported("program '{}': programs of type {} have no test run", printable(spec().name),
                       to_string(spec().type));
}

Result<TestResult> EmbeddedProgram::test_packet(const TestRun& run) {
    if (!run.ctx.empty())
        return unsupported("program '{}': a test run in this process takes no context of a packet",
                           printable(spec().name));
    const auto lease = SKEP_TRY(object_->state->pool.borrow());
    auto runner =
        SKEP_TRY(hooks::PacketRunner::create(*prog_, lease.execution(), {.task = &lease.task()}));
    const packet::Packet packet{.data = run.data, .length = static_cast<uint32_t>(run.data.size())};
    TestResult result;
    uint64_t ns = 0;
    const uint32_t repeat = std::max(run.repeat, 1u);
    for (uint32_t i = 0; i < repeat; i++) {
        const hooks::PacketResult& one = runner.run(packet);
        if (!one.ran())
            return std::unexpected(sys_error(
                fmt::format("program '{}': the packet {}", printable(spec().name),
                            one.skipped == hooks::Skipped::NotIp ? "is not IP" : "is too short"),
                EINVAL));
        ns += one.ns;
        counters_.add(lease.execution().cpu(), 1, one.ns, one.outcome.fault ? 1 : 0);
        if (one.outcome.fault) return std::unexpected(stopped(*one.outcome.fault));
        result.retval = static_cast<uint32_t>(one.verdict);
    }
    const ByteView frame =
        spec().type == ProgType::SocketFilter ? runner.original() : runner.frame();
    result.data.assign(frame.begin(), frame.end());
    result.ns = ns / repeat;
    return result;
}

Result<TestResult> EmbeddedProgram::test_context(const TestRun& run) {
    if (!run.data.empty())
        return fail(ErrorCode::Usage, "program '{}' of type {} takes no packet",
                    printable(spec().name), to_string(spec().type));
    if (run.ctx.size() >= ExecutionPool::kContextRoom)
        return std::unexpected(sys_error("a context of 64 KiB or more", E2BIG));
    const auto lease = SKEP_TRY(object_->state->pool.borrow());
    TestResult result;
    uint64_t ns = 0;
    const uint32_t repeat = std::max(run.repeat, 1u);
    for (uint32_t i = 0; i < repeat; i++) {
        std::ranges::copy(run.ctx, lease.context());
        result.retval = SKEP_TRY(run_once(lease, lease.context(), run.ctx.size(), &ns));
    }
    result.ctx.assign(lease.context(), lease.context() + run.ctx.size());
    result.ns = ns / repeat;
    return result;
}

Result<std::unique_ptr<LinkBackend>> EmbeddedProgram::attach(const AttachOptions&) {
    return std::unexpected(
        Error{ErrorCode::Usage,
              fmt::format("program '{}' runs in this process: nothing here raises events by itself",
                          printable(spec().name)),
              "give AttachOptions a hook or a source, or open the kernel runtime", 0});
}

}  // namespace skep::runtime
