// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "engine/prog.hpp"
#include "runtime/backend.hpp"
#include "runtime/embedded_state.hpp"

namespace skep::runtime {

/// Runs of one program, counted by each CPU slot for itself.
class RunCounters {
  public:
    RunCounters();
    void add(uint32_t cpu, uint64_t runs, uint64_t ns, uint64_t misses);
    ProgramStats total() const;

  private:
    struct alignas(64) Counts {
        std::atomic<uint64_t> runs = 0, ns = 0, misses = 0;
    };
    uint32_t cpus_;
    std::unique_ptr<Counts[]> counts_;
};

// A program of the engine, with what it shares with its object.
class EmbeddedProgram final : public ProgramBackend {
  public:
    EmbeddedProgram(std::shared_ptr<LoadedObject> object, std::shared_ptr<const engine::Prog> prog);

    /// It keeps its object alive; the bare one does not.
    std::shared_ptr<const engine::Prog> prog() const { return {object_, prog_.get()}; }
    const std::shared_ptr<const engine::Prog>& bare_prog() const { return prog_; }
    const std::shared_ptr<LoadedObject>& object() const { return object_; }
    RunCounters& counters() { return counters_; }

    Place place() const override { return Place::Embedded; }
    const object::ProgSpec& spec() const override { return prog_->spec(); }
    uint32_t id() const override { return id_; }
    bool verified() const override { return prog_->verified(); }
    bool native() const override { return prog_->native() != nullptr; }
    Result<TestResult> test_run(const TestRun& run) override;
    Result<ProgramStats> stats() override { return counters_.total(); }
    Result<uint64_t> call(std::span<uint8_t> ctx) override;
    Result<std::unique_ptr<LinkBackend>> attach(const AttachOptions& options) override;

  private:
    Result<TestResult> test_packet(const TestRun& run);
    Result<TestResult> test_context(const TestRun& run);
    Result<uint64_t> run_once(const ExecutionPool::Lease& lease, uint8_t* ctx, size_t size,
                              uint64_t* ns);

    std::shared_ptr<LoadedObject> object_;
    std::shared_ptr<const engine::Prog> prog_;
    uint32_t id_;
    RunCounters counters_;
};

}  // namespace skep::runtime
