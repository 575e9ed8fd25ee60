// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbols.hpp"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <fnmatch.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>

#include "base/file.hpp"
#include "base/text.hpp"
#include "kernel/tracefs.hpp"

namespace skep::kernel {

namespace {

struct ElfEnd {
    void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfPtr = std::unique_ptr<Elf, ElfEnd>;

/// A symbol's value is an address; a probe wants the place in the file.
std::optional<uint64_t> file_offset(Elf* elf, uint64_t address) {
    size_t count = 0;
    if (elf_getphdrnum(elf, &count) != 0) return std::nullopt;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (!gelf_getphdr(elf, static_cast<int>(i), &segment)) continue;
        if (segment.p_type != PT_LOAD || address < segment.p_vaddr ||
            address - segment.p_vaddr >= segment.p_filesz)
            continue;
        return address - segment.p_vaddr + segment.p_offset;
    }
    return std::nullopt;
}

bool matches(const char* name, const std::vector<std::string>& patterns) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) {
        return fnmatch(pattern.c_str(), name, 0) == 0;
    });
}

void collect(Elf* elf, Elf_Scn* section, const GElf_Shdr& header,
             const std::vector<std::string>& patterns, std::set<uint64_t>& offsets) {
    Elf_Data* data = elf_getdata(section, nullptr);
    if (!data || header.sh_entsize == 0) return;
    const size_t count = std::min<size_t>(header.sh_size / header.sh_entsize, INT32_MAX);
    for (size_t i = 0; i < count; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, static_cast<int>(i), &symbol)) return;
        const int type = GELF_ST_TYPE(symbol.st_info);
        // Not STT_GNU_IFUNC: what such a symbol names is the function that chooses one.
        if (type != STT_FUNC || symbol.st_shndx == SHN_UNDEF) continue;
        const char* name = elf_strptr(elf, header.sh_link, symbol.st_name);
        if (!name || !matches(name, patterns)) continue;
        if (const auto offset = file_offset(elf, symbol.st_value)) offsets.insert(*offset);
    }
}

}  // namespace

Result<std::string> resolve_binary(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    std::vector<std::string> places;
    if (name.find(".so") != std::string::npos) {
        if (const char* path = std::getenv("LD_LIBRARY_PATH"))
            for (const std::string_view place : split(path, ':')) places.emplace_back(place);
        places.insert(places.end(), {"/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu",
                                     "/usr/lib64", "/usr/lib", "/lib64", "/lib"});
    } else {
        if (const char* path = std::getenv("PATH"))
            for (const std::string_view place : split(path, ':')) places.emplace_back(place);
        places.insert(places.end(), {"/usr/bin", "/usr/sbin"});
    }
    for (const std::string& place : places) {
        const std::string candidate = place + "/" + name;
        if (!place.empty() && access(candidate.c_str(), R_OK) == 0) return candidate;
    }
    return std::unexpected(Error{ErrorCode::Usage,
                                 fmt::format("'{}' is found nowhere", printable(name)),
                                 "give its path", ENOENT});
}

Result<std::vector<uint64_t>> function_offsets(const std::string& path,
                                               const std::vector<std::string>& patterns) {
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(sys_error(fmt::format("'{}'", printable(path))));
    elf_version(EV_CURRENT);
    const ElfPtr elf(elf_begin(fd.get(), ELF_C_READ_MMAP, nullptr));
    if (!elf || elf_kind(elf.get()) != ELF_K_ELF)
        return malformed("'{}' is not an ELF file", printable(path));
    std::set<uint64_t> offsets;
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf.get(), section));) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) &&
            (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
            collect(elf.get(), section, header, patterns, offsets);
    }
    if (offsets.empty())
        return std::unexpected(
            Error{ErrorCode::Usage,
                  fmt::format("'{}' has no function that matches {}", printable(path),
                              printable(fmt::format("{}", fmt::join(patterns, ", ")))),
                  "nm -D lists what a library exports", ENOENT});
    return std::vector<uint64_t>(offsets.begin(), offsets.end());
}

bool has_kernel_probes() {
    std::error_code ignored;
    if (std::filesystem::exists("/sys/bus/event_source/devices/kprobe/type", ignored)) return true;
    const auto events = read_tracefs("kprobe_events");
    return events.has_value();
}

}  // namespace skep::kernel
