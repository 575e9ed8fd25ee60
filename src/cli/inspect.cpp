// SPDX-License-Identifier: Apache-2.0
#include "object/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/input.hpp"

namespace skep::cli {

namespace {

struct Options {
    std::string file;
    std::optional<std::string> btf;
    bool json = false;
};

/// Headings (a line in capitals) stand out.
std::string highlighted(std::string_view text, const Terminal& terminal) {
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
        const bool heading = !line.empty() && std::ranges::all_of(line, [](char c) {
            return (c >= 'A' && c <= 'Z') || c == ' ' || c == '-';
        });
        out += heading ? terminal.paint(Style::Bold, line) : std::string(line);
        out += '\n';
    }
    out.pop_back();
    return out;
}

Result<int> inspect(const Options& options, Context& context) {
    const object::ObjectSpec object = SKEP_TRY(load_object(options.file));
    std::shared_ptr<const btf::Btf> target;
    if (options.btf) target = SKEP_TRY(load_btf(*options.btf));
    if (options.json) {
        JsonWriter json;
        object::inspect_json(object, json, target.get());
        SKEP_TRY(context.terminal.print(json.text() + '\n'));
        return kDone;
    }
    const std::string text = object::inspect_text(object, target.get());
    SKEP_TRY(context.terminal.print(context.terminal.colored() ? highlighted(text, context.terminal)
                                                               : text));
    return kDone;
}

Action declare(Arguments& args) {
    auto options = std::make_shared<Options>();
    args.operand("FILE", options->file, "compiled object; - reads it from standard input");
    args.option("--btf", "TYPES", options->btf,
                "also show what each CO-RE relocation becomes on these types: kernel (this one), "
                "embedded (skep's own), or a file");
    args.flag("--json", options->json, "one JSON object");
    return [options](Context& context) { return inspect(*options, context); };
}

}  // namespace

const Command kInspect = {
    .name = "inspect",
    .summary = "show what is in a compiled object",
    .description =
        "Programs with their types and attach points, maps with the C types of keys and\n"
        "values, global variables, externs, what instructions refer to, and CO-RE\n"
        "relocations. Nothing is loaded, and no privilege is needed.",
    .examples =
        "skep inspect hello.bpf.o\n"
        "skep inspect hello.bpf.o --btf kernel\n"
        "skep inspect --json hello.bpf.o | jq '.maps[].name'\n",
    .declare = declare,
};

}  // namespace skep::cli
