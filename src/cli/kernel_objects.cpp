// SPDX-License-Identifier: Apache-2.0
#include "cli/kernel_objects.hpp"

#include <fmt/ranges.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/text.hpp"

namespace skep::cli {

namespace {

using kernel::ObjectKind;

constexpr size_t kNameLength = BPF_OBJ_NAME_LEN - 1;  // what the kernel keeps of a name

struct Prefix {
    std::string_view text;
    ObjectKind kind;
};
constexpr std::array<Prefix, 3> kPrefixes = {
    {{"prog:", ObjectKind::Prog}, {"map:", ObjectKind::Map}, {"link:", ObjectKind::Link}}};

std::string_view word_for(ObjectKind kind) {
    for (const Prefix& prefix : kPrefixes)
        if (prefix.kind == kind) return prefix.text.substr(0, prefix.text.size() - 1);
    return "object";
}

/// Its name and id; links have no names.
Result<std::pair<std::string, uint32_t>> name_and_id(ObjectKind kind, int fd) {
    if (kind == ObjectKind::Prog) {
        const bpf_prog_info info = SKEP_TRY(kernel::prog_info(fd));
        return std::pair{std::string(info.name), info.id};
    }
    if (kind == ObjectKind::Map) {
        const bpf_map_info info = SKEP_TRY(kernel::map_info(fd));
        return std::pair{std::string(info.name), info.id};
    }
    return std::pair {
        std::string(), SKEP_TRY(kernel::link_info(fd))
        .id
    };
}

/// By the name that the kernel gives to its descriptor.
ObjectKind kind_of(int fd) {
    std::array<char, 64> name;
    const ssize_t length =
        readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), name.data(), name.size());
    const std::string_view what(name.data(), length > 0 ? static_cast<size_t>(length) : 0);
    return what.ends_with("bpf-prog")  ? ObjectKind::Prog
           : what.ends_with("bpf-map") ? ObjectKind::Map
                                       : ObjectKind::Link;
}

Result<KernelObject> from_path(const std::string& path, uint32_t open_flags) {
    auto fd = kernel::open_pinned(path, open_flags);
    if (!fd && open_flags != 0 && fd.error().sys_errno == EINVAL)
        fd = kernel::open_pinned(path);  // flags are for maps
    if (!fd) {
        Error error = std::move(fd).error();
        if (error.hint.empty()) error.hint = "skep ps shows what is pinned, and where";
        return std::unexpected(std::move(error));
    }
    const ObjectKind kind = kind_of(fd->get());
    const uint32_t id = SKEP_TRY(name_and_id(kind, fd->get()))
    .second;
    return KernelObject{kind, id, std::move(*fd)};
}

Result<std::vector<KernelObject>> named(ObjectKind kind, const std::string& name,
                                        uint32_t open_flags) {
    std::vector<KernelObject> found;
    for (const uint32_t id : SKEP_TRY(kernel::all_ids(kind))) {
        auto fd = kernel::fd_by_id(kind, id, kind == ObjectKind::Map ? open_flags : 0);
        if (!fd) continue;
        const auto known = name_and_id(kind, fd->get());
        if (known && known->first == name.substr(0, kNameLength))
            found.push_back({kind, id, std::move(*fd)});
    }
    return found;
}

Error none_called(std::string_view what, const std::string& name) {
    return {ErrorCode::Failed, fmt::format("no {} is called '{}'", what, printable(name)),
            "skep ps lists what is loaded", ENOENT};
}

Error several(const std::vector<KernelObject>& found, const std::string& name) {
    std::vector<std::string> choices;
    for (const KernelObject& one : found)
        choices.push_back(fmt::format("{}:{}", word_for(one.kind), one.id));
    return {ErrorCode::Usage, fmt::format("'{}' could be several objects", printable(name)),
            fmt::format("say which: {}", fmt::join(choices, ", ")), 0};
}

Result<KernelObject> by_id(ObjectKind kind, uint32_t id, uint32_t open_flags) {
    auto fd = kernel::fd_by_id(kind, id, kind == ObjectKind::Map ? open_flags : 0);
    if (fd) return KernelObject{kind, id, std::move(*fd)};
    if (fd.error().sys_errno != ENOENT) return std::unexpected(fd.error());
    return std::unexpected(Error{ErrorCode::Failed,
                                 fmt::format("there is no {} with the id {}", word_for(kind), id),
                                 "skep ps lists what is loaded", ENOENT});
}

Result<KernelObject> only_one(std::vector<KernelObject> found, std::string_view what,
                              const std::string& name) {
    if (found.empty()) return std::unexpected(none_called(what, name));
    if (found.size() > 1) return std::unexpected(several(found, name));
    return std::move(found.front());
}

}  // namespace

Result<KernelObject> find_kernel_object(const std::string& name, ObjectKind kind,
                                        uint32_t open_flags) {
    if (name.contains('/')) {
        KernelObject object = SKEP_TRY(from_path(name, open_flags));
        if (object.kind == kind) return object;
        return fail(ErrorCode::Usage, "{} is a {}, not a {}", printable(name),
                    word_for(object.kind), word_for(kind));
    }
    std::string rest = name;
    for (const Prefix& prefix : kPrefixes) {
        if (!name.starts_with(prefix.text)) continue;
        if (prefix.kind != kind)
            return fail(ErrorCode::Usage, "'{}': a {} is asked for", printable(name),
                        word_for(kind));
        rest = name.substr(prefix.text.size());
    }
    if (const auto id = parse_uint(rest); id && *id <= UINT32_MAX)
        return by_id(kind, static_cast<uint32_t>(*id), open_flags);
    if (kind == ObjectKind::Link)
        return std::unexpected(
            Error{ErrorCode::Usage,
                  fmt::format("'{}': links have ids and pins, but no names", printable(name)),
                  "skep ps links lists them", 0});
    return only_one(SKEP_TRY(named(kind, rest, open_flags)), word_for(kind), rest);
}

Result<KernelObject> find_kernel_object(const std::string& name) {
    if (name.contains('/')) return from_path(name, 0);
    for (const Prefix& prefix : kPrefixes)
        if (name.starts_with(prefix.text)) return find_kernel_object(name, prefix.kind);
    std::vector<KernelObject> found;
    const auto id = parse_uint(name);
    for (const Prefix& prefix : kPrefixes) {
        if (id && *id <= UINT32_MAX) {
            auto one = by_id(prefix.kind, static_cast<uint32_t>(*id), 0);
            if (one)
                found.push_back(std::move(*one));
            else if (one.error().sys_errno != ENOENT)
                return std::unexpected(one.error());
        } else if (prefix.kind != ObjectKind::Link) {
            for (KernelObject& one : SKEP_TRY(named(prefix.kind, name, 0)))
                found.push_back(std::move(one));
        }
    }
    return only_one(std::move(found), "program or map", name);
}

}  // namespace skep::cli
