// SPDX-License-Identifier: Apache-2.0
// `skep run --in kernel`: the same object, in the running kernel and on its hooks, through the
// runtime's interface.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/attach_words.hpp"
#include "cli/run.hpp"
#include "hooks/packets/packet_run.hpp"
#include "skep/skep.hpp"

namespace skep::cli {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Programs that only others call: they have nothing to be attached to.
std::set<std::string> tail_called(const object::ObjectSpec& spec) {
    std::set<std::string> names;
    for (const object::MapSpec& map : spec.maps)
        if (map.type == MapType::ProgArray)
            for (const object::InitialSlot& slot : map.initial_slots)
                names.insert(spec.progs[slot.index].name);
    return names;
}

std::vector<std::string> chosen(const Run& run) {
    if (!run.options.progs.empty()) return run.options.progs;
    std::vector<std::string> names;
    for (const object::ProgSpec& prog : run.spec.progs)
        if (prog.autoload) names.push_back(prog.name);
    return names;
}

/// COMMAND, while the programs watch. It has our streams; so that Ctrl-C reaches it as it reaches
/// us, it stays in our process group.
class Child {
  public:
    explicit Child(const std::vector<std::string>& words) {
        if (words.empty()) return;
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        error_ = posix_spawnp(&pid_, argv[0], nullptr, nullptr, argv.data(), environ);
        if (error_) pid_ = 0;
    }
    ~Child() {
        if (pid_ > 0 && !ended_) {
            kill(pid_, SIGTERM);
            waitpid(pid_, &status_, 0);
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    int error() const { return error_; }
    bool ended() {
        if (pid_ > 0 && !ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
        return ended_;
    }
    /// There is none, or it is over.
    bool done() { return pid_ <= 0 || ended(); }
    /// As a shell would exit.
    int exit_code() const {
        if (error_) return error_ == ENOENT ? 127 : 126;
        return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
    }

  private:
    pid_t pid_ = 0;
    int error_ = 0;
    int status_ = 0;
    bool ended_ = false;
};

/// A socket that sees all packets of an interface. Nobody reads them: the filter is what is run.
Result<UniqueFd> packet_socket(const std::string& interface) {
    const std::string what = fmt::format("packets of '{}'", printable(interface));
    sockaddr_ll where{};
    where.sll_family = AF_PACKET;
    where.sll_protocol = htons(ETH_P_ALL);
    where.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    if (where.sll_ifindex == 0) return std::unexpected(sys_error(what, ENODEV));
    UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0)
        return std::unexpected(sys_error(what));
    const int room = 0;  // the least there is
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return fd;
}

class KernelRun {
  public:
    KernelRun(Run& run, const Runtime& runtime, Object object)
        : run_(run), runtime_(runtime), object_(std::move(object)) {}

    Result<int> go() {
        Events events = SKEP_TRY(object_.events([this](const Record& record) {
            run_.output.record(run_.spec, record.map, record.bytes);
        }));
        SKEP_TRY(runtime_.enable_stats(true));
        SKEP_TRY(attach());
        const hooks::StopOnInterrupt interrupt;
        Child child(run_.context.child);
        SKEP_TRY(watch(events, child, *interrupt.flag()));
        for (size_t i = 0; i < attached_.size(); i++)
            if (is_iterator(attached_[i]))
                run_.output.iterator(attached_[i].name(), SKEP_TRY(links_[i].read()));
        links_.clear();  // nothing more comes; what is there still is shown
        while (SKEP_TRY(events.poll(0ms)) != 0) {
        }
        SKEP_TRY(finish(events.lost()));
        if (run_.context.child.empty()) return kDone;
        if (child.error())
            run_.context.terminal.report(sys_error(run_.context.child.front(), child.error()));
        return child.exit_code();
    }

  private:
    /// The hook, as far as the options say it for all programs.
    Result<AttachOptions> hook() const {
        const RunOptions& options = run_.options;
        AttachOptions where{.interface = options.interface.value_or(""),
                            .cgroup = options.cgroup.value_or("")};
        if (options.xdp_mode == "native") where.xdp_mode = XdpMode::Native;
        if (options.xdp_mode == "generic") where.xdp_mode = XdpMode::Generic;
        if (options.pid)
            where.pid = static_cast<int32_t>(std::min<uint64_t>(*options.pid, INT32_MAX));
        if (options.netfilter) where.netfilter = SKEP_TRY(netfilter_hook(*options.netfilter));
        if (options.perf) where.perf = SKEP_TRY(perf_event(*options.perf));
        where.route = {.destination = options.route.value_or(""), .via = options.via};
        return where;
    }

    /// The map whose sockets the object's programs are for.
    Result<Map> sockmap() const {
        if (run_.options.sockmap) return object_.map(*run_.options.sockmap);
        std::vector<Map> found;
        for (Map& map : object_.maps())
            if (map.info().type == MapType::Sockmap || map.info().type == MapType::Sockhash)
                found.push_back(std::move(map));
        if (found.size() == 1) return found.front();
        return fail(ErrorCode::Usage, "object '{}' has {} maps of sockets: name one with --sockmap",
                    printable(run_.spec.name), found.size());
    }

    bool is_iterator(const Program& prog) const {
        const object::ProgSpec* spec = run_.spec.find_prog(prog.name());
        return spec && spec->attach_type == AttachType::TraceIter;
    }

    /// The map that an iterator of elements walks.
    Result<Map> walked() const {
        if (run_.options.walk) return object_.map(*run_.options.walk);
        std::vector<std::string_view> found;
        for (const object::MapSpec& map : run_.spec.maps)
            if (map.origin == object::MapSpec::Origin::Declared) found.push_back(map.name);
        if (found.size() == 1) return object_.map(found.front());
        return fail(ErrorCode::Usage, "object '{}' has {} maps: name the one to walk with --walk",
                    printable(run_.spec.name), found.size());
    }

    /// What only programs of this type need.
    Result<void> complete(AttachOptions& where, const Program& prog) {
        const ProgType type = prog.type();
        if (type == ProgType::SkMsg || type == ProgType::SkSkb) {
            if (!sockets_) sockets_ = SKEP_TRY(sockmap());
            where.map = &*sockets_;
        }
        if (is_iterator(prog)) {
            static const std::set<std::string_view> kOfMaps = {"bpf_map_elem", "sockmap",
                                                               "bpf_sk_storage_map"};
            if (!kOfMaps.contains(run_.spec.find_prog(prog.name())->attach_target)) return {};
            if (!walked_) walked_ = SKEP_TRY(walked());
            where.map = &*walked_;
        }
        if (type == ProgType::SocketFilter && !where.interface.empty()) {
            sniffers_.push_back(SKEP_TRY(packet_socket(where.interface)));
            where.socket = sniffers_.back().get();
        }
        return {};
    }

    Result<void> attach() {
        const std::set<std::string> called = tail_called(run_.spec);
        const RunOptions& options = run_.options;
        const AttachOptions given = SKEP_TRY(hook());
        for (Program& prog : object_.programs()) {
            if (called.contains(prog.name())) continue;
            if (prog.type() == ProgType::StructOps) {
                parts_.push_back(prog);
                continue;
            }
            AttachOptions where = given;
            SKEP_TRY(complete(where, prog));
            auto link = prog.attach(where);
            if (!link) {
                Error error = std::move(link).error();
                if (error.code == ErrorCode::Unsupported && error.hint.empty())
                    error.hint = "skep doctor says what this kernel and this user can do";
                return std::unexpected(std::move(error));
            }
            if (options.verbose) run_.context.terminal.note("attached: " + link->describe());
            links_.push_back(std::move(*link));
            attached_.push_back(prog);
        }
        SKEP_TRY(register_structs());
        if (links_.empty())
            return fail(ErrorCode::Usage, "object '{}' has no program to attach",
                        printable(run_.spec.name));
        return {};
    }

    Result<void> register_structs() {
        for (const object::MapSpec& map : run_.spec.maps) {
            if (map.type != MapType::StructOps) continue;
            links_.push_back(SKEP_TRY(object_.attach_struct_ops(map.name)));
            if (run_.options.verbose)
                run_.context.terminal.note("registered: " + links_.back().describe());
        }
        return {};
    }

    /// Iterators alone have nothing to wait for.
    bool has_events() const {
        return links_.size() > attached_.size() ||
               !std::ranges::all_of(attached_, [&](const Program& p) { return is_iterator(p); });
    }

    Result<void> watch(Events& events, Child& child, const std::atomic<bool>& interrupted) {
        const auto end = steady_clock::now() + std::chrono::seconds(run_.options.duration);
        auto look = steady_clock::now();
        while (!interrupted && run_.output.ok() && !child.ended()) {
            if (child.error()) break;
            if (!has_events() && !run_.options.duration && child.done()) break;
            if (run_.options.duration && steady_clock::now() >= end) break;
            if (run_.options.count && SKEP_TRY(runs()).runs >= run_.options.count) break;
            SKEP_TRY(events.poll(20ms));
            if (steady_clock::now() < look) continue;
            look = steady_clock::now() + 200ms;
            if (!any_attached() && child.done()) break;
        }
        return {};
    }

    /// Says of which hooks there is nothing left: of an interface or a control group that is gone.
    bool any_attached() {
        for (size_t i = 0; i < links_.size(); i++)
            if (!gone_.contains(i) && !links_[i].attached()) {
                gone_.insert(i);
                const std::string what =
                    i < attached_.size()
                        ? fmt::format("program '{}' runs no more", printable(attached_[i].name()))
                        : "its programs run no more";
                run_.context.terminal.note(
                    fmt::format("{}: {} is gone", what, links_[i].describe()));
            }
        return gone_.size() < links_.size();
    }

    /// That are attached, and those of structs.
    std::vector<Program> programs() const {
        std::vector<Program> all = attached_;
        all.insert(all.end(), parts_.begin(), parts_.end());
        return all;
    }

    Result<ProgramStats> runs() {
        ProgramStats sum;
        for (const Program& prog : programs()) {
            const ProgramStats one = SKEP_TRY(prog.stats());
            sum.runs += one.runs;
            sum.ns += one.ns;
            sum.misses += one.misses;
        }
        return sum;
    }

    Result<void> finish(uint64_t lost) {
        const ProgramStats stats = SKEP_TRY(runs());
        RunSummary summary{.prog = {}, .type = {}, .events = stats.runs, .lost = lost};
        for (const Program& prog : programs()) {
            if (!summary.prog.empty()) summary.prog += ',';
            summary.prog += prog.name();
            if (summary.type.empty()) summary.type = std::string(to_string(prog.type()));
        }
        if (stats.runs)
            summary.ns_per_event = static_cast<double>(stats.ns) / static_cast<double>(stats.runs);
        run_.output.summary(summary, run_.spec, object_, run_.maps);
        Terminal& terminal = run_.context.terminal;
        if (lost) terminal.note(fmt::format("{} records lost: the buffers were full", lost));
        if (stats.misses)
            terminal.note(
                fmt::format("{} events not seen: a program was running already", stats.misses));
        if (run_.options.verbose)
            terminal.note(fmt::format("{} runs of {}", stats.runs, summary.prog));
        return run_.output.result();
    }

    Run& run_;
    const Runtime& runtime_;
    Object object_;
    std::optional<Map> sockets_, walked_;
    std::vector<UniqueFd> sniffers_;
    std::vector<Link> links_;  ///< of attached_, then of structs
    std::vector<Program> attached_;
    std::vector<Program> parts_;  ///< of structs
    std::set<size_t> gone_;       ///< of links_
};

}  // namespace

Result<int> run_in_kernel(Run& run) {
    const auto runtime = SKEP_TRY(Runtime::open(
        Place::Kernel, {.printk = [&run](std::string_view line) { run.output.printk(line); }}));
    Object object = SKEP_TRY(runtime.load(run.elf, run.options.file, {.progs = chosen(run)}));
    return KernelRun(run, runtime, std::move(object)).go();
}

}  // namespace skep::cli
