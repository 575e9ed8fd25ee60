// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "btf/btf.hpp"
#include "object/kconfig.hpp"
#include "object/spec.hpp"

// An object, settled for one place: what the compiler left open is filled in from the types and the
// configuration of where the programs will run. The engine, the verifier and `skep check --kernel`
// start from here; the kernel's own way is libbpf's, with the same results.
//
//     ObjectSpec here = SKEP_TRY(settle(object, {.btf = platform_btf.get(), .kconfig = lookup}));
//
// - CO-RE relocations are applied, and cleared;
// - the .kconfig map has its value;
// - a kernel function is called by its id in the target's BTF (src = BPF_PSEUDO_KFUNC_CALL), a
//   kernel variable is loaded by its id (BPF_PSEUDO_BTF_ID), and these references are cleared;
//   a weak one that the target lacks is 0, or a call that no place accepts.
//
// References to maps stay. Pure: the same bytes give the same result anywhere.
//
// Source: bpf_object__resolve_externs(), bpf_program__relocate() of libbpf 1.6.

namespace skep::object {

/// What an unresolved weak kernel function is called by (libbpf's POISON_CALL_KFUNC_BASE): such a
/// call must be dead code.
inline constexpr int32_t kPoisonedKfunc = 2002000000;

struct Target {
    const btf::Btf* btf = nullptr;  ///< null: nothing is known of it
    KconfigLookup kconfig = {};     ///< empty: no variable has a value
};

/// Fails where a strong extern has no value there, or one of another type, or CO-RE candidates
/// contradict each other; the error names the program or the extern. Programs that are not to be
/// loaded (`?section`) are settled too.
Result<ObjectSpec> settle(ObjectSpec object, const Target& target);

/// The object with one of its programs alone, so that another's missing extern does not matter.
/// Programs are referred to by number elsewhere (struct_ops, prog arrays): those numbers follow.
ObjectSpec only(const ObjectSpec& object, size_t prog);

}  // namespace skep::object
