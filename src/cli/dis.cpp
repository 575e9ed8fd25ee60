// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/hex.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/compile.hpp"
#include "cli/input.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/object.hpp"
#include "isa/classic_text.hpp"
#include "isa/decode.hpp"
#include "isa/disasm.hpp"
#include "object/describe.hpp"
#include "object/listing.hpp"
#include "platform/helpers.hpp"

namespace skep::cli {

namespace {

using object::LineInfo;
using object::ObjectSpec;
using object::ProgSpec;

struct Options {
    std::string file;
    std::optional<std::string> prog;
    bool json = false;
    bool jit = false;
    unsigned classic = 0;
};

void put_instruction(JsonWriter& json, isa::InsnView insns, size_t index, size_t& slots) {
    std::string text;
    slots = isa::append_text(text, insns, index);
    json.key("insn").value(index);
    json.key("bytes").value(to_hex(isa::encode(insns.subspan(index, slots))));
    json.key("text").value(text);
}

std::string json_of(const ObjectSpec& object, const ProgSpec& prog) {
    JsonWriter json;
    json.begin_object().key("prog").value(prog.name).key("section").value(prog.section);
    json.key("type").value(to_string(prog.type)).key("insns").begin_array();
    auto line = prog.lines.begin();
    for (size_t i = 0, slots = 1; i < prog.insns.size(); i += slots) {
        json.begin_object();
        put_instruction(json, prog.insns, i, slots);
        if (const object::Subprog* subprog = object::subprog_at(prog, uint32_t(i)))
            json.key("function").value(subprog->name);
        for (; line != prog.lines.end() && line->insn <= i; ++line) {
            if (line->insn != i) continue;
            json.key("file").value(object.btf->string(line->file_off));
            json.key("line").value(line->line).key("column").value(line->column);
            json.key("source").value(trim(object.btf->string(line->line_off)));
        }
        json.end_object();
    }
    return json.end_array().end_object().text() + '\n';
}

std::string json_of(isa::InsnView insns) {
    JsonWriter json;
    json.begin_object().key("insns").begin_array();
    for (size_t i = 0, slots = 1; i < insns.size(); i += slots) {
        json.begin_object();
        put_instruction(json, insns, i, slots);
        json.end_object();
    }
    return json.end_array().end_object().text() + '\n';
}

/// Source lines and labels recede, so that the code stands out.
std::string highlighted(std::string_view text, const Terminal& terminal) {
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
        if (line.starts_with(';'))
            out += terminal.paint(Style::Dim, line);
        else if (!line.empty() && line.ends_with(':'))
            out += terminal.paint(Style::Bold, line);
        else
            out += line;
        out += '\n';
    }
    out.pop_back();
    return out;
}

Result<int> dis_object(ByteView bytes, const Options& options, Context& context) {
    const ObjectSpec object = SKEP_TRY(parse_object(bytes, options.file));
    std::vector<const ProgSpec*> progs;
    if (options.prog)
        progs.push_back(SKEP_TRY(find_prog(object, *options.prog)));
    else
        for (const ProgSpec& prog : object.progs) progs.push_back(&prog);
    std::string out;
    for (const ProgSpec* prog : progs) {
        if (options.json) {
            out += json_of(object, *prog);
            continue;
        }
        if (!out.empty()) out += '\n';
        out += context.terminal.paint(Style::Bold,
                                      fmt::format("# program {}, section {}", printable(prog->name),
                                                  printable(prog->section)));
        const std::string text = object::listing(object, *prog);
        out += '\n';
        out += context.terminal.colored() ? highlighted(text, context.terminal) : text;
    }
    SKEP_TRY(context.terminal.print(out));
    return kDone;
}

/// Each instruction with what the embedded engine's compiler makes of it.
std::string native_text(const engine::Prog& prog) {
    const isa::InsnView insns = prog.spec().insns;
    std::string out = fmt::format("# program {}, {} bytes of machine code\n",
                                  printable(prog.name()), prog.native()->bytes().size());
    size_t shown = 0;
    for (size_t i = 0, slots = 1; i < insns.size(); i += slots) {
        if (const object::Subprog* subprog = object::subprog_at(prog.spec(), uint32_t(i)))
            out += fmt::format("{}:\n", printable(subprog->name));
        out += fmt::format("{:>8}:\t", i);
        slots = isa::append_text(out, insns, i);
        const auto bytes = prog.native()->bytes_of(uint32_t(i));
        out += bytes.empty() ? "\n" : fmt::format("\n\t\t{}\n", to_hex(bytes));
        shown += bytes.size();
    }
    return out + fmt::format("# rare jumps lead behind it:\n\t\t{}\n",
                             to_hex(prog.native()->bytes().subspan(shown)));
}

std::string native_json(const engine::Prog& prog) {
    const isa::InsnView insns = prog.spec().insns;
    JsonWriter json;
    json.begin_object().key("prog").value(prog.name());
    json.key("native_bytes").value(uint64_t{prog.native()->bytes().size()});
    json.key("insns").begin_array();
    for (size_t i = 0, slots = 1; i < insns.size(); i += slots) {
        json.begin_object();
        put_instruction(json, insns, i, slots);
        json.key("native").value(to_hex(prog.native()->bytes_of(uint32_t(i)))).end_object();
    }
    return json.end_array().end_object().text() + '\n';
}

Result<int> dis_native(ByteView bytes, const Options& options, Context& context) {
    if (!is_elf(bytes))
        return fail(ErrorCode::Usage, "--jit is for objects: raw bytecode has no type to verify");
    const ObjectSpec object = SKEP_TRY(parse_object(bytes, options.file));
    engine::Object::Options load{.jit = engine::Jit::Baseline};
    if (options.prog) load.progs = { SKEP_TRY(find_prog(object, *options.prog))->name };
    const engine::Env env;
    const auto loaded = SKEP_TRY(engine::Object::load(object, env, load));
    std::string out;
    for (const auto& prog : loaded->progs()) {
        if (prog->native()) {
            out += options.json ? native_json(*prog) : native_text(*prog);
            continue;
        }
        const std::string& why =
            prog->verified() ? prog->why_not_native() : prog->why_not_verified();
        context.terminal.note(fmt::format("program '{}' has no machine code: {}",
                                          printable(prog->name()), printable(why)));
    }
    SKEP_TRY(context.terminal.print(out));
    return out.empty() ? kNo : kDone;
}

Result<int> dis_bytecode(ByteView bytes, const Options& options, Context& context) {
    if (options.prog) return fail(ErrorCode::Usage, "--prog: raw bytecode has no program names");
    auto insns = isa::decode(bytes);
    if (!insns)
        return std::unexpected(std::move(insns.error())
                                   .in(input_name(options.file))
                                   .with_hint("raw bytecode is 8 bytes an instruction; classic "
                                              "BPF needs -d"));
    const auto helper_name = [&](size_t index) -> std::string {
        const isa::Insn& insn = (*insns)[index];
        if (insn.opcode != (uint8_t{isa::kJmp} | isa::kCall) || insn.src != isa::kCallHelper)
            return {};
        const platform::HelperInfo* helper = platform::find_helper(uint32_t(insn.imm));
        return helper ? fmt::format("bpf_{}", helper->name) : "";
    };
    SKEP_TRY(
        context.terminal.print(options.json ? json_of(*insns) : isa::listing(*insns, helper_name)));
    return kDone;
}

/// As bytes (struct sock_filter), or as the text of tcpdump -ddd and of tc's bytecode.
Result<std::vector<isa::ClassicInsn>> read_classic(ByteView bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text.find_first_not_of("0123456789, \t\r\n") == std::string_view::npos)
        return isa::parse_classic(text);
    return isa::decode_classic(bytes);
}

Result<int> dis_classic(ByteView bytes, const Options& options, Context& context) {
    if (options.prog || options.json)
        return fail(ErrorCode::Usage, "-d goes with neither --prog nor --json");
    auto filter = read_classic(bytes);
    if (!filter) return std::unexpected(std::move(filter.error()).in(input_name(options.file)));
    const auto style = static_cast<isa::ClassicStyle>(std::min(options.classic, 3u) - 1);
    SKEP_TRY(context.terminal.print(isa::classic_text(*filter, style)));
    return kDone;
}

Result<int> dis(const Options& options, Context& context) {
    const Bytes bytes =
        SKEP_TRY(is_source(options.file) ? compile(options.file) : read_input(options.file));
    if (options.classic > 0) return dis_classic(bytes, options, context);
    if (options.jit) return dis_native(bytes, options, context);
    if (is_elf(bytes)) return dis_object(bytes, options, context);
    return dis_bytecode(bytes, options, context);
}

Action declare(Arguments& args) {
    auto options = std::make_shared<Options>();
    args.operand("FILE", options->file,
                 "compiled object, or raw bytecode; - reads it from standard input");
    args.option("--prog", "NAME", options->prog, "only this program");
    args.flag("--jit", options->jit,
              "beside each instruction the machine code that runs it in this process, as hex");
    args.flag("--json", options->json, "a JSON object a line for each program");
    args.count("-d", options->classic,
               "FILE is a classic BPF filter: show it as tcpdump -d does; twice: as C; three "
               "times: as numbers");
    return [options](Context& context) { return dis(*options, context); };
}

}  // namespace

const Command kDis = {
    .name = "dis",
    .summary = "disassemble",
    .description =
        "The programs of an object, with source lines and with the names of the maps,\n"
        "variables, helpers and fields that instructions use; or raw bytecode.",
    .examples =
        "skep dis hello.bpf.o\n"
        "skep dis hello.bpf.o --prog hello\n"
        "skep dis goodbye_ping.bpf.o --jit\n"
        "tcpdump -ddd -i eth0 'tcp port 80' | skep dis -d -\n",
    .declare = declare,
};

}  // namespace skep::cli
