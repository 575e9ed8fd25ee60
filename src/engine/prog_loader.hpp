// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "engine/object.hpp"
#include "engine/prog.hpp"

namespace skep::engine {

// Makes a Prog of a settled ProgSpec: checks its structure, resolves maps, helpers and kernel
// functions, verifies it. What is missing here is an Error of code Unsupported that names it and
// the place where the program can run instead; where the instruction can never be reached (CO-RE's
// way to write code for several kernels), it is no error.
class ProgLoader {
  public:
    /// `maps` are those of the object, in its order; they and `timers` outlive the program.
    ProgLoader(const object::ObjectSpec& object, const std::vector<maps::Map*>& maps,
               Timers& timers, const Object::Options& options)
        : object_(object), maps_(maps), timers_(timers), options_(options) {}

    Result<std::shared_ptr<const Prog>> load(const object::ProgSpec& spec);

  private:
    Result<void> resolve_map(Prog& prog, const object::Reference& reference) const;
    Result<void> resolve_calls(Prog& prog) const;
    Result<uint32_t> helper_call(Prog& prog, uint32_t number) const;
    Result<uint32_t> kfunc_call(Prog& prog, uint32_t id) const;
    Result<void> verify(Prog& prog) const;
    Result<void> compile(Prog& prog) const;

    const object::ObjectSpec& object_;
    const std::vector<maps::Map*>& maps_;
    Timers& timers_;
    const Object::Options& options_;
};

}  // namespace skep::engine
