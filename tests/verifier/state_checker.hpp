// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/object.hpp"
#include "verifier/recorded_states.hpp"
#include "verifier/verify.hpp"

// Compares registers at run time with what the verifier has recorded (soundness.hpp).

namespace skep::verifier_test {

class StateChecker {
  public:
    /// `states` of a run with exact numbers (null: nothing is compared with states), `facts` of the
    /// run that the engine goes by.
    StateChecker(const engine::Object& object,
                 std::shared_ptr<const verifier::RecordedStates> states,
                 const verifier::Facts& facts)
        : object_(object), states_(std::move(states)), facts_(facts), next_(facts.insns.size()) {}

    /// Watches the runs of this execution on this event from now on.
    void watch(engine::Execution& execution, const engine::Event& event);

    const std::string& complaint() const { return complaint_; }
    uint64_t instructions() const { return instructions_; }

  private:
    using Registers = std::span<const uint64_t, 11>;

    void look(const engine::Prog& prog, uint32_t insn, Registers registers, uint32_t depth);
    void check_branch(const engine::Prog& prog, uint32_t insn, uint32_t depth);
    void check_states(uint32_t insn, Registers registers, uint32_t depth);
    /// The first register that is not in the state, or nothing.
    std::optional<int> outside(const verifier::KnownState& state, Registers registers) const;
    bool holds(const verifier::KnownRegister& known, uint64_t value, uint64_t frame) const;
    bool holds_packet(const verifier::KnownRegister& known, uint64_t value) const;
    bool holds_map_value(const verifier::KnownRegister& known, uint64_t value) const;

    const engine::Object& object_;
    std::shared_ptr<const verifier::RecordedStates> states_;
    const verifier::Facts& facts_;
    std::vector<uint32_t> next_;  ///< by instruction: the state to begin with
    const engine::Event* event_ = nullptr;
    uint32_t last_insn_ = UINT32_MAX;
    uint32_t last_depth_ = 0;
    uint64_t instructions_ = 0;
    std::string complaint_;
};

}  // namespace skep::verifier_test
