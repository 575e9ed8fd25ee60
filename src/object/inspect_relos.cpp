// SPDX-License-Identifier: Apache-2.0
#include "object/inspect_relos.hpp"

namespace skep::object {

std::vector<RelocationView> view_relocations(const ObjectSpec& object, const ProgSpec& prog,
                                             const btf::Btf* target) {
    std::vector<RelocationView> views;
    if (!object.btf) return views;
    std::optional<btf::CoreRelocator> relocator;
    if (target) relocator.emplace(*object.btf, *target);
    std::vector<isa::Insn> scratch = prog.insns;
    for (const btf::CoreRelo& relo : prog.core_relos) {
        RelocationView view{relo.insn, to_string(relo.kind), {}, {}, {}, {}};
        if (const auto source = btf::describe(*object.btf, relo)) {
            view.what = source->text;
            view.local = source->value;
        } else {
            view.problem = source.error().message;
        }
        if (relocator && view.problem.empty()) {
            const auto results = relocator->apply(std::span(&relo, 1), scratch);
            if (!results)
                view.problem = results.error().message;
            else if (results->front().poisoned)
                view.problem = results->front().reason;
            else
                view.target = results->front().target;
        }
        views.push_back(std::move(view));
    }
    return views;
}

}  // namespace skep::object
