// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/file.hpp"
#include "btf/btf.hpp"
#include "object/spec.hpp"
#include "verifier/agreement.hpp"

// One program, two verdicts, and what it does in both places where both accept it; and the smallest
// program on which they still differ.

namespace skep::kernel_test {
class KernelObject;
}

namespace skep::verifier_test {

/// Who asks.
enum class Loader : uint8_t {
    Root,
    Bpf,   ///< CAP_BPF and CAP_NET_ADMIN, but not CAP_PERFMON: addresses must not be seen
    None,  ///< no capability; the kernel asks for kernel.unprivileged_bpf_disabled=0
};

/// Programs of these types only, and where the machine lets anybody load them.
bool may_load_without_capabilities(ProgType type);

struct Verdicts {
    Answer kernel;
    Answer skep;
    UniqueFd prog = {};  ///< loaded, where the kernel accepts
    bool unsafe() const { return skep.accepted() && kernel.refused(); }
    bool too_strict() const { return skep.refused() && kernel.accepted(); }
    bool differ() const { return unsafe() || too_strict(); }
    /// "kernel: refused: ..." and "skep: ..." on a line each
    std::string text() const;
};

class Differential {
  public:
    explicit Differential(std::shared_ptr<const btf::Btf> kernel,
                          const platform::Platform& platform = running_platform());
    ~Differential();

    Verdicts ask(const object::ObjectSpec& object, Loader loader = Loader::Root,
                 bool with_log = false) const;

    /// Leaves out instructions as long as the verdicts differ in the same way: the same side
    /// refuses, in the same words but for numbers.
    object::ObjectSpec minimise(const object::ObjectSpec& object,
                                Loader loader = Loader::Root) const;

    /// What became of a program that both accept on random inputs.
    struct Runs {
        std::string problem = {};  ///< a fault, or what differs
        bool ran = false;
        bool compared = false;
    };
    Runs run(const object::ObjectSpec& object, const Verdicts& verdicts, uint64_t seed) const;
    /// Leaves out instructions as long as both accept it and a run still has the same problem.
    object::ObjectSpec minimise_run(const object::ObjectSpec& object, uint64_t seed) const;

  private:
    struct Maps;
    template <typename Keep>
    static object::ObjectSpec shrink(const object::ObjectSpec& object, const Keep& keep);
    kernel_test::KernelObject& in_kernel(const object::ObjectSpec& object) const;

    std::shared_ptr<const btf::Btf> kernel_;
    const platform::Platform& platform_;
    mutable std::unique_ptr<Maps> maps_;  ///< of the last object: most have the same
};

/// The program without the instructions [from, from + count); jumps and calls over them are
/// mended. Empty where that is not possible.
std::vector<isa::Insn> without(const std::vector<isa::Insn>& insns, size_t from, size_t count);

}  // namespace skep::verifier_test
