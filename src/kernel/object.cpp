// SPDX-License-Identifier: Apache-2.0
#include "kernel/object.hpp"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"
#include "kernel/bpf.hpp"
#include "kernel/log.hpp"
#include "kernel/pin.hpp"
#include "kernel/refused.hpp"
#include "kernel/running.hpp"
#include "object/read.hpp"

namespace skep::kernel {

namespace {

constexpr uint32_t kXdpHasFrags = 1u << 5;      // BPF_F_XDP_HAS_FRAGS
constexpr uint32_t kXdpDevBoundOnly = 1u << 6;  // BPF_F_XDP_DEV_BOUND_ONLY, Linux 6.3

/// Programs that libbpf asks the kernel's types for, by what they attach to.
bool has_btf_target(ProgType type) {
    return type == ProgType::Tracing || type == ProgType::Lsm || type == ProgType::Ext;
}

bool has_struct_ops_links() {
    const auto& types = running_types();
    return types && types->find("bpf_struct_ops_link_create", btf::Kind::Func).has_value();
}

template <typename Range>
std::string names_of(const Range& range) {
    std::vector<std::string> names;
    for (const auto& item : range) names.push_back(printable(item.name));
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::vector<std::string> wanted_progs(const object::ObjectSpec& object,
                                      const LoadOptions& options) {
    std::vector<std::string> wanted = options.progs;
    if (wanted.empty())
        for (const object::ProgSpec& prog : object.progs)
            if (prog.autoload &&
                (prog.type != ProgType::Unspec || options.types.contains(prog.name)))
                wanted.push_back(prog.name);
    // Whoever stands in a prog array that the object fills has to be loaded with it.
    for (const object::MapSpec& map : object.maps)
        if (map.type == MapType::ProgArray)
            for (const object::InitialSlot& slot : map.initial_slots)
                wanted.push_back(object.progs.at(slot.index).name);
    return wanted;
}

Result<void> choose_prog(const std::string& file, bpf_program* prog, const object::ProgSpec& spec,
                         const LoadOptions& options) {
    const auto chosen = options.types.find(spec.name);
    const ProgType type = chosen == options.types.end() ? spec.type : chosen->second;
    if (type == ProgType::Unspec)
        return std::unexpected(
            Error{ErrorCode::Usage,
                  fmt::format("{}: what type program '{}' has cannot be told from its section '{}'",
                              printable(file), printable(spec.name), printable(spec.section)),
                  "give the type, or a section name such as \"xdp\"", 0});
    // libbpf 1.1 knows none of the sections that came after it; skep's table says the same for
    // those that it knows. struct_ops programs get theirs from the struct they are part of.
    if (type != ProgType::StructOps) {
        if (bpf_program__type(prog) != static_cast<bpf_prog_type>(type))
            bpf_program__set_type(prog, static_cast<bpf_prog_type>(type));
        if (spec.attach_type != AttachType::None)
            bpf_program__set_expected_attach_type(prog,
                                                  static_cast<bpf_attach_type>(spec.attach_type));
    }
    uint32_t flags = bpf_program__flags(prog);
    if (spec.sleepable) flags |= BPF_F_SLEEPABLE;
    if (spec.multi_buffer) flags |= kXdpHasFrags;
    if (options.device && type == ProgType::Xdp) {
        bpf_program__set_ifindex(prog, options.device);
        flags |= kXdpDevBoundOnly;
    }
    bpf_program__set_flags(prog, flags);
    const auto target = options.attach_targets.find(spec.name);
    if (target == options.attach_targets.end() || !has_btf_target(type)) return {};
    LogCapture log;
    if (bpf_program__set_attach_target(prog, 0, target->second.c_str()) == 0) return {};
    const int error_number = errno;
    return std::unexpected(
        Error{ErrorCode::Unsupported,
              fmt::format("{}: program '{}' cannot be made for '{}'", printable(file),
                          printable(spec.name), printable(target->second)),
              log.last_warning(), error_number});
}

/// libbpf would say EINVAL of the map.
Result<void> check_pins(const std::string& file, const object::ObjectSpec& spec,
                        const std::string& root) {
    const auto pinned = std::ranges::find(spec.maps, true, &object::MapSpec::pin_by_name);
    if (pinned == spec.maps.end() || in_bpffs(root)) return {};
    return std::unexpected(
        Error{ErrorCode::Unsupported,
              fmt::format("{}: map '{}' is to be pinned in '{}', which is not in a bpf file system",
                          printable(file), printable(pinned->name), printable(root)),
              fmt::format("mount -t bpf bpf {} (as root)", printable(root)), 0});
}

Result<void> choose_maps(const std::string& file, bpf_object* object,
                         const object::ObjectSpec& spec, const LoadOptions& options) {
    const auto find = [&](const std::string& name) -> Result<bpf_map*> {
        if (bpf_map* map = bpf_object__find_map_by_name(object, name.c_str())) return map;
        return fail(ErrorCode::Usage, "{}: there is no map '{}'; there are: {}", printable(file),
                    printable(name), names_of(spec.maps));
    };
    bpf_map* each = nullptr;
    bpf_object__for_each_map(each, object) {
        // Registered by a link (Linux 6.4), a struct_ops map goes with its process; else it stays.
        if (bpf_map__type(each) == BPF_MAP_TYPE_STRUCT_OPS && has_struct_ops_links())
            bpf_map__set_map_flags(each, bpf_map__map_flags(each) | kLink);
    }
    for (const auto& [name, entries] : options.max_entries)
        if (bpf_map__set_max_entries(SKEP_TRY(find(name)), entries) != 0)
            return std::unexpected(sys_error(
                fmt::format("{}: map '{}' of {} entries", printable(file), name, entries)));
    for (const auto& [name, shared] : options.reuse)
        if (bpf_map__reuse_fd(SKEP_TRY(find(name)), shared->fd()) != 0)
            return std::unexpected(
                sys_error(fmt::format("{}: map '{}' cannot be shared", printable(file), name)));
    return {};
}

}  // namespace

Result<Object> Object::open(ByteView elf, const std::string& name, const LoadOptions& options) {
    Object object;
    object.file_ = name;
    object.spec_ =
        std::make_shared<const object::ObjectSpec>(SKEP_TRY(object::read_object(elf, name)));
    LogCapture log;
    LIBBPF_OPTS(bpf_object_open_opts, open);
    open.object_name = object.spec_->name.c_str();
    open.pin_root_path = options.pin_root.c_str();
    // Newer compilers and macros write attributes that libbpf 1.1 does not know; the kernel
    // decides.
    open.relaxed_maps = true;
    bpf_object* opened = bpf_object__open_mem(elf.data(), elf.size(), &open);
    if (!opened) {
        Error error = sys_error(fmt::format("{}: libbpf cannot read it", printable(name)), errno);
        error.code = ErrorCode::Malformed;
        error.hint = log.last_warning();
        return std::unexpected(std::move(error));
    }
    object.libbpf_ = {opened, bpf_object__close};
    SKEP_TRY(check_pins(name, *object.spec_, options.pin_root));
    SKEP_TRY(object.choose(options));
    return object;
}

Result<Object> Object::load(ByteView elf, const std::string& name, const LoadOptions& options) {
    Object object = SKEP_TRY(open(elf, name, options));
    SKEP_TRY(object.load());
    return object;
}

Result<void> Object::choose(const LoadOptions& options) {
    for (const std::string& name : options.progs)
        if (!spec_->find_prog(name))
            return fail(ErrorCode::Usage, "{}: there is no program '{}'; there are: {}",
                        printable(file_), printable(name), names_of(spec_->progs));
    const std::vector<std::string> wanted = wanted_progs(*spec_, options);
    bpf_program* prog = nullptr;
    bpf_object__for_each_program(prog, libbpf_.get()) {
        const object::ProgSpec* spec = spec_->find_prog(bpf_program__name(prog));
        if (!spec) continue;
        const bool load = std::ranges::count(wanted, spec->name) > 0;
        bpf_program__set_autoload(prog, load);
        if (load) SKEP_TRY(choose_prog(file_, prog, *spec, options));
    }
    return choose_maps(file_, libbpf_.get(), *spec_, options);
}

Result<void> Object::set_initial_value(const std::string& name, ByteView value) {
    bpf_map* map = bpf_object__find_map_by_name(libbpf_.get(), name.c_str());
    if (map && !loaded_ && bpf_map__set_initial_value(map, value.data(), value.size()) == 0)
        return {};
    return fail(ErrorCode::Usage, "{}: the initial value of '{}' cannot be set to {} bytes",
                printable(file_), printable(name), value.size());
}

Result<void> Object::load() {
    SKEP_CHECK(!loaded_);
    LogCapture log;
    if (bpf_object__load(libbpf_.get()) == 0) {
        loaded_ = true;
        return {};
    }
    return std::unexpected(load_error(file_, *spec_, log, errno));
}

Prog Object::make_prog(bpf_program* libbpf) const {
    Prog prog;
    prog.owner_ = libbpf_;
    prog.libbpf_ = libbpf;
    prog.fd_ = bpf_program__fd(libbpf);
    prog.name_ = bpf_program__name(libbpf);
    prog.type_ = static_cast<ProgType>(bpf_program__type(libbpf));
    if (const object::ProgSpec* spec = spec_->find_prog(prog.name_)) {
        prog.section_ = spec->section;
        prog.attach_target_ = spec->attach_target;
        prog.attach_type_ = spec->attach_type;
    }
    if (const auto info = prog_info(prog.fd_)) prog.id_ = info->id;
    return prog;
}

Result<Prog> Object::prog(const std::string& name) const {
    bpf_program* found = bpf_object__find_program_by_name(libbpf_.get(), name.c_str());
    if (!found)
        return fail(ErrorCode::Usage, "{}: there is no program '{}'; there are: {}",
                    printable(file_), printable(name), names_of(spec_->progs));
    if (bpf_program__fd(found) < 0)
        return fail(ErrorCode::Usage, "{}: program '{}' was not loaded", printable(file_),
                    printable(name));
    return make_prog(found);
}

std::vector<Prog> Object::progs() const {
    std::vector<Prog> all;
    bpf_program* prog = nullptr;
    bpf_object__for_each_program(prog, libbpf_.get()) {
        if (bpf_program__fd(prog) >= 0) all.push_back(make_prog(prog));
    }
    return all;
}

Result<Map> Object::map(const std::string& name) const {
    bpf_map* map = bpf_object__find_map_by_name(libbpf_.get(), name.c_str());
    if (!map || bpf_map__fd(map) < 0)
        return fail(ErrorCode::Usage, "{}: there is no map '{}'; there are: {}", printable(file_),
                    printable(name), names_of(spec_->maps));
    return Map::from_fd(UniqueFd(fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0)));
}

Result<std::vector<std::pair<std::string, Map>>> Object::maps() const {
    std::vector<std::pair<std::string, Map>> all;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, libbpf_.get()) {
        if (bpf_map__fd(map) < 0) continue;
        all.emplace_back(
            bpf_map__name(map),
            SKEP_TRY(Map::from_fd(UniqueFd(fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0)))));
    }
    return all;
}

}  // namespace skep::kernel
