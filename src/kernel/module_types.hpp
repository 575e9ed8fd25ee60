// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "btf/btf.hpp"
#include "object/spec.hpp"

// Kernel functions and variables that are in a module. A module has types of its own, which go on
// where those of the kernel end (split BTF): with them on top of the kernel's, its functions are
// found like the kernel's own.
//
// Source: load_module_btfs(), find_ksym_btf_id() of libbpf 1.6. There each function may be in
// another module; here all of one program's are in the same.

namespace skep::kernel {

using Types = std::shared_ptr<const btf::Btf>;

/// The types of the modules that are loaded now (/sys/kernel/btf), on top of running_types(). Read
/// once, when first asked for; what cannot be read is left out.
const std::vector<Types>& running_modules();

/// Whether the programs of `object` name what is not in `types`.
bool lacks_names(const object::ObjectSpec& object, const Types& types);

/// `types`, or where the programs of `object` name what is not in them, the first of `modules` that
/// has it.
Types types_for(const object::ObjectSpec& object, const Types& types,
                std::span<const Types> modules);

/// The same with running_types() and running_modules(), which are read only if they are needed.
Types types_of_running(const object::ObjectSpec& object);

}  // namespace skep::kernel
