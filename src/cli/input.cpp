// SPDX-License-Identifier: Apache-2.0
#include "cli/input.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>

#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/compile.hpp"
#include "elf/elf.hpp"
#include "object/read.hpp"
#include "platform/embedded.hpp"

namespace skep::cli {

namespace {

constexpr const char* kKernelBtf = "/sys/kernel/btf/vmlinux";

/// What a file that is no object probably is, and what to do with it.
std::string hint_for(const std::string& path, ByteView bytes) {
    if (path.ends_with(".c"))
        return fmt::format("compile it first: clang -O2 -g -target bpf -c {} -o {}.o", path,
                           path.substr(0, path.size() - 2));
    if (path.ends_with(".s") || path.ends_with(".S"))
        return fmt::format("assemble it first: skep asm {} -o {}.o", path,
                           path.substr(0, path.size() - 2));
    if (!is_elf(bytes)) return "skep dis reads raw bytecode too; the other commands need an object";
    return {};
}

Result<std::shared_ptr<const btf::Btf>> parse_btf(Bytes bytes,
                                                  std::shared_ptr<const btf::Btf> base) {
    if (!is_elf(bytes)) return btf::Btf::parse(std::move(bytes), std::move(base));
    const elf::Elf elf = SKEP_TRY(elf::Elf::parse_sections(bytes));
    const elf::Section* section = elf.find(".BTF");
    if (!section) return malformed("it has no .BTF section");
    return btf::Btf::parse(Bytes(section->data.begin(), section->data.end()), std::move(base));
}

}  // namespace

bool is_elf(ByteView bytes) {
    constexpr std::string_view kMagic =
        "\x7f"
        "ELF";
    return bytes.size() >= kMagic.size() &&
           std::ranges::equal(bytes.first(kMagic.size()), bytes_of(kMagic));
}

std::string input_name(const std::string& path) {
    return path == "-" ? "stdin" : path;
}

Result<Bytes> read_input(const std::string& path) {
    auto bytes = read_file(path);
    if (!bytes) return bytes;
    if (bytes->empty()) return malformed("{}: the file is empty", input_name(path));
    return bytes;
}

Result<Bytes> object_bytes(const std::string& path) {
    return is_source(path) ? compile(path) : read_input(path);
}

Result<object::ObjectSpec> load_object(const std::string& path) {
    return parse_object(SKEP_TRY(object_bytes(path)), path);
}

Result<object::ObjectSpec> parse_object(ByteView bytes, const std::string& path) {
    auto object = object::read_object(bytes, input_name(path));
    if (!object && object.error().hint.empty()) object.error().hint = hint_for(path, bytes);
    return object;
}

Result<std::shared_ptr<const btf::Btf>> load_btf(const std::string& source,
                                                 std::shared_ptr<const btf::Btf> base) {
    if (source == "embedded") {
        const ByteView bytes = platform::embedded_btf();
        return btf::Btf::parse(Bytes(bytes.begin(), bytes.end()));
    }
    if (source == "kernel") {
        auto types = btf::Btf::load(kKernelBtf);
        if (!types && types.error().sys_errno == ENOENT)
            return std::unexpected(Error{ErrorCode::Unsupported,
                                         "this kernel does not tell its types",
                                         "it was built without CONFIG_DEBUG_INFO_BTF", ENOENT});
        return types;
    }
    auto types = parse_btf(SKEP_TRY(read_input(source)), std::move(base));
    if (!types) return std::unexpected(std::move(types.error()).in(input_name(source)));
    return types;
}

Result<const object::ProgSpec*> find_prog(const object::ObjectSpec& object, std::string_view name) {
    if (const object::ProgSpec* prog = object.find_prog(name)) return prog;
    std::vector<std::string_view> names;
    for (const object::ProgSpec& prog : object.progs) names.push_back(prog.name);
    Error error = {
        ErrorCode::Usage,
        fmt::format("object '{}' has no program '{}'", printable(object.name), printable(name)),
        {},
        0};
    if (const auto meant = closest(name, names))
        error.hint = fmt::format("did you mean '{}'?", *meant);
    else if (!names.empty())
        error.hint = printable(fmt::format("it has {}", fmt::join(names, ", ")));
    return std::unexpected(std::move(error));
}

}  // namespace skep::cli
