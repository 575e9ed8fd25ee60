// SPDX-License-Identifier: Apache-2.0
// Compares tracepoint layouts with the running kernel's events/*/*/format files, which a tracefs of
// our own shows wherever this process may mount one.
#include "platform/tracepoints.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/testing.hpp"
#include "base/text.hpp"
#include "kernel/kernel_probe.hpp"

namespace skep::platform {
namespace {

UniqueFd mount_tracefs() {
    UniqueFd context(fsopen("tracefs", FSOPEN_CLOEXEC));
    if (!context || fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return {};
    return UniqueFd(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
}

// "field:const char * filename;	offset:24;	size:8;	signed:0;"
std::optional<TracepointField> parse_field(std::string_view line) {
    const auto parts = split(trim(line), ';');
    if (parts.size() < 4 || !parts[0].starts_with("field:")) return std::nullopt;
    std::string_view declaration = parts[0].substr(6);
    std::string dimension;
    if (!declaration.starts_with("__data_loc") && declaration.ends_with(']')) {
        dimension = declaration.substr(declaration.find('['));
        declaration = declaration.substr(0, declaration.find('['));
    }
    const size_t space = declaration.rfind(' ');
    const auto number = [&](size_t part) {
        return static_cast<uint32_t>(
            *parse_uint(trim(parts[part]).substr(trim(parts[part]).find(':') + 1)));
    };
    return TracepointField{std::string(declaration.substr(0, space)) + dimension,
                           std::string(declaration.substr(space + 1)), number(1), number(2),
                           number(3) != 0};
}

// Types without the kernel's freedom of spaces: "const char *const *" and "const char * const *".
std::string plain(std::string_view type) {
    std::string text;
    for (const char c : type)
        if (c != ' ') text += c;
    return text;
}

TEST(Tracepoints, AreTheRunningKernels) {
    if (auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    const UniqueFd tracefs = mount_tracefs();
    if (!tracefs) SKEP_SKIP("this user may not mount a tracefs");
    size_t compared = 0;
    for (const std::string& name : tracepoint_names()) {
        const UniqueFd file(
            openat(tracefs.get(), ("events/" + name + "/format").c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) continue;  // a kernel is built without some system calls
        const auto content = read_fd(file.get(), name);
        ASSERT_TRUE(content) << content.error().to_string();
        std::vector<TracepointField> theirs;
        const std::string_view text(reinterpret_cast<const char*>(content->data()),
                                    content->size());
        for (const std::string_view line : split(text, '\n'))
            if (auto field = parse_field(line)) theirs.push_back(*field);
        const auto ours = tracepoint_layout(name);
        ASSERT_EQ(ours->fields.size(), theirs.size()) << name;
        for (size_t i = 0; i < theirs.size(); ++i) {
            TracepointField mine = ours->fields[i];
            mine.type = plain(mine.type);
            theirs[i].type = plain(theirs[i].type);
            EXPECT_EQ(mine, theirs[i])
                << name << "." << theirs[i].name << ": " << mine.type << " " << theirs[i].type;
        }
        ++compared;
    }
    EXPECT_GE(compared, 600u);
}

}  // namespace
}  // namespace skep::platform
