// SPDX-License-Identifier: Apache-2.0
#include "kernel/facts.hpp"

#include <mntent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "base/file.hpp"
#include "base/text.hpp"

namespace skep::kernel {

std::vector<Mount> mounts() {
    std::vector<Mount> all;
    FILE* table = setmntent("/proc/self/mounts", "r");
    if (!table) return all;
    mntent entry{};
    std::array<char, 8192> buffer;
    while (getmntent_r(table, &entry, buffer.data(), buffer.size()))
        all.push_back({entry.mnt_dir, entry.mnt_type, entry.mnt_opts});
    endmntent(table);
    return all;
}

std::vector<std::string> mounted(std::string_view type) {
    std::vector<std::string> paths;
    for (Mount& mount : mounts())
        if (mount.type == type) paths.push_back(std::move(mount.path));
    return paths;
}

namespace {
std::optional<std::string> content(const std::string& path) {
    const auto bytes = read_file(path);
    if (!bytes) return std::nullopt;
    return std::string(trim({reinterpret_cast<const char*>(bytes->data()), bytes->size()}));
}
}  // namespace

std::optional<int64_t> sysctl(std::string_view name) {
    const auto text = content("/proc/sys/" + std::string(name));
    return text ? parse_int(*text) : std::nullopt;
}

std::optional<std::string> lockdown() {
    const auto text = content("/sys/kernel/security/lockdown");
    if (!text) return std::nullopt;  // "none [integrity] confidentiality"
    const size_t open = text->find('['), close = text->find(']');
    if (open == std::string::npos || close == std::string::npos) return std::nullopt;
    return text->substr(open + 1, close - open - 1);
}

std::optional<std::vector<std::string>> security_modules() {
    if (const auto text = content("/sys/kernel/security/lsm")) {
        std::vector<std::string> names;
        for (const std::string_view name : split(*text, ',')) names.emplace_back(name);
        return names;
    }
    // lsm_list_modules(2), Linux 6.8, needs no securityfs; the header may not have its number.
    constexpr long kListModules = 461;
    struct Module {
        uint64_t id;
        std::string_view name;
    };
    constexpr std::array<Module, 14> kModules = {{{100, "capability"},
                                                  {101, "selinux"},
                                                  {102, "smack"},
                                                  {103, "tomoyo"},
                                                  {104, "apparmor"},
                                                  {105, "yama"},
                                                  {106, "loadpin"},
                                                  {107, "safesetid"},
                                                  {108, "lockdown"},
                                                  {109, "bpf"},
                                                  {110, "landlock"},
                                                  {111, "ima"},
                                                  {112, "evm"},
                                                  {113, "ipe"}}};
    std::array<uint64_t, 64> ids{};
    uint32_t size = sizeof ids;
    const long count = syscall(kListModules, ids.data(), &size, 0);
    if (count < 0) return std::nullopt;
    std::vector<std::string> names;
    for (size_t i = 0; i < std::min(ids.size(), static_cast<size_t>(count)); i++) {
        const auto known = std::ranges::find(kModules, ids[i], &Module::id);
        names.push_back(known != kModules.end() ? std::string(known->name)
                                                : fmt::format("module {}", ids[i]));
    }
    return names;
}

std::string cgroup2_mount() {
    const std::vector<std::string> paths = mounted("cgroup2");
    return paths.empty() ? std::string() : paths.front();
}

std::string_view cgroup_mode() {
    const bool v1 = !mounted("cgroup").empty(), v2 = !mounted("cgroup2").empty();
    return v1 && v2 ? "v1 and v2" : v2 ? "v2" : v1 ? "v1" : "none";
}

}  // namespace skep::kernel
