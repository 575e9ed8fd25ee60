// SPDX-License-Identifier: Apache-2.0
#include "object/read.hpp"

#include "object/source.hpp"

namespace skep::object {

namespace {

std::string object_name(std::string_view path) {
    path.remove_prefix(path.rfind('/') + 1);  // npos + 1 is 0
    return std::string(path.substr(0, path.find('.')));
}

Result<ObjectSpec> read(ByteView bytes, std::string_view name) {
    Source source(SKEP_TRY(elf::Elf::parse(bytes)));
    ObjectSpec spec;
    spec.name = object_name(name);
    SKEP_TRY(classify_sections(source, spec));
    SKEP_TRY(read_types(source, spec));
    SKEP_TRY(read_declared_maps(source, spec));
    SKEP_TRY(read_legacy_maps(source, spec));
    SKEP_TRY(make_data_maps(source, spec));
    SKEP_TRY(find_functions(source));
    SKEP_TRY(read_relocations(source, spec));
    SKEP_TRY(link_programs(source, spec));
    SKEP_TRY(read_initial_slots(source, spec));
    return spec;
}

}  // namespace

Result<ObjectSpec> read_object(ByteView bytes, const std::string& name) {
    auto spec = read(bytes, name);
    if (!spec) return std::unexpected(std::move(spec.error()).in(name));
    return spec;
}

}  // namespace skep::object
