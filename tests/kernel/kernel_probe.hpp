// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "btf/type.hpp"
#include "isa/insn.hpp"
#include "platform/types.hpp"
#include "platform/version.hpp"

// Asking the running kernel what it takes, for tests that compare the tables of src/platform with
// it. Plain bpf(2): Debian's libbpf and headers are older than what the tables describe.

namespace skep::kernel_test {

// The few instructions that probes are made of.
constexpr isa::Insn insn(int opcode_class, int rest, int dst = 0, int src = 0, int off = 0,
                         int imm = 0) {
    return {.opcode = static_cast<uint8_t>(opcode_class | rest),
            .dst = static_cast<uint8_t>(dst & 15),
            .src = static_cast<uint8_t>(src & 15),
            .off = static_cast<int16_t>(off),
            .imm = imm};
}
constexpr isa::Insn exit_insn() {
    return insn(isa::kJmp, isa::kExit);
}
constexpr isa::Insn call(int helper) {
    return insn(isa::kJmp, isa::kCall, 0, 0, 0, helper);
}
constexpr isa::Insn mov(int dst, int value) {
    return insn(isa::kAlu64, isa::kMov, dst, 0, 0, value);
}

/// The program to offer to the kernel's verifier.
struct Candidate {
    ProgType type = ProgType::Unspec;
    AttachType attach = AttachType::None;
    std::vector<isa::Insn> insns{};
    bool sleepable = false;
    uint32_t attach_btf_id = 0;
    std::string_view license = "GPL";
    bool verbose = false;  ///< log the state after each instruction too
};

struct Answer {
    UniqueFd prog;  ///< loaded, or none
    int error = 0;  ///< errno
    std::string log;

    bool accepted() const { return static_cast<bool>(prog); }
    bool says(std::string_view text) const { return log.find(text) != std::string::npos; }
    /// Refused before the verifier looked (EPERM, EINVAL for an attach type...).
    bool unanswered() const { return !prog && log.empty(); }
};

Answer offer(const Candidate& candidate);

/// Why the tables cannot be compared here (not root, or not the kernel that they describe), or
/// nothing where they can.
std::optional<std::string> why_not_comparable();

/// The id of a type of the running kernel; 0 where it has none of that name and kind.
uint32_t kernel_btf_id(btf::Kind kind, std::string_view name);

/// Leaves the calling thread these capabilities (bits of CAP_*) and no others, for good.
bool keep_capabilities(uint64_t capabilities);

/// The calling thread works without these (bits of CAP_*) for as long as this lives.
class WithoutCapabilities {
  public:
    explicit WithoutCapabilities(uint64_t capabilities);
    ~WithoutCapabilities();
    WithoutCapabilities(const WithoutCapabilities&) = delete;
    WithoutCapabilities& operator=(const WithoutCapabilities&) = delete;

  private:
    uint32_t before_[2] = {};  // effective
};

}  // namespace skep::kernel_test
