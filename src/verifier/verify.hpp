// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "object/spec.hpp"
#include "platform/platform.hpp"
#include "verifier/rules.hpp"

// Is a program safe? With the verdict that the Linux kernel of `platform` would give.
//
//     object::ObjectSpec object = SKEP_TRY(object::read_object(bytes, "xdp.bpf.o"));
//     // object::settle(object, ...) for the target: CO-RE, kconfig, kfunc ids
//     for (const object::ProgSpec& prog : object.progs) {
//         verifier::Verdict verdict =
//             SKEP_TRY(verifier::verify(object, prog, platform::linux_6_18()));
//         if (!verdict.accepted) fmt::print("{}: {}\n", prog.name, verdict.reason);
//     }
//
// A pure function: no I/O, no globals; calls on different threads do not know of each other. Any
// program, however hostile, gets an answer in bounded time and memory; an Error is only for a spec
// that contradicts itself (a reference to a map that is not there).
//
// The object must be settled: maps are those of ProgSpec::references, whatever imm says; calls of
// kfuncs carry the BTF id of the target in imm, and an lddw of a kernel variable has
// src = BPF_PSEUDO_BTF_ID and the id in imm.

namespace skep::verifier {

struct Options {
    bool privileged = true;  ///< CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN, or none
    bool perfmon = true;     ///< false: a privileged loader without CAP_PERFMON and CAP_SYS_ADMIN
    bool strict_alignment = false;  ///< BPF_F_STRICT_ALIGNMENT
    bool test_state_freq = false;   ///< BPF_F_TEST_STATE_FREQ
    bool reg_invariants = false;    ///< BPF_F_TEST_REG_INVARIANTS
    bool path = false;              ///< fill Verdict::path: a refused program is run once more
    bool log = false;               ///< fill Verdict::log
    bool facts = false;             ///< fill Verdict::facts
    bool register_facts = false;    ///< fill Facts::registers too (costs time)
    /// Compare all numbers when states are pruned, not only those that safety hangs on. Costs time
    /// and may end in "too complex"; what is known of registers then holds on every path.
    bool exact_numbers = false;
    bool states = false;             ///< fill Verdict::states
    uint64_t max_insns = 1'000'000;  ///< instructions visited over all paths
    uint32_t cpus = 8192;  ///< get_smp_processor_id() is less (the kernel takes its own number)
    /// Types of the target. Null: programs that need them are refused, with that reason.
    const btf::Btf* kernel_btf = nullptr;
};

/// One step of the causal path of a refusal: where a value came from, which branch was taken.
struct Step {
    uint32_t insn;
    std::string note;
};

/// A place where paths meet, and how much of the work was done there.
struct BusyPlace {
    uint32_t insn;
    uint64_t visits;  ///< paths that came here and were compared with those before
    uint64_t states;  ///< kept here for those to come
};

/// What a load or store is known to touch.
enum class Region : uint8_t {
    None,  ///< not seen (dead code), or no access
    Stack,
    Ctx,
    Packet,
    MapValue,
    Mem,     ///< memory of known size that a helper gave (ring buffer record, slice, map key)
    Kernel,  ///< through a BTF pointer: may fault, and then reads 0
    Arena,
    Other,    ///< sockets, flow keys, ...
    Several,  ///< differs by path
};

/// A set of values, as the verifier knows it: every concrete value is in all of these at once.
struct ValueSet {
    uint64_t bits = 0, mask = 0;  ///< known bits; those of `mask` are unknown
    int64_t smin = 0, smax = 0;
    uint64_t umin = 0, umax = 0;
};

/// What a register holds whenever an instruction is about to be executed, over all paths that were
/// followed. A number that safety does not hang on may be another one where a path was pruned: only
/// with Options::exact_numbers is this true of every execution.
struct RegisterFact {
    enum class Kind : uint8_t {
        Unseen,   ///< never reached
        Unknown,  ///< not initialised, or of different kinds by path
        Scalar,   ///< `value` holds its number
        Pointer,  ///< into `region`; `value` holds its offset from where the region starts
    };
    Kind kind = Kind::Unseen;
    Region region = Region::None;
    bool maybe_null = false;
    uint32_t map = UINT32_MAX;  ///< of Region::MapValue: index in ObjectSpec::maps
    ValueSet value;
};

/// What an engine may build on, for each instruction of an accepted program; true of every
/// execution.
struct InsnFact {
    bool reached = false;       ///< otherwise dead code
    bool always_taken = false;  ///< of a conditional jump
    bool never_taken = false;
    Region region = Region::None;
    /// Whatever the path, the access is inside memory that is the program's own (stack, packet, map
    /// value or key, memory from a helper): no check is needed. Never of Ctx and Kernel, which an
    /// engine rewrites, nor of what it may not have (Arena, Other).
    bool plain = false;
    bool checked_by_fault = false;  ///< a load that must survive a bad address (PROBE_MEM)
    bool kernel_argument = false;   ///< of a call: it is handed a pointer to a kernel struct
    uint32_t map = UINT32_MAX;  ///< of an access to a map's value, or of a helper's map argument
    int64_t lowest = 0, highest = 0;  ///< offset of the access in its region, bytes
};

struct Facts {
    std::vector<InsnFact> insns;          ///< one for each slot of ProgSpec::insns
    std::vector<RegisterFact> registers;  ///< insn * 11 + register
    const RegisterFact& reg(uint32_t insn, uint32_t number) const {
        return registers[size_t{insn} * 11 + number];
    }
};

class RecordedStates;

struct Verdict {
    bool accepted = false;
    std::string reason;  ///< in the kernel's words, for people to search for
    uint32_t insn = 0;
    Rule rule = Rule::None;
    std::vector<Step> path;
    std::vector<BusyPlace> busiest;  ///< of a program that is too complex: where the work went
    std::string log;

    uint64_t insns_visited = 0;
    uint64_t total_states = 0;
    uint64_t peak_states = 0;
    uint32_t max_states_per_insn = 0;
    uint32_t stack_depth = 0;       ///< bytes, of the deepest chain of calls
    uint64_t longest_path = 0;      ///< instructions of the longest path explored; 0: not bounded
    size_t peak_bytes = 0;          ///< memory that states took
    std::vector<uint32_t> helpers;  ///< numbers, ascending
    std::vector<uint32_t> kfuncs;   ///< BTF ids, ascending
    std::vector<uint32_t> maps;     ///< indices, ascending
    Facts facts;
    std::shared_ptr<const RecordedStates> states;  ///< recorded_states.hpp
};

Result<Verdict> verify(const object::ObjectSpec& object, const object::ProgSpec& prog,
                       const platform::Platform& platform, const Options& options = {});

}  // namespace skep::verifier
