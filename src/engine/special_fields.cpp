// SPDX-License-Identifier: Apache-2.0
#include "engine/special_fields.hpp"

namespace skep::engine {

namespace {

bool is_kptr(const btf::Btf& btf, uint32_t id) {
    const btf::Type pointer = btf.resolve(id);
    if (pointer.kind() != btf::Kind::Ptr) return false;
    const btf::Type target = btf.type(pointer.ref());
    return target.kind() == btf::Kind::TypeTag && target.name().starts_with("kptr");
}

class Search {
  public:
    Search(const btf::Btf& btf, maps::MapDef& def) : btf_(btf), def_(def) {}

    void visit(uint32_t id, uint32_t offset) {
        const btf::Type type = btf_.resolve(id);
        if (type.kind() == btf::Kind::Struct) {
            if (type.name() == "bpf_spin_lock")
                def_.lock_offset = offset;
            else if (type.name() == "bpf_timer")
                def_.timer_offset = offset;
            else
                for (const btf::Member& member : type.members())
                    visit(member.type, offset + member.bit_offset / 8);
        } else if (type.kind() == btf::Kind::Datasec) {
            for (const btf::SectionVar& variable : type.variables())
                visit(btf_.type(variable.type).ref(), offset + variable.offset);
        } else if (is_kptr(btf_, id)) {
            def_.kptr_offsets.push_back(offset);
        }
    }

  private:
    const btf::Btf& btf_;
    maps::MapDef& def_;
};

}  // namespace

void find_special_fields(const btf::Btf& btf, uint32_t value_type, maps::MapDef& def) {
    Search(btf, def).visit(value_type, 0);
}

}  // namespace skep::engine
