// SPDX-License-Identifier: Apache-2.0
#include "object/settle.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "btf/core_relo.hpp"
#include "btf/declare.hpp"

namespace skep::object {

namespace {

class Settler {
  public:
    Settler(ObjectSpec& object, const Target& target) : object_(object), target_(target) {
        if (object.btf && target.btf) relocator_.emplace(*object.btf, *target.btf);
    }

    Result<void> settle_kconfig() {
        const auto map =
            std::ranges::find(object_.maps, MapSpec::Origin::Kconfig, &MapSpec::origin);
        if (map == object_.maps.end()) return {};
        const KconfigLookup nothing = [](std::string_view) { return std::nullopt; };
        map->initial_value =
            SKEP_TRY(evaluate_kconfig(object_, target_.kconfig ? target_.kconfig : nothing));
        return {};
    }

    Result<void> settle_prog(ProgSpec& prog) {
        if (!prog.core_relos.empty()) {
            if (!relocator_)
                return unsupported(
                    "it has CO-RE relocations, and nothing is known of the types of "
                    "where it will run");
            const auto results = SKEP_TRY(relocator_->apply(prog.core_relos, prog.insns));
            for (size_t i = 0; i < results.size(); i++)
                if (results[i].poisoned)
                    prog.unresolved.push_back(
                        {prog.core_relos[i].insn, results[i].text, results[i].reason});
            prog.core_relos.clear();
        }
        for (const Reference& reference : prog.references) SKEP_TRY(resolve(prog, reference));
        std::erase_if(prog.references, [](const Reference& reference) {
            return reference.kind == Reference::Kind::KsymVar ||
                   reference.kind == Reference::Kind::KsymFunc;
        });
        return {};
    }

  private:
    Result<void> resolve(ProgSpec& prog, const Reference& reference) const {
        if (reference.kind != Reference::Kind::KsymVar &&
            reference.kind != Reference::Kind::KsymFunc)
            return {};
        const Extern& external = object_.externs[reference.index];
        isa::Insn& insn = prog.insns[reference.insn];
        std::optional<uint32_t> id = find(external);
        const bool other = id && !SKEP_TRY(same_type(external, *id));
        if (other) {
            if (!external.weak)
                return unsupported("the kernel {} '{}' is of another type there: {}",
                                   kind_of(external), printable(external.name),
                                   btf::c_declaration(*target_.btf, target_.btf->type(*id).ref(),
                                                      printable(external.name)));
            id.reset();
        }
        if (!id && !external.weak)
            return unsupported("the kernel {} '{}' does not exist there", kind_of(external),
                               printable(external.name));
        if (!insn.is_wide()) {
            insn.src = id ? isa::kCallKfunc : isa::kCallHelper;
            insn.imm = id ? int32_t(*id) : kPoisonedKfunc + int32_t(reference.index);
            if (!id)
                prog.unresolved.push_back(
                    {reference.insn, "kernel function " + external.name,
                     other ? "it is of another type there, and is declared __weak"
                           : "it does not exist there, and is declared __weak"});
            return {};
        }
        insn.src = id ? isa::kPseudoBtfId : isa::kPseudoImm;
        insn.imm = id ? int32_t(*id) : 0;
        prog.insns[reference.insn + 1].imm = 0;
        return {};
    }

    /// Its id in the target's BTF. The address of a function (a KsymFunc behind lddw) is found in
    /// the same way.
    std::optional<uint32_t> find(const Extern& external) const {
        if (!target_.btf) return std::nullopt;
        const auto kind =
            external.kind == Extern::Kind::KsymFunc ? btf::Kind::Func : btf::Kind::Var;
        const auto found = target_.btf->find(btf::essential_name(external.name), kind);
        return found ? std::optional(found->id()) : std::nullopt;
    }

    static std::string_view kind_of(const Extern& external) {
        return external.kind == Extern::Kind::KsymFunc ? "function" : "variable";
    }

    /// Whether the program declares it as the target does, members of structs left aside.
    Result<bool> same_type(const Extern& external, uint32_t id) const {
        if (!object_.btf || external.type_id == 0) return true;  // a typeless ksym
        const btf::Type local = object_.btf->type(external.type_id);
        const btf::Type there = target_.btf->type(id);
        const bool function = external.kind == Extern::Kind::KsymFunc;
        return btf::types_compatible(*object_.btf, function ? local.ref() : local.id(),
                                     *target_.btf, there.ref());
    }

    ObjectSpec& object_;
    const Target& target_;
    std::optional<btf::CoreRelocator> relocator_;
};

}  // namespace

Result<ObjectSpec> settle(ObjectSpec object, const Target& target) {
    Settler settler(object, target);
    SKEP_TRY(settler.settle_kconfig());
    for (ProgSpec& prog : object.progs)
        if (auto settled = settler.settle_prog(prog); !settled)
            return std::unexpected(
                std::move(settled).error().in(fmt::format("program '{}'", printable(prog.name))));
    return object;
}

ObjectSpec only(const ObjectSpec& object, size_t prog) {
    ObjectSpec one = object;
    one.progs = {object.progs[prog]};
    for (MapSpec& map : one.maps) {
        if (map.type != MapType::StructOps && map.type != MapType::ProgArray) continue;
        std::erase_if(map.initial_slots,
                      [&](const InitialSlot& slot) { return slot.index != prog; });
        for (InitialSlot& slot : map.initial_slots) slot.index = 0;
    }
    return one;
}

}  // namespace skep::object
