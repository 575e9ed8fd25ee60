// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "btf/btf.hpp"
#include "kernel/kernel_object.hpp"
#include "object/spec.hpp"

// A program that both accept, run on random inputs: in the engine's checked mode, where it must not
// fault, unchecked, as machine code of each tier, and in the kernel, where it must do the same:
// return value, packet, maps.
//
//     BothRuns runs(object);
//     std::string problem = runs.compare(kernel_object, loaded.prog.get(), seed);
//     if (!problem.empty()) ...
//
// Only what a program computes can be the same, not what it gets from the time, from chance, or
// from where things lie in memory: results are compared where the verifier, asked without
// CAP_PERFMON, says that no address and no memory from before gets into them, and no helper is
// called that answers differently each time.

namespace skep::verifier_test {

using MapContents = std::map<Bytes, Bytes>;  ///< value by key

class BothRuns {
  public:
    explicit BothRuns(const object::ObjectSpec& object);
    ~BothRuns();

    static constexpr int kInputs = 3;

    /// What went wrong, in a line; empty where nothing did. Maps are the kernel object's, whose
    /// contents are overwritten.
    std::string compare(kernel_test::KernelObject& kernel, int prog, uint64_t seed);

    bool ran() const { return ran_; }            ///< in the engine
    bool compared() const { return compared_; }  ///< ... and the kernel did the same

  private:
    struct Engine;
    struct Machine;
    bool reads_old_stack(const Bytes& frame, const std::vector<MapContents>& before) const;

    const object::ObjectSpec& object_;
    std::string compare_input(kernel_test::KernelObject& kernel, int prog, uint64_t seed);

    std::unique_ptr<Machine> machine_;
    /// Null: the engine does not have what it takes.
    std::unique_ptr<Engine> checked_, unchecked_, native_;
    std::unique_ptr<Engine> optimised_;  // null where there is no such tier, too
    bool comparable_ = false;
    bool ran_ = false, compared_ = false;
};

}  // namespace skep::verifier_test
