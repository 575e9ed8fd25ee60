// SPDX-License-Identifier: Apache-2.0
// The function that runs when a program calls bpf_throw(): a decl tag of the main function names
// it.
#include "verifier/call_data.hpp"

namespace skep::verifier {

bool find_exception_callback(Analysis& a) {
    constexpr std::string_view prefix = "exception_callback:";
    if (a.subprogs.empty() || a.subprogs[0].btf_id == 0) return true;
    std::string_view name;
    for (const std::string_view tag : decl_tags(a, a.subprogs[0].btf_id, -1)) {
        if (!tag.starts_with(prefix)) continue;
        if (!name.empty())
            return a.refuse(Rule::BadSubprog, "multiple exception callback tags for main subprog");
        name = tag.substr(prefix.size());
    }
    if (name.empty()) return true;
    const auto function = a.prog_btf->find(name, btf::Kind::Func);
    if (!function)
        return a.refuse(Rule::BadSubprog, "exception callback '{}' could not be found in BTF",
                        name);
    if (function->linkage() != btf::Linkage::Global)
        return a.refuse(Rule::BadSubprog, "exception callback '{}' must have global linkage", name);
    for (size_t i = 1; i < a.subprogs.size(); ++i) {
        if (a.subprogs[i].btf_id != function->id()) continue;
        a.exception_callback = int32_t(i);
        SubprogInfo& callback = a.subprogs[i];
        callback.is_exception_cb = true;
        // It starts a chain of calls of its own, from which nothing may be thrown.
        callback.is_cb = callback.is_async_cb = true;
        return true;
    }
    return a.refuse(Rule::BadSubprog, "exception callback type id not found in func_info");
}

}  // namespace skep::verifier
