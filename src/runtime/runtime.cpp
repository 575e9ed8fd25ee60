// SPDX-License-Identifier: Apache-2.0
#include "skep/runtime.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/text.hpp"
#include "runtime/backend.hpp"

namespace skep {

namespace {

/// "object 'x' has no map 'count'", and which one was meant, or all that there are.
std::unexpected<Error> not_found(const Object& object, std::string_view what, std::string_view name,
                                 const std::vector<std::string_view>& names) {
    Error error{
        ErrorCode::Usage,
        fmt::format("object '{}' has no {} '{}'", printable(object.name()), what, printable(name)),
        names.empty() ? std::string("it has none")
                      : printable(fmt::format("it has {}", fmt::join(names, ", "))),
        0};
    if (const auto meant = closest(name, names))
        error.hint = fmt::format("did you mean '{}'?", *meant);
    return std::unexpected(std::move(error));
}

}  // namespace

Result<Link> Object::attach_struct_ops(std::string_view map) const {
    return Link(SKEP_TRY(backend_->attach_struct_ops(std::string(map))));
}

const std::string& Object::name() const {
    return backend_->spec().name;
}

std::vector<Program> Object::programs() const {
    std::vector<Program> programs;
    for (const auto& backend : backend_->programs()) programs.emplace_back(backend);
    return programs;
}

std::vector<Map> Object::maps() const {
    std::vector<Map> maps;
    for (const auto& backend : backend_->maps())
        if (backend) maps.emplace_back(backend);
    return maps;
}

Result<Program> Object::program(std::string_view name) const {
    std::vector<std::string_view> names;
    const auto programs = backend_->programs();
    for (const auto& backend : programs) {
        if (backend->spec().name == name) return Program(backend);
        names.push_back(backend->spec().name);
    }
    return not_found(*this, "loaded program", name, names);
}

Result<Map> Object::map(std::string_view name) const {
    std::vector<std::string_view> names;
    const auto& specs = backend_->spec().maps;
    for (size_t i = 0; i < specs.size(); i++) {
        if (!backend_->maps()[i]) continue;
        if (specs[i].name == name) return Map(backend_->maps()[i]);
        names.push_back(specs[i].name);
    }
    return not_found(*this, "map", name, names);
}

Result<Events> Object::events(RecordSink sink) const {
    return Events(SKEP_TRY(backend_->events(std::move(sink))));
}

Events::Events(std::unique_ptr<runtime::EventsBackend> backend) : backend_(std::move(backend)) {}
Events::Events(Events&&) noexcept = default;
Events& Events::operator=(Events&&) noexcept = default;
Events::~Events() = default;

Result<size_t> Events::poll(std::chrono::milliseconds timeout) {
    return backend_->poll(timeout);
}
uint64_t Events::lost() const {
    return backend_->lost();
}

Result<Runtime> Runtime::open(Place place, RuntimeOptions options) {
    return Runtime(SKEP_TRY(place == Place::Kernel ? runtime::open_kernel(std::move(options))
                                                   : runtime::open_embedded(std::move(options))));
}

Place Runtime::place() const {
    return backend_->place();
}

Result<Object> Runtime::load(std::span<const uint8_t> elf, const std::string& name,
                             const LoadOptions& options) const {
    return Object(SKEP_TRY(backend_->load(elf, name, options)));
}

Result<Object> Runtime::load_file(const std::string& path, const LoadOptions& options) const {
    return load(SKEP_TRY(read_file(path)), path, options);
}

Result<Map> Runtime::create_map(const MapDef& def) const {
    return Map(SKEP_TRY(backend_->create_map(def)));
}
Result<Map> Runtime::pinned_map(const std::string& name) const {
    return Map(SKEP_TRY(backend_->pinned_map(name)));
}
const std::string& Runtime::pin_directory() const {
    return backend_->pin_directory();
}
Result<void> Runtime::enable_stats(bool on) const {
    return backend_->enable_stats(on);
}

}  // namespace skep
