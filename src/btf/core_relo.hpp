// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "btf/btf.hpp"
#include "isa/insn.hpp"

// CO-RE: one object for many kernels. The compiler records, for each access to a field (or question
// about a type or enumerator) that may differ, what was meant in terms of the object's own types
// (the local BTF); here it is looked up in the types of the place where the program will run (the
// target BTF), and the instruction is patched.
//
//     btf::CoreRelocator relocator(*object.btf, *kernel_btf);
//     for (ProgSpec& prog : progs)
//         report(SKEP_TRY(relocator.apply(prog.core_relos, prog.insns)));
//
// The rules are libbpf 1.6's (tools/lib/bpf/relo_core.c, Linux 6.12): candidates are the target's
// types of the same name, whatever follows "___" left aside; a field is found by the names on its
// path, through anonymous structs; all candidates that match must agree, and only they remain
// candidates for the next relocation of that local type. What cannot be resolved
// turns its instruction into a call of helper 0xbad2310, which is harmless where it is dead code
// (guarded by an existence check) and makes loading fail where not; `reason` says why.
//
// A relocator remembers candidates between calls, so it is not thread-safe; the Btfs are only read
// and must outlive it.

namespace skep::btf {

enum class CoreKind : uint8_t {
#define CORE_KIND(name, value, text, about) name = value,
#include "btf/core_kinds.def"
#undef CORE_KIND
};
inline constexpr uint32_t kCoreKindCount = 13;

/// libbpf's name: "byte_off", "type_exists".
std::string_view to_string(CoreKind kind);

/// What a relocated instruction that could not be resolved calls.
inline constexpr int32_t kPoisonedHelper = 0xbad2310;

/// One relocation of a program, in terms of the local BTF.
struct CoreRelo {
    uint32_t insn;    ///< index of the instruction to patch
    uint32_t type;    ///< the root type
    uint32_t access;  ///< string offset of the path, e.g. "0:1:2" for s[0].(member 1).(member 2)
    CoreKind kind;
};

/// A relocation as it reads in the object.
struct CoreSource {
    std::string text;         ///< "struct task_struct.mm.pgd", "enum state::RUNNING"
    uint64_t value = 0;       ///< by the local types: what the instruction should hold now
    bool check_value = true;  ///< whether it must hold exactly that (not so for bitfields)
};
Result<CoreSource> describe(const Btf& local, const CoreRelo& relo);

/// What became of a relocation.
struct CoreResult {
    std::string text;          ///< as in CoreSource
    uint64_t local = 0;        ///< value by the local types
    uint64_t target = 0;       ///< value by the target's; meaningless where poisoned
    uint32_t target_type = 0;  ///< the root type that was chosen, or 0
    bool poisoned = false;
    std::string reason = {};  ///< of the poisoning
};

/// BPF_CORE_TYPE_EXISTS and its like: same shape, members of structs left
/// aside (bpf_core_types_are_compat).
/// Errors are types nested too deeply to tell.
Result<bool> types_compatible(const Btf& local, uint32_t local_id, const Btf& target,
                              uint32_t target_id);

class CoreRelocator {
  public:
    CoreRelocator(const Btf& local, const Btf& target) : local_(local), target_(target) {}

    /// Resolves without patching. An error where candidates contradict each other or the relocation
    /// itself is broken.
    Result<CoreResult> resolve(const CoreRelo& relo);

    /// Resolves each relocation and patches its instruction; one result a relocation, in order.
    /// After an error the instructions are partly patched and of no use.
    Result<std::vector<CoreResult>> apply(std::span<const CoreRelo> relos,
                                          std::span<isa::Insn> insns);

  private:
    struct Resolution;
    Result<Resolution> find(const CoreRelo& relo);
    Result<void> patch(Resolution& found, std::span<isa::Insn> insns, uint32_t index);
    std::vector<uint32_t>& candidates(uint32_t local_type);

    const Btf& local_;
    const Btf& target_;
    std::map<uint32_t, std::vector<uint32_t>> candidates_;  // by local type id
};

}  // namespace skep::btf
