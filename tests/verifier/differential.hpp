// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "btf/btf.hpp"
#include "object/spec.hpp"
#include "verifier/agreement.hpp"

// One program, two verdicts, and the smallest program on which they still differ.

namespace skep::kernel_test {
class KernelObject;
}

namespace skep::verifier_test {

struct Verdicts {
    Answer kernel;
    Answer skep;
    bool unsafe() const { return skep.accepted() && kernel.refused(); }
    bool too_strict() const { return skep.refused() && kernel.accepted(); }
    bool differ() const { return unsafe() || too_strict(); }
    /// "kernel: refused: ..." and "skep: ..." on a line each
    std::string text() const;
};

class Differential {
  public:
    explicit Differential(std::shared_ptr<const btf::Btf> kernel);
    ~Differential();

    Verdicts ask(const object::ObjectSpec& object) const;

    /// Leaves out instructions as long as the verdicts differ in the same way: the same side
    /// refuses, in the same words but for numbers.
    object::ObjectSpec minimise(const object::ObjectSpec& object) const;

  private:
    struct Maps;
    kernel_test::KernelObject& in_kernel(const object::ObjectSpec& object) const;

    std::shared_ptr<const btf::Btf> kernel_;
    mutable std::unique_ptr<Maps> maps_;  ///< of the last object: most have the same
};

/// The program without the instructions [from, from + count); jumps and calls over them are
/// mended. Empty where that is not possible.
std::vector<isa::Insn> without(const std::vector<isa::Insn>& insns, size_t from, size_t count);

}  // namespace skep::verifier_test
