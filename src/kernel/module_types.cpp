// SPDX-License-Identifier: Apache-2.0
#include "kernel/module_types.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "kernel/running.hpp"

namespace skep::kernel {

namespace {

struct Name {
    std::string name;
    btf::Kind kind;
    bool is_in(const btf::Btf& types) const { return types.find(name, kind).has_value(); }
};

std::optional<Name> attach_target(const object::ProgSpec& prog) {
    if (prog.type != ProgType::Tracing || prog.attach_target.empty()) return std::nullopt;
    switch (prog.attach_type) {
        case AttachType::TraceRawTp:
            return Name{"btf_trace_" + prog.attach_target, btf::Kind::Typedef};
        case AttachType::TraceFentry:
        case AttachType::TraceFexit:
        case AttachType::ModifyReturn: return Name{prog.attach_target, btf::Kind::Func};
        default: return std::nullopt;
    }
}

/// What the programs name and the kernel must have.
std::vector<Name> kernel_names(const object::ObjectSpec& object) {
    using object::Reference;
    std::vector<Name> names;
    for (const object::ProgSpec& prog : object.progs) {
        for (const Reference& reference : prog.references)
            if (reference.kind == Reference::Kind::KsymFunc ||
                reference.kind == Reference::Kind::KsymVar)
                names.push_back(
                    {std::string(btf::essential_name(object.externs[reference.index].name)),
                     reference.kind == Reference::Kind::KsymFunc ? btf::Kind::Func
                                                                 : btf::Kind::Var});
        if (auto target = attach_target(prog)) names.push_back(std::move(*target));
    }
    return names;
}

std::vector<Name> missing_names(const object::ObjectSpec& object, const Types& types) {
    if (!types) return {};
    std::vector<Name> names = kernel_names(object);
    std::erase_if(names, [&](const Name& name) { return name.is_in(*types); });
    return names;
}

}  // namespace

const std::vector<Types>& running_modules() {
    static const std::vector<Types> modules = [] {
        std::vector<std::string> paths;
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/btf", ignored))
            if (entry.path().filename() != "vmlinux") paths.push_back(entry.path());
        std::ranges::sort(paths);
        std::vector<Types> loaded;
        for (const std::string& path : paths)
            if (auto types = btf::Btf::load(path, running_types()))
                loaded.push_back(std::move(*types));
        return loaded;
    }();
    return modules;
}

bool lacks_names(const object::ObjectSpec& object, const Types& types) {
    return !missing_names(object, types).empty();
}

Types types_for(const object::ObjectSpec& object, const Types& types,
                std::span<const Types> modules) {
    for (const Name& name : missing_names(object, types))
        for (const Types& module : modules)
            if (name.is_in(*module)) return module;
    return types;
}

Types types_of_running(const object::ObjectSpec& object) {
    const Types& types = running_types();
    return lacks_names(object, types) ? types_for(object, types, running_modules()) : types;
}

}  // namespace skep::kernel
