// SPDX-License-Identifier: Apache-2.0
#include "verifier/call_data.hpp"

namespace skep::verifier {

CallData& call_data(Analysis& a) {
    if (!a.call_data) a.call_data = std::make_shared<CallData>();
    return *static_cast<CallData*>(a.call_data.get());
}

const std::vector<std::string_view>& decl_tags(Analysis& a, uint32_t type, int32_t component) {
    static const std::vector<std::string_view> none;
    CallData& data = call_data(a);
    if (!data.decl_tags) {
        data.decl_tags.emplace();
        if (a.prog_btf)
            for (uint32_t id = 1; id < a.prog_btf->type_count(); ++id) {
                const btf::Type tag = a.prog_btf->type(id);
                if (tag.kind() == btf::Kind::DeclTag)
                    (*data.decl_tags)[{tag.ref(), tag.component()}].push_back(tag.name());
            }
    }
    const auto found = data.decl_tags->find({type, component});
    return found == data.decl_tags->end() ? none : found->second;
}

platform::ProgKind prog_kind(Analysis& a) {
    return {a.prog.type, a.prog.attach_type, call_data(a).attach.name};
}

}  // namespace skep::verifier
