// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "cli/run.hpp"
#include "hooks/tasks/runner.hpp"
#include "platform/embedded.hpp"

namespace skep::cli {

namespace {

/// The programs that are named, or all that wait for something of a process.
Result<std::vector<std::string>> choose(const Run& run) {
    if (!run.options.progs.empty()) return run.options.progs;
    std::vector<std::string> names;
    for (const object::ProgSpec& prog : run.spec.progs)
        if (prog.autoload && platform::embedded_hook(prog.type) == platform::HookKind::Task)
            names.push_back(prog.name);
    if (names.empty())
        return std::unexpected(Error{
            ErrorCode::Usage,
            fmt::format("object '{}' has no program for system calls or processes",
                        printable(run.spec.name)),
            "programs for packets take --pcap FILE or --interface NAME instead of a command", 0});
    return names;
}

RunSummary summary_of(const Run& run, const hooks::TaskStatistics& statistics) {
    RunSummary summary = {.prog = {},
                          .type = {},
                          .events = statistics.events,
                          .lost = statistics.lost,
                          .ns_per_event = double(statistics.ns_per_event())};
    for (const hooks::ProgStatistics& prog : statistics.progs) {
        if (!summary.prog.empty()) summary.prog += ',';
        summary.prog += prog.name;
        if (summary.type.empty())
            if (const object::ProgSpec* spec = run.spec.find_prog(prog.name))
                summary.type = std::string(to_string(spec->type));
        for (const auto& [value, count] : prog.returned)
            summary.verdicts[fmt::to_string(int64_t(value))] += count;
        summary.faults += prog.fault.has_value();
    }
    return summary;
}

void report(const Run& run, const hooks::Outcome& outcome,
            const hooks::TaskStatistics& statistics) {
    Terminal& terminal = run.context.terminal;
    if (statistics.lost)
        terminal.note(fmt::format("{} records lost: the buffers were full", statistics.lost));
    if (outcome.shadowed)
        terminal.note("another supervisor took some system calls, which were not seen");
    if (outcome.no_new_privs && run.options.verbose)
        terminal.note("set-uid programs ran without gaining privileges");
    if (outcome.exec_errno)
        terminal.report(sys_error(run.context.child.front(), outcome.exec_errno));
}

}  // namespace

Result<int> run_on_tasks(Run& run) {
    const std::vector<std::string> progs = SKEP_TRY(choose(run));
    engine::Env env;
    env.printk = [&](std::string_view line) { run.output.printk(line); };
    const auto object = SKEP_TRY(load_to_run(run, env, progs));
    const auto runner = SKEP_TRY(
        hooks::TaskRunner::create(*object, env, {.argv = run.context.child, .progs = progs}));
    const hooks::TaskSinks sinks = {
        .record =
            [&](const hooks::Record& record) {
                run.output.record(run.spec, record.map.def().name, record.bytes);
            },
        .fault =
            [&](const engine::Fault& fault) {
                run.context.terminal.note(fmt::format("stopped: {}", fault.to_string()));
            },
    };
    const hooks::Outcome outcome = SKEP_TRY(runner->run(sinks));
    // From here on the command has run: its exit code is what counts.
    RunSummary summary = summary_of(run, runner->statistics());
    if (!run.options.json) summary.verdicts.clear();  // what tracing programs return says nothing
    run.output.summary(summary, *object, run.maps);
    report(run, outcome, runner->statistics());
    if (!run.output.ok() && !run.context.terminal.closed())
        run.context.terminal.report(run.output.result().error());
    return outcome.exit_code();
}

}  // namespace skep::cli
