// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/object.hpp"
#include "kernel/prog.hpp"
#include "runtime/backend.hpp"

namespace skep::runtime {

// A program in the kernel behind the public interface.
class KernelProgram final : public ProgramBackend {
  public:
    /// `object` is what the program belongs to; it stays open.
    KernelProgram(std::shared_ptr<const kernel::Object> object, kernel::Prog prog,
                  const object::ProgSpec& spec)
        : object_(std::move(object)), prog_(std::move(prog)), spec_(&spec) {}

    const kernel::Prog& prog() const { return prog_; }

    Place place() const override { return Place::Kernel; }
    const object::ProgSpec& spec() const override { return *spec_; }
    uint32_t id() const override { return prog_.id(); }
    bool verified() const override { return true; }
    bool native() const override;
    Result<TestResult> test_run(const TestRun& run) override;
    Result<ProgramStats> stats() override;
    Result<uint64_t> call(std::span<uint8_t> ctx) override;
    Result<std::unique_ptr<LinkBackend>> attach(const AttachOptions& options) override;

  private:
    std::shared_ptr<const kernel::Object> object_;
    kernel::Prog prog_;
    const object::ProgSpec* spec_;
};

/// Registers the struct of a struct_ops map.
Result<std::unique_ptr<LinkBackend>> attach_struct(const kernel::Object& object,
                                                   const std::string& map);

}  // namespace skep::runtime
