// SPDX-License-Identifier: Apache-2.0
#include "cli/run.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "base/text.hpp"
#include "cli/input.hpp"
#include "cli/jit_mode.hpp"
#include "cli/run_place.hpp"
#include "platform/embedded.hpp"

namespace skep::cli {

namespace {

using platform::HookKind;

Result<std::vector<size_t>> maps_to_show(const object::ObjectSpec& spec,
                                         const std::vector<std::string>& names) {
    std::vector<size_t> indices;
    std::vector<std::string_view> known;
    for (const object::MapSpec& map : spec.maps) known.push_back(map.name);
    for (const std::string& name : names) {
        const auto found = std::ranges::find(known, name);
        if (found != known.end()) {
            indices.push_back(size_t(found - known.begin()));
            continue;
        }
        Error error = {ErrorCode::Usage,
                       fmt::format("--show-map: object '{}' has no map '{}'", printable(spec.name),
                                   printable(name)),
                       printable(fmt::format("it has {}", fmt::join(known, ", "))), 0};
        if (const auto meant = closest(name, known))
            error.hint = fmt::format("did you mean '{}'?", *meant);
        return std::unexpected(std::move(error));
    }
    return indices;
}

/// What to give where no events are given, by what the object's programs wait for.
Error no_events(const object::ObjectSpec& spec) {
    Error error = {ErrorCode::Usage, "there are no events to run on",
                   "--pcap FILE or --interface NAME for packets, -- COMMAND for system calls, "
                   "--in kernel for the kernel's own",
                   0};
    for (const object::ProgSpec& prog : spec.progs) switch (platform::embedded_hook(prog.type)) {
            case HookKind::Packet:
                error.hint = fmt::format(
                    "program '{}' is of type {}: give it packets with --pcap FILE or --interface "
                    "NAME",
                    printable(prog.name), to_string(prog.type));
                return error;
            case HookKind::Task:
                error.hint = fmt::format("program '{}' waits for {}: give it a command, -- COMMAND",
                                         printable(prog.name), printable(prog.section));
                return error;
            case HookKind::None: break;
        }
    return error;
}

Result<void> check(const RunOptions& options, const Context& context, Place place) {
    if (place == Place::Kernel) return {};
    const int sources = int(options.pcap.has_value()) + int(options.interface.has_value()) +
                        int(!context.child.empty());
    if (sources > 1)
        return fail(ErrorCode::Usage, "give one of --pcap, --interface and -- COMMAND");
    if (!context.child.empty() && !options.write.empty())
        return fail(ErrorCode::Usage, "--write is for packets");
    if (!context.child.empty() && options.count != 0)
        return fail(ErrorCode::Usage, "--count is for packets");
    return {};
}

Result<int> run(const RunOptions& options, Context& context) {
    const Bytes elf = SKEP_TRY(object_bytes(options.file));
    const object::ObjectSpec spec = SKEP_TRY(parse_object(elf, options.file));
    const Place place = SKEP_TRY(choose_place(options, context.child, spec));
    SKEP_TRY(check(options, context, place));
    SKEP_TRY(jit_mode(options.jit));
    for (const std::string& name : options.progs) SKEP_TRY(find_prog(spec, name));
    const std::vector<size_t> maps = SKEP_TRY(maps_to_show(spec, options.show_maps));
    UniqueFd file;
    if (options.output) {
        file.reset(open(options.output->c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
        if (!file) return std::unexpected(sys_error(*options.output));
    }
    RunOutput output(context.terminal, options.json, file.get());
    Run run{options, context, elf, spec, output, maps};
    if (place == Place::Kernel) return run_in_kernel(run);
    if (!context.child.empty()) return run_on_tasks(run);
    if (options.pcap || options.interface) return run_on_packets(run);
    return std::unexpected(no_events(spec));
}

std::string why_not_better(const engine::Prog& prog) {
    const std::string& why = prog.native() ? prog.why_not_optimised() : prog.why_not_native();
    return why.empty() ? "" : ": " + why;
}

}  // namespace

Result<std::unique_ptr<engine::Object>> load_to_run(Run& run, const engine::Env& env,
                                                    std::vector<std::string> progs) {
    auto object = SKEP_TRY(engine::Object::load(run.spec, env, {
        .progs = std::move(progs), .checked = run.options.checked,
        .jit = SKEP_TRY(jit_mode(run.options.jit))
    }));
    for (const auto& prog : object->progs()) {
        const std::string name = printable(prog->name());
        if (!prog->verified())
            run.context.terminal.note(fmt::format("program '{}' runs checked: {}", name,
                                                  printable(prog->why_not_verified())));
        else if (run.options.verbose || (run.options.jit == "baseline" && !prog->native()) ||
                 (run.options.jit == "optimising" && !prog->optimised()))
            run.context.terminal.note(fmt::format("program '{}' is verified and runs {}{}", name,
                                                  run.options.checked ? "checked"
                                                  : prog->optimised() ? "as optimised machine code"
                                                  : prog->native()    ? "as machine code"
                                                                      : "unchecked, interpreted",
                                                  why_not_better(*prog)));
    }
    return object;
}

namespace {

Action declare(Arguments& args) {
    auto options = std::make_shared<RunOptions>();
    args.operand("FILE", options->file,
                 "compiled object, or NAME.bpf.c, which clang compiles first");
    args.option("--prog", "NAME", options->progs,
                "this program; else the one that fits, or all that wait for system calls");
    args.option("--pcap", "IN", options->pcap,
                "packets from a pcap or pcapng file; - is standard input");
    args.option("-i,--interface", "NAME", options->interface,
                "packets of an interface, as they come (needs CAP_NET_RAW)");
    args.option("--in", "PLACE", options->in,
                "where programs run; auto is here, unless they need the kernel")
        .choices = {"auto", "embedded", "kernel", "replay"};
    args.option("--cgroup", "PATH", options->cgroup, "kernel: attach to this control group");
    args.option("--xdp-mode", "MODE", options->xdp_mode, "kernel: native or generic XDP")
        .choices = {"native", "generic"};
    args.option("--netfilter", "HOOK", options->netfilter,
                "kernel: prerouting, input (which is where they go without), forward, output or "
                "postrouting; ipv6/HOOK; HOOK:PRIORITY");
    args.option("--route", "DEST", options->route,
                "kernel: lwt programs meet the packets of a route to DEST, by --interface");
    args.option("--via", "ADDRESS", options->via, "kernel: the gateway of --route");
    args.option("--perf", "EVENT", options->perf,
                "kernel: what perf_event programs count, e.g. page-faults; EVENT:PERIOD, or else "
                "99 times a second");
    args.option("--sockmap", "NAME", options->sockmap,
                "kernel: the map of sockets of sk_msg and sk_skb programs; else the only one");
    args.option("--walk", "NAME", options->walk,
                "kernel: the map whose elements iterators walk; else the only one");
    args.option("--pid", "PID", options->pid,
                "kernel: user probes, perf events and iterators of this process only");
    args.option("--duration", "SECONDS", options->duration, "kernel: stop after this time");
    args.option("--count", "N", options->count, "stop after N packets (kernel: runs)");
    args.option("--write", "OUT", options->write, "write what passes, as the program has left it");
    args.option("--show-map", "NAME", options->show_maps, "show this map at the end");
    args.option("-o,--output", "OUT", options->output,
                "write events and summary here, not to standard output");
    args.flag("--checked", options->checked,
              "keep the run-time checks of programs that the verifier accepts, too");
    args.option(
            "--jit", "MODE", options->jit,
            "what runs verified programs: machine code (baseline), better machine code that "
            "takes longer to make (optimising), the first until a program is hot (auto), or the "
            "interpreter (off)")
        .choices = kJitModes;
    args.flag("--json", options->json, "events and summary as JSON, one object a line");
    args.flag("-v,--verbose", options->verbose,
              "a line for each packet, and for each program whether it runs checked");
    return [options](Context& context) { return run(*options, context); };
}

}  // namespace

const Command kRun = {
    .name = "run",
    .summary = "run a program on packets, or on a command's system calls",
    .description =
        "Runs programs inside this process, as an ordinary user: what the verifier accepts\n"
        "as machine code without run-time checks (--jit off: interpreted), what it refuses\n"
        "interpreted, with them. Or, with --in kernel, in the\n"
        "kernel, on its own hooks. XDP, tc, socket and cgroup_skb programs run on the\n"
        "packets of a capture or an interface; programs on system calls and on the life of\n"
        "processes run on COMMAND and all its children. COMMAND keeps its standard streams,\n"
        "and its exit code becomes that of skep. In the kernel, programs attach where their\n"
        "sections say, to all that happens on the machine, until COMMAND ends, for\n"
        "--duration, or until Ctrl-C.",
    .examples =
        "skep run goodbye_ping.bpf.o --pcap ping.pcap --show-map packets\n"
        "skep run goodbye_ping.bpf.o --pcap in.pcap --write out.pcap --json\n"
        "skep run hello.bpf.o -- sh -c 'ls / | head -2'\n"
        "skep run opens.bpf.c -o events.json --json -- make\n"
        "skep run hello.bpf.o --in kernel --duration 10\n"
        "skep run goodbye_ping.bpf.o --in kernel --interface eth0 --show-map packets\n"
        "skep run filter.bpf.o --in kernel --netfilter output\n"
        "skep run stacks.bpf.o --in kernel --perf cpu-clock --duration 10\n",
    .takes_child = true,
    .declare = declare,
};

}  // namespace skep::cli
