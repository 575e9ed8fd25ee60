// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>

#include "base/table.hpp"
#include "base/text.hpp"
#include "cli/check_target.hpp"
#include "cli/command.hpp"
#include "cli/input.hpp"
#include "kernel/running.hpp"
#include "object/settle.hpp"
#include "verifier/explain.hpp"
#include "verifier/graph.hpp"

namespace skep::cli {

namespace {

using object::ObjectSpec;
using object::ProgSpec;
using verifier::Verdict;

struct Options {
    std::vector<std::string> files;
    std::vector<std::string> kernels;
    std::optional<std::string> prog;
    std::vector<std::string> btf;
    std::optional<std::string> log;
    bool unprivileged = false;
    bool cfg = false;
    bool json = false;
};

/// One program on one target.
struct Row {
    const CheckTarget* target;
    std::shared_ptr<const ObjectSpec> object;  ///< settled there; the program's own copy of it
    kernel::Types types;                       ///< that it was settled by
    Verdict verdict;
    uint64_t nanoseconds = 0;
    std::string problem;  ///< why there is no verdict

    const ProgSpec& prog() const { return object->progs[0]; }
    bool accepted() const { return problem.empty() && verdict.accepted; }
};

/// A program with its rows, one a target.
struct Judged {
    std::string file;
    std::string prog;
    ProgType type;
    std::vector<Row> rows;
};

Row judge(const ObjectSpec& object, size_t index, const CheckTarget& target,
          const Options& options) {
    const ObjectSpec alone = object::only(object, index);
    Row row{.target = &target,
            .object = {},
            .types = target.types_for(alone),
            .verdict = {},
            .problem = {}};
    auto settled = kernel::settle(alone, *target.platform, row.types.get(), target.config);
    if (!settled) {
        row.problem = settled.error().message;
        if (!row.types)
            row.problem += " (--btf FILE gives that kernel's types)";
        else if (kernel::lacks_names(alone, row.types))
            row.problem += target.loaded_modules ? ", nor in a module that is loaded"
                           : target.name == "embedded"
                               ? ""
                               : " (if a module has it: its types by one more --btf)";
        return row;
    }
    row.object = std::make_shared<const ObjectSpec>(std::move(*settled));
    const auto before = std::chrono::steady_clock::now();
    auto verdict = verifier::verify(*row.object, row.prog(), *target.platform,
                                    {.privileged = !options.unprivileged,
                                     .path = true,
                                     .log = options.log.has_value(),
                                     .facts = options.cfg,
                                     .register_facts = options.cfg,
                                     .kernel_btf = row.types.get()});
    row.nanoseconds = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                                std::chrono::steady_clock::now() - before)
                                                .count());
    if (verdict)
        row.verdict = std::move(*verdict);
    else
        row.problem = verdict.error().message;
    return row;
}

std::string painted(const Terminal& terminal, const Row& row) {
    if (!row.problem.empty()) return terminal.paint(Style::Yellow, "cannot tell");
    return row.accepted() ? terminal.paint(Style::Green, "accepted")
                          : terminal.paint(Style::Red, "rejected");
}

std::string word_for(const Row& row) {
    if (!row.problem.empty()) return "cannot tell";
    return row.accepted() ? "accepted" : "rejected";
}

std::string joined(const std::vector<std::string>& names) {
    return names.empty() ? "-" : fmt::format("{}", fmt::join(names, ","));
}

/// One target: what verification took, and what the program uses.
std::string single_table(const std::vector<Judged>& all) {
    Table table({"PROGRAM", "TYPE", "VERDICT", ">VISITED", ">STATES", ">STACK", ">LONGEST", "MAPS",
                 "CALLS"});
    for (const Judged& judged : all) {
        const Row& row = judged.rows[0];
        const Verdict& verdict = row.verdict;
        if (!row.problem.empty() || !row.accepted()) {
            table.row({printable(judged.prog), std::string(to_string(judged.type)), word_for(row),
                       row.problem.empty() ? std::to_string(verdict.insns_visited) : "-", "-", "-",
                       "-", "-", "-"});
            continue;
        }
        table.row({printable(judged.prog), std::string(to_string(judged.type)), word_for(row),
                   std::to_string(verdict.insns_visited), std::to_string(verdict.peak_states),
                   std::to_string(verdict.stack_depth),
                   verdict.longest_path ? std::to_string(verdict.longest_path) : "-",
                   joined(verifier::map_names(*row.object, verdict)),
                   joined(verifier::called_names(verdict, row.types.get()))});
    }
    return table.to_string();
}

/// Several targets: one column each.
std::string many_table(const std::vector<Judged>& all) {
    std::vector<std::string> headers = {"PROGRAM", "TYPE"};
    for (const Row& row : all.front().rows) headers.push_back(row.target->name);
    Table table(std::move(headers));
    for (const Judged& judged : all) {
        std::vector<std::string> cells = {printable(judged.prog),
                                          std::string(to_string(judged.type))};
        for (const Row& row : judged.rows) cells.push_back(word_for(row));
        table.row(std::move(cells));
    }
    return table.to_string();
}

/// Whom a refusal concerns: programs, and targets where not all of them.
struct Cause {
    const Row* row;
    std::vector<std::string> who;
};

std::string explanations(const std::vector<Judged>& all, const Terminal& terminal) {
    std::vector<Cause> causes;
    std::map<std::string, size_t> known;
    for (const Judged& judged : all)
        for (const Row& row : judged.rows) {
            if (row.accepted()) continue;
            const std::string key =
                row.problem.empty()
                    ? judged.file + verifier::cause_key(*row.object, row.prog(), row.verdict)
                    : judged.file + row.problem;
            const auto [entry, first] = known.emplace(key, causes.size());
            if (first) causes.push_back({&row, {}});
            const std::string who = judged.rows.size() > 1
                                        ? fmt::format("{} on {}", judged.prog, row.target->name)
                                        : judged.prog;
            causes[entry->second].who.push_back(printable(who));
        }
    std::string out;
    for (const Cause& cause : causes) {
        out += fmt::format("\n{}: {}\n", fmt::join(cause.who, ", "), painted(terminal, *cause.row));
        out += cause.row->problem.empty()
                   ? verifier::explain(*cause.row->object, cause.row->prog(), cause.row->verdict)
                   : cause.row->problem + '\n';
    }
    return out;
}

std::string json_lines(const std::vector<Judged>& all) {
    std::string out;
    for (const Judged& judged : all)
        for (const Row& row : judged.rows) {
            JsonWriter json;
            if (row.problem.empty()) {
                verifier::verdict_json(json, *row.object, row.prog(), row.verdict, row.target->name,
                                       row.nanoseconds);
            } else {
                Verdict none;
                none.reason = row.problem;
                verifier::verdict_json(json, {}, {.name = judged.prog}, none, row.target->name, 0);
            }
            out += json.text() + '\n';
        }
    return out;
}

Result<std::vector<Judged>> judge_file(const std::string& file, const Options& options,
                                       const std::vector<CheckTarget>& targets) {
    const ObjectSpec object = SKEP_TRY(load_object(file));
    if (options.prog) SKEP_TRY(find_prog(object, *options.prog));
    std::vector<Judged> all;
    for (size_t i = 0; i < object.progs.size(); i++) {
        const ProgSpec& prog = object.progs[i];
        if (options.prog && prog.name != *options.prog) continue;
        if (prog.type == ProgType::Unspec && !options.prog) continue;
        Judged judged{.file = file, .prog = prog.name, .type = prog.type, .rows = {}};
        for (const CheckTarget& target : targets)
            judged.rows.push_back(judge(object, i, target, options));
        all.push_back(std::move(judged));
    }
    return all;
}

std::string rendered(const std::vector<Judged>& all, const Options& options,
                     const Terminal& terminal) {
    std::string out;
    if (options.json) return json_lines(all);
    if (options.cfg || options.log) {
        for (const Judged& judged : all)
            for (const Row& row : judged.rows) {
                if (!row.problem.empty()) continue;
                out += options.cfg
                           ? verifier::control_flow_graph(*row.object, row.prog(), row.verdict)
                           : row.verdict.log;
            }
        return out;
    }
    out = options.kernels.size() > 1 ? many_table(all) : single_table(all);
    return out + explanations(all, terminal);
}

Result<int> check(Options options, Context& context) {
    if (options.log && *options.log != "kernel")
        return fail(ErrorCode::Usage, "--log: '{}' is not known, only kernel",
                    printable(*options.log));
    if (options.kernels.empty()) options.kernels = {"running"};
    std::vector<CheckTarget> targets;
    for (const std::string& name : options.kernels)
        targets.push_back(SKEP_TRY(check_target(name, options.btf)));
    std::vector<Judged> all;
    for (const std::string& file : options.files) {
        auto judged = SKEP_TRY(judge_file(file, options, targets));
        std::ranges::move(judged, std::back_inserter(all));
    }
    if (all.empty()) return malformed("no program to check: none has a section name that is known");
    SKEP_TRY(context.terminal.print(rendered(all, options, context.terminal)));
    const bool good = std::ranges::all_of(
        all, [](const Judged& judged) { return std::ranges::all_of(judged.rows, &Row::accepted); });
    return good ? kDone : kNo;
}

Action declare(Arguments& args) {
    auto options = std::make_shared<Options>();
    args.operand("FILE", options->files, "compiled objects").required = true;
    args.option("--kernel", "RELEASE", options->kernels,
                "whose verifier decides: running (as without), 6.18, 6.12, 6.1, 5.15, or embedded "
                "(skep's own engine); may be given several times");
    args.option("--prog", "NAME", options->prog, "only this program");
    args.option("--btf", "FILE", options->btf,
                "the types of that kernel: raw BTF, or an object; given again: those of a module");
    args.flag("--unprivileged", options->unprivileged, "as for a loader without capabilities");
    args.option("--log", "FORM", options->log, "kernel: the log in the form of Linux");
    args.flag("--cfg", options->cfg, "the control flow as a graph for Graphviz");
    args.flag("--json", options->json, "a JSON object a line for each program and kernel");
    return [options](Context& context) { return check(*options, context); };
}

}  // namespace

const Command kCheck = {
    .name = "check",
    .summary = "verify; explain a rejection against the source line",
    .description =
        "Says whether the Linux verifier, or skep's own engine, would accept each program,\n"
        "without loading it and without privileges. A rejection is explained: what is wrong\n"
        "and where, how the program gets there with what is known of its values, and what to\n"
        "change. Exit code 0: all accepted; 1: some rejected.",
    .examples =
        "skep check hello.bpf.o\n"
        "skep check hello.bpf.o --kernel 5.15 --kernel 6.12 --btf vmlinux-6.12\n"
        "skep check ct.bpf.o --kernel 6.12 --btf vmlinux-6.12 --btf nf_conntrack.ko\n"
        "skep check hello.bpf.o --prog hello --log kernel\n"
        "skep check hello.bpf.o --prog hello --cfg | dot -Tsvg > hello.svg\n"
        "skep check --json *.bpf.o | jq 'select(.accepted | not) | .prog'\n",
    .declare = declare,
};

}  // namespace skep::cli
