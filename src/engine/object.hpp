// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "engine/env.hpp"
#include "engine/prog.hpp"
#include "maps/map.hpp"
#include "object/spec.hpp"

namespace skep::engine {

class Timers;

/// What runs programs that the verifier accepts.
enum class Jit : uint8_t {
    Off,         ///< the interpreter
    Baseline,    ///< machine code, made while the program is loaded; where this is possible
    Auto,        ///< Baseline, and Optimising once a program is hot (jit/tiering.hpp)
    Optimising,  ///< machine code by LLVM, which takes a while to load; else Baseline
};

// An object that has been loaded into this process: its maps exist, and its programs can be run.
//
//     ObjectSpec spec = SKEP_TRY(object::read_object(bytes, "hello.bpf.o"));
//     auto loaded = SKEP_TRY(Object::load(spec, env));
//     const Prog* prog = loaded->find_prog("hello");
//     auto execution = SKEP_TRY(Execution::create(env));
//     Outcome outcome = prog->run(*execution, event);
//
// Loading settles the object for the embedded platform (CO-RE against its BTF), makes the maps,
// puts in initial values, and resolves what the programs refer to. What the engine does not have is
// an Error of code Unsupported that names it and says where the program can run instead. Programs
// are verified for the embedded platform; those that are accepted run without run-time checks, the
// others with them (Prog::why_not_verified()).
//
// Programs and maps live as long as the object. Loading is not thread-safe; a loaded object is, as
// its parts are.
class Object {
  public:
    struct Options {
        /// Only these programs need be loadable (and what they can tail-call); empty: all that are
        /// not marked `?section`.
        std::vector<std::string> progs = {};
        /// Maps that exist already and stand in for the object's own, by index in its spec. Their
        /// definitions must be the same.
        std::vector<std::pair<size_t, std::shared_ptr<maps::Map>>> maps = {};
        /// Keep the run-time checks of programs that the verifier accepts, too.
        bool checked = false;
        /// Programs that are checked, traced or counted are interpreted in any case.
        Jit jit = Jit::Auto;
        /// Execution::observer is to be told of each instruction.
        bool traced = false;
        /// Calls of these go to Env::mock, which must be set. They need not be ones that the engine
        /// has. Programs keep their checks.
        std::vector<platform::HelperId> mocked = {};
        bool coverage = false;  ///< count what runs: Prog::coverage()
    };

    static Result<std::unique_ptr<Object>> load(const object::ObjectSpec& spec, const Env& env,
                                                const Options& options);
    static Result<std::unique_ptr<Object>> load(const object::ObjectSpec& spec, const Env& env) {
        return load(spec, env, Options{});
    }
    ~Object();

    const object::ObjectSpec& spec() const { return spec_; }  ///< settled
    const Prog* find_prog(std::string_view name) const;
    const std::vector<std::shared_ptr<const Prog>>& progs() const { return progs_; }

    /// In the order of spec().maps; null for one that is not created (`autocreate` is off).
    const std::vector<std::shared_ptr<maps::Map>>& maps() const { return maps_; }
    maps::Map* find_map(std::string_view name) const;

    /// Timers that its programs have started; hooks run them as time passes (timers.hpp).
    Timers& timers() const { return *timers_; }

  private:
    friend class ObjectLoader;
    Object() = default;

    object::ObjectSpec spec_;
    std::vector<std::shared_ptr<maps::Map>> maps_;
    std::vector<maps::Map*> map_pointers_;
    std::vector<std::shared_ptr<const Prog>> progs_;
    std::shared_ptr<Timers> timers_;
};

}  // namespace skep::engine
