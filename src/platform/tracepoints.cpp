// SPDX-License-Identifier: Apache-2.0
#include "platform/tracepoints.hpp"

#include <algorithm>
#include <array>

#include "platform/syscalls.hpp"

namespace skep::platform {
namespace {

struct FieldRow {
    std::string_view event;
    std::string_view type;
    std::string_view name;
    uint32_t offset;
    uint32_t size;
    bool is_signed;
};

constexpr FieldRow kCommon[] = {
#define TP_COMMON(type, field, offset, size, is_signed) {"", type, #field, offset, size, is_signed},
#include "platform/tracepoints.def"
};

constexpr std::string_view kEvents[] = {
#define TRACEPOINT(category, name) #category "/" #name,
#include "platform/tracepoints.def"
};

constexpr FieldRow kFields[] = {
#define TP_FIELD(category, name, type, field, offset, size, is_signed) \
    {#category "/" #name, type, #field, offset, size, is_signed},
#include "platform/tracepoints.def"
};

constexpr std::string_view kSysEnter = "syscalls/sys_enter_";
constexpr std::string_view kSysExit = "syscalls/sys_exit_";

TracepointField field_of(const FieldRow& row) {
    return {std::string(row.type), std::string(row.name), row.offset, row.size, row.is_signed};
}

// "const char *filename" is type "const char *" and name "filename".
TracepointField argument_of(std::string_view declaration, uint32_t offset) {
    const size_t name = declaration.find_last_of(" *") + 1;
    std::string_view type = declaration.substr(0, name);
    if (type.ends_with(' ')) type.remove_suffix(1);
    return {std::string(type), std::string(declaration.substr(name)), offset, 8, false};
}

// Only what the kernel has a function for has tracepoints, and they carry that function's name.
const SyscallInfo* traced_syscall(std::string_view entry) {
    const auto found = std::ranges::find(syscalls(), entry, &SyscallInfo::entry);
    return entry.empty() || found == syscalls().end() ? nullptr : &*found;
}

}  // namespace

const TracepointField* TracepointLayout::find(std::string_view field) const {
    const auto found = std::ranges::find(fields, field, &TracepointField::name);
    return found == fields.end() ? nullptr : &*found;
}

std::optional<TracepointLayout> tracepoint_layout(std::string_view name) {
    TracepointLayout layout{.name = std::string(name), .fields = {}};
    for (const FieldRow& row : kCommon) layout.fields.push_back(field_of(row));
    const bool enter = name.starts_with(kSysEnter);
    if (enter || name.starts_with(kSysExit)) {
        const SyscallInfo* call =
            traced_syscall(name.substr(enter ? kSysEnter.size() : kSysExit.size()));
        if (!call) return std::nullopt;
        layout.fields.push_back({"int", "__syscall_nr", 8, 4, true});
        if (!enter) layout.fields.push_back({"long", "ret", 16, 8, true});
        for (uint32_t i = 0; enter && i < call->arity(); ++i)
            layout.fields.push_back(argument_of(call->param(i), 16 + 8 * i));
        return layout;
    }
    if (std::ranges::find(kEvents, name) == std::end(kEvents)) return std::nullopt;
    for (const FieldRow& row : kFields)
        if (row.event == name) layout.fields.push_back(field_of(row));
    return layout;
}

std::vector<std::string> tracepoint_names() {
    std::vector<std::string> names(std::begin(kEvents), std::end(kEvents));
    for (const SyscallInfo& call : syscalls()) {
        if (call.entry.empty()) continue;
        names.push_back(std::string(kSysEnter) + std::string(call.entry));
        names.push_back(std::string(kSysExit) + std::string(call.entry));
    }
    return names;
}

}  // namespace skep::platform
