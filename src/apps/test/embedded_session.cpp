// SPDX-License-Identifier: Apache-2.0
#include "apps/test/embedded_session.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "apps/test/ctx.hpp"
#include "apps/test/mock_task.hpp"
#include "apps/test/mocks.hpp"
#include "apps/test/values.hpp"
#include "base/text.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/timers.hpp"
#include "hooks/packets/fate.hpp"
#include "hooks/packets/packet_run.hpp"
#include "hooks/tasks/contexts.hpp"
#include "maps/perf_event_array.hpp"
#include "maps/prog_array.hpp"
#include "maps/ringbuf.hpp"
#include "platform/embedded.hpp"
#include "platform/syscalls.hpp"
#include "platform/verdicts.hpp"

namespace skep::test {

namespace {

using engine::Prog;
using object::ProgSpec;
using platform::HookKind;

/// What time is where a test does not say.
constexpr uint64_t kStart = 1'000'000'000;

class EmbeddedSession final : public Session {
  public:
    EmbeddedSession(const TestFile& file, const Test& test, const EmbeddedOptions& options)
        : file_(file),
          test_(test),
          options_(options),
          task_(test.task.value_or(TaskSpec{})),
          mocks_(test.mocks),
          generator_(uint32_t(test.seed)) {}

    ~EmbeddedSession() override {
        if (object_ && options_.finished)
            for (const auto& prog : object_->progs()) options_.finished(*prog);
    }

    Result<void> load(const object::ObjectSpec& spec) {
        env_.printk = [this](std::string_view line) { lines_.emplace_back(line); };
        env_.clock = [this](engine::Clock) { return now_; };
        env_.random = [this] { return random(); };
        env_.mock = [this](engine::Execution& x, platform::HelperId helper,
                           const std::array<uint64_t, 5>& args) {
            return mocks_.call(x, helper, args);
        };
        set_time(test_.time);
        engine::Object::Options load{.progs = progs_of(spec, test_),
                                     .checked = options_.jit == engine::Jit::Off,
                                     .jit = options_.jit,
                                     .mocked = mocks_.helpers(),
                                     .coverage = options_.coverage};
        object_ = SKEP_TRY(engine::Object::load(spec, env_, load));
        execution_ = SKEP_TRY(engine::Execution::create(env_));
        execution_->budget = 100'000'000;
        for (size_t i = 0; i < object_->maps().size(); i++)
            if (maps::Map* map = object_->maps()[i].get();
                map && (map->as<maps::Ringbuf>() || map->as<maps::PerfEventArray>()))
                outputs_.push_back(i);
        return {};
    }

    const object::ObjectSpec& spec() const override { return object_->spec(); }

    Result<Ran> run(const Step& step, const ProgSpec& spec) override {
        const Prog* prog = object_->find_prog(spec.name);
        SKEP_CHECK(prog);
        set_time(step.time);
        if (object_->timers().armed()) {
            engine::Event event{.task = &task_};
            if (auto fault = object_->timers().run_due(*execution_, event))
                return Ran{.fault = std::move(fault)};
        }
        switch (platform::embedded_hook(spec.type)) {
            case HookKind::Packet: return run_packet(step, *prog);
            case HookKind::Task:
                if (!step.ctx) return run_task(step, *prog);
                break;
            case HookKind::None: break;
        }
        return run_ctx(step, *prog);
    }

    Result<std::optional<Bytes>> lookup(size_t index, ByteView key) override {
        maps::Map& map = *object_->maps()[index];
        Bytes value(map.user_value_size());
        const int error = map.user_lookup(key.data(), value.data());
        if (error == -ENOENT) return std::nullopt;
        if (error != 0) return std::unexpected(sys_error("reading it", -error));
        return value;
    }

    Result<std::vector<Bytes>> keys(size_t index) override {
        maps::Map& map = *object_->maps()[index];
        std::vector<Bytes> keys;
        Bytes next(map.def().key_size);
        const void* from = nullptr;
        for (int error = 0;; from = keys.back().data()) {
            error = map.next_key(from, next.data());
            if (error == -ENOENT) return keys;
            if (error != 0) return std::unexpected(sys_error("iterating over it", -error));
            keys.push_back(next);
        }
    }

    int update(size_t index, ByteView key, ByteView value) override {
        maps::Map* map = object_->maps()[index].get();
        if (!map) return EOPNOTSUPP;
        Bytes all(map->user_value_size());
        const size_t offset =
            is_per_cpu(map->def().type) ? execution_->cpu() * copy_step(map->def().value_size) : 0;
        if (offset + value.size() > all.size()) return EINVAL;
        std::ranges::copy(value, all.begin() + ptrdiff_t(offset));
        return -map->user_update(key.empty() ? nullptr : key.data(), all.data(), 0);
    }

    std::optional<Bytes> pop(size_t index) override {
        maps::Map& map = *object_->maps()[index];
        Bytes value(map.user_value_size());
        if (map.user_lookup_and_delete(nullptr, value.data()) != 0) return std::nullopt;
        return value;
    }

    int set_prog(size_t index, uint32_t slot, size_t number) override {
        maps::Map* map = object_->maps()[index].get();
        const std::string& name = object_->spec().progs[number].name;
        const auto& progs = object_->progs();
        const auto found = std::ranges::find(progs, name, [](const auto& p) { return p->name(); });
        if (!map || found == progs.end()) return ENOENT;
        return -map->as<maps::ProgArray>()->set_prog(slot, *found, uint32_t(number) + 1);
    }

    std::vector<Record> records() override {
        std::vector<Record> records;
        for (const size_t index : outputs_) {
            const auto put = [&](std::span<const uint8_t> bytes) {
                records.push_back({index, Bytes(bytes.begin(), bytes.end())});
                return false;
            };
            maps::Map* map = object_->maps()[index].get();
            if (auto* ring = map->as<maps::Ringbuf>())
                ring->consume(put);
            else
                map->as<maps::PerfEventArray>()->consume(
                    [&](uint32_t, std::span<const uint8_t> bytes) { return put(bytes); });
        }
        return records;
    }

    std::vector<std::string> printk() override { return std::exchange(lines_, {}); }

  private:
    void set_time(const std::optional<Instant>& time) {
        if (time) now_ = time->relative ? now_ + time->ns : time->ns;
    }

    uint32_t random() {
        if (test_.random.empty()) return uint32_t(generator_());
        return uint32_t(test_.random[drawn_++ % test_.random.size()]);
    }

    Result<Ran> run_packet(const Step& step, const Prog& prog) {
        if (!step.packet)
            return std::unexpected(step.at->error(
                fmt::format("program '{}' runs on packets: give it one", printable(prog.name())),
                "packet: hex digits, layers (eth/ipv4/udp(dst=53)), or {pcap: FILE, number: N}"));
        const PacketInput input = SKEP_TRY(read_packet(file_, *step.packet));
        CtxFields ctx;
        if (step.ctx) ctx = SKEP_TRY(read_ctx(prog.spec(), *step.ctx));
        hooks::RunnerOptions options{.task = &task_};
        options.prepare = [&](engine::PacketBuffer& buffer) {
            auto* to = buffer.kind() == engine::PacketBuffer::Kind::Xdp
                           ? reinterpret_cast<uint8_t*>(&buffer.xdp_ctx())
                           : reinterpret_cast<uint8_t*>(&buffer.skb_ctx());
            for (const CtxFields::Field& field : ctx.fields)
                std::copy_n(ctx.bytes.begin() + field.offset, field.size, to + field.offset);
        };
        auto runner = SKEP_TRY(hooks::PacketRunner::create(prog, *execution_, options));
        const hooks::PacketResult& result =
            runner.run({.data = input.bytes,
                        .length = std::max(input.length, uint32_t(input.bytes.size())),
                        .link_type = input.link_type});
        if (!result.ran())
            return std::unexpected(
                step.packet->error(fmt::format("the packet {}", hooks::to_string(result.skipped))));
        Ran ran{.r0 = result.outcome.r0, .fault = result.outcome.fault, .is_packet = true};
        ran.verdict = hooks::verdict_text(prog.kind(), result.verdict, result.size);
        const ByteView original = runner.original();
        ran.given.assign(original.begin(), original.end());
        ran.ctx = context_of(runner.buffer());
        if (!ran.fault) {
            // A socket filter's verdict cuts the packet, which is not the program's doing.
            const Bytes frame = runner.buffer().frame();
            ran.packet.assign(frame.begin(), frame.end());
        }
        if (const auto& redirect = runner.redirect())
            ran.redirect = RedirectSeen{
                redirect->ifindex, redirect->map ? redirect->map->def().name : "", redirect->key};
        return ran;
    }

    static Bytes context_of(const engine::PacketBuffer& buffer) {
        const ByteView bytes = buffer.kind() == engine::PacketBuffer::Kind::Xdp
                                   ? bytes_of(const_cast<engine::PacketBuffer&>(buffer).xdp_ctx())
                                   : bytes_of(buffer.skb_ctx());
        return {bytes.begin(), bytes.end()};
    }

    Result<Ran> run_ctx(const Step& step, const Prog& prog) {
        const Yaml* others[] = {step.packet, step.syscall, step.fork, step.exec, step.exit};
        for (const Yaml* other : others)
            if (other)
                return std::unexpected(
                    other->error(fmt::format("program '{}' of type {} does not run on such events",
                                             printable(prog.name()), to_string(prog.kind().type)),
                                 "give its context: 'ctx'"));
        CtxFields ctx;
        if (step.ctx) ctx = SKEP_TRY(read_ctx(prog.spec(), *step.ctx));
        return run_bytes(prog, ctx.bytes);
    }

    Result<Ran> run_bytes(const Prog& prog, std::span<uint8_t> bytes) {
        engine::Event event{.ctx = bytes.data(),
                            .ctx_size = uint32_t(bytes.size()),
                            .task = &task_,
                            .registers = reinterpret_cast<uint64_t>(&task_.registers)};
        engine::Outcome outcome = prog.run(*execution_, event);
        Ran ran{.r0 = outcome.r0, .fault = std::move(outcome.fault)};
        const platform::ProgKind kind = prog.kind();
        ran.verdict = platform::verdict_name(kind.type, int32_t(ran.r0), kind.attach);
        ran.ctx.assign(bytes.begin(), bytes.end());
        return ran;
    }

    Result<Ran> run_task(const Step& step, const Prog& prog) {
        auto point = hooks::attach_point(prog.spec());
        if (!point) return std::unexpected(Error(point.error()));
        if (!*point)
            return std::unexpected(step.at->error(
                fmt::format("section \"{}\" of program '{}' does not say on what it runs",
                            printable(prog.spec().section), printable(prog.name())),
                "give its context: 'ctx'"));
        const hooks::TaskEvent event = SKEP_TRY(task_event(step, **point));
        return run_bytes(prog, contexts_.make(**point, event, task_));
    }

    Result<hooks::TaskEvent> task_event(const Step& step, const hooks::AttachPoint& point) {
        using When = hooks::AttachPoint::When;
        const std::pair<const Yaml*, bool> given[] = {
            {step.syscall, point.when == When::SysEnter || point.when == When::SysExit},
            {step.fork, point.when == When::Fork},
            {step.exec, point.when == When::Exec},
            {step.exit, point.when == When::TaskExit},
            {step.packet, false}};
        for (const auto& [event, fits] : given)
            if (event && !fits)
                return std::unexpected(
                    event->error("the program does not run on such events: see its section"));
        switch (point.when) {
            case When::SysEnter:
            case When::SysExit: return syscall_event(step, point);
            case When::Fork: return fork_event(step);
            case When::Exec: return exec_event(step);
            case When::TaskExit: break;
        }
        hooks::TaskExit exit{.pid = pid_t(task_.tid()),
                             .prio = 120,
                             .exit_code = 0,
                             .group_dead = true,
                             .comm = task_.comm()};
        if (step.exit) {
            SKEP_TRY(check_keys(*step.exit, {"code", "prio"}));
            SKEP_TRY(number(*step.exit, "code", exit.exit_code));
            SKEP_TRY(number(*step.exit, "prio", exit.prio));
        }
        return exit;
    }

    template <typename T>
    static Result<void> number(const Yaml& node, std::string_view key, T& to) {
        if (const Yaml* value = node.find(key)) to = T(SKEP_TRY(read_number(*value, sizeof(T))));
        return {};
    }

    Result<hooks::TaskEvent> syscall_event(const Step& step, const hooks::AttachPoint& point) {
        int64_t nr = point.syscall.value_or(0);
        int64_t ret = 0;
        std::array<uint64_t, 6> args{};
        if (step.syscall) {
            SKEP_TRY(check_keys(*step.syscall, {"name", "nr", "args", "ret"}));
            SKEP_TRY(number(*step.syscall, "nr", nr));
            SKEP_TRY(number(*step.syscall, "ret", ret));
            if (const Yaml* name = step.syscall->find("name")) {
                const platform::SyscallInfo* call = platform::find_syscall(name->text);
                if (!call)
                    return std::unexpected(
                        name->error(fmt::format("there is no system call {}", name->describe())));
                nr = call->number;
            }
            if (const Yaml* list = step.syscall->find("args")) SKEP_TRY(read_args(*list, args));
        }
        platform::embedded::pt_regs& regs = task_.registers;
        regs = {};
        regs.orig_ax = uint64_t(nr);
        regs.di = args[0], regs.si = args[1], regs.dx = args[2];
        regs.r10 = args[3], regs.r8 = args[4], regs.r9 = args[5];
        if (point.when == hooks::AttachPoint::When::SysEnter)
            return hooks::SysEnter{nr, args, hooks::Abi::Native, &regs};
        regs.ax = uint64_t(ret);
        return hooks::SysExit{nr, ret, hooks::Abi::Native, &regs};
    }

    /// Text goes into the process's memory, and its address is the argument.
    Result<void> read_args(const Yaml& list, std::array<uint64_t, 6>& args) {
        if (!list.is_list() || list.items.size() > args.size())
            return std::unexpected(list.error("a list of at most six arguments should stand here"));
        for (size_t i = 0; i < list.items.size(); i++) {
            const Yaml& item = list.items[i];
            if (item.is_scalar() && item.quoted) {
                Bytes text(item.text.begin(), item.text.end());
                text.push_back(0);
                args[i] = task_.place(text);
            } else {
                args[i] = SKEP_TRY(read_number(item, 8));
            }
        }
        return {};
    }

    Result<hooks::TaskEvent> fork_event(const Step& step) {
        hooks::Fork fork{.parent_pid = pid_t(task_.tid()),
                         .child_pid = pid_t(task_.tid()) + 1,
                         .parent_comm = task_.comm(),
                         .child_comm = task_.comm()};
        if (step.fork) {
            SKEP_TRY(check_keys(*step.fork, {"child_pid"}));
            SKEP_TRY(number(*step.fork, "child_pid", fork.child_pid));
        }
        return fork;
    }

    Result<hooks::TaskEvent> exec_event(const Step& step) {
        hooks::Exec exec{
            .filename = "/bin/test", .pid = pid_t(task_.tid()), .old_pid = pid_t(task_.tid())};
        if (step.exec) {
            SKEP_TRY(check_keys(*step.exec, {"filename", "old_pid"}));
            SKEP_TRY(number(*step.exec, "old_pid", exec.old_pid));
            if (const Yaml* name = step.exec->find("filename")) exec.filename = name->text;
        }
        return exec;
    }

    const TestFile& file_;
    const Test& test_;
    const EmbeddedOptions& options_;
    engine::Env env_;
    MockTask task_;
    Mocks mocks_;
    std::mt19937 generator_;
    size_t drawn_ = 0;
    uint64_t now_ = kStart;
    std::vector<std::string> lines_;
    std::vector<size_t> outputs_;
    hooks::Contexts contexts_;
    std::unique_ptr<engine::Object> object_;
    std::unique_ptr<engine::Execution> execution_;
};

}  // namespace

Result<std::unique_ptr<Session>> load_embedded(const object::ObjectSpec& spec, const TestFile& file,
                                               const Test& test, const EmbeddedOptions& options) {
    auto session = std::make_unique<EmbeddedSession>(file, test, options);
    SKEP_TRY(session->load(spec));
    return session;
}

}  // namespace skep::test
