// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <atomic>
#include <mutex>

#include "base/text.hpp"
#include "engine/timers.hpp"
#include "hooks/packets/packet_run.hpp"
#include "hooks/tasks/runner.hpp"
#include "platform/embedded.hpp"
#include "runtime/embedded_program.hpp"
#include "runtime/embedded_runtime.hpp"
#include "skep/source.hpp"

namespace skep::runtime {

namespace {

using ProgramPtr = std::shared_ptr<EmbeddedProgram>;

// A program on a source. Its link publishes another under the mutex; the thread that runs the
// source takes it between two events, and lets the old one go then.
class Attachment {
  public:
    explicit Attachment(ProgramPtr prog) : next_(std::move(prog)) {}

    void set(ProgramPtr prog) {
        const std::lock_guard lock(mutex_);
        next_ = std::move(prog);
        changes_.fetch_add(1, std::memory_order_release);
    }
    /// For the source's thread: whether current() is another one from now on.
    bool refresh() {
        if (changes_.load(std::memory_order_acquire) == seen_) return false;
        const std::lock_guard lock(mutex_);
        seen_ = changes_.load(std::memory_order_relaxed);
        current_ = next_;
        return true;
    }
    const ProgramPtr& current() const { return current_; }  ///< null: detached
    ProgramPtr latest() {
        const std::lock_guard lock(mutex_);
        return next_;
    }

  private:
    std::mutex mutex_;
    ProgramPtr next_;
    std::atomic<uint64_t> changes_ = 1;
    uint64_t seen_ = 0;
    ProgramPtr current_;
};

class SourceLink final : public LinkBackend {
  public:
    SourceLink(std::shared_ptr<Attachment> attachment, ProgType type, std::string where)
        : attachment_(std::move(attachment)), type_(type), where_(std::move(where)) {}
    ~SourceLink() override { (void)detach(); }

    Result<void> update(const std::shared_ptr<ProgramBackend>& prog) override {
        auto embedded = std::dynamic_pointer_cast<EmbeddedProgram>(prog);
        if (!embedded || embedded->spec().type != type_)
            return fail(ErrorCode::Usage, "{}: program '{}' is not of type {} of this process",
                        where_, printable(prog->spec().name), to_string(type_));
        if (!attachment_->latest())
            return std::unexpected(sys_error(where_ + ": detached", ENOLINK));
        attachment_->set(std::move(embedded));
        return {};
    }
    Result<void> detach() override {
        attachment_->set(nullptr);
        return {};
    }
    Result<void> pin(const std::string&) override {
        return unsupported("{}: it is a part of this process, and ends with it", where_);
    }
    Result<void> unpin() override { return std::unexpected(sys_error(where_, ENOENT)); }
    bool attached() const override { return attachment_->latest() != nullptr; }
    std::string describe() const override { return where_; }
    uint32_t id() const override { return 0; }

  private:
    std::shared_ptr<Attachment> attachment_;
    ProgType type_;
    std::string where_;
};

Result<ProgramPtr> embedded(const std::shared_ptr<ProgramBackend>& prog, platform::HookKind hook,
                            std::string_view where) {
    auto program = std::dynamic_pointer_cast<EmbeddedProgram>(prog);
    if (!program)
        return fail(ErrorCode::Usage, "program '{}' is in the kernel, and {} in this process",
                    printable(prog->spec().name), where);
    if (platform::embedded_hook(prog->spec().type) != hook)
        return fail(ErrorCode::Usage, "program '{}' of type {} does not run on {}",
                    printable(prog->spec().name), to_string(prog->spec().type), where);
    return program;
}

class PacketEvents final : public SourceBackend {
  public:
    PacketEvents(std::shared_ptr<EmbeddedState> state, std::string path, std::string interface,
                 std::string write)
        : state_(std::move(state)),
          path_(std::move(path)),
          interface_(std::move(interface)),
          write_(std::move(write)),
          where_(interface_.empty() ? printable(path_)
                                    : "a copy of interface " + printable(interface_)) {}

    Result<std::unique_ptr<LinkBackend>> attach(
        const std::shared_ptr<ProgramBackend>& prog) override {
        auto program = SKEP_TRY(embedded(prog, platform::HookKind::Packet, where_));
        if (attachment_ && attachment_->latest())
            return std::unexpected(Error{ErrorCode::Failed,
                                         fmt::format("{} has a program already", where_),
                                         "replace it: Link::update()", EBUSY});
        attachment_ = std::make_shared<Attachment>(std::move(program));
        return std::make_unique<SourceLink>(attachment_, prog->spec().type, where_);
    }

    Result<void> run(Events* events, uint64_t count) override {
        report_ = {};
        if (!attachment_ || !attachment_->refresh() || !attachment_->current())
            return fail(ErrorCode::Usage, "{}: no program is attached", where_);
        running_ = attachment_->current();
        const auto lease = SKEP_TRY(state_->pool.borrow());
        execution_ = &lease.execution();
        auto runner = SKEP_TRY(
            hooks::PacketRunner::create(*running_->prog(), *execution_, {.task = &lease.task()}));
        hooks::PacketStats stats;
        Result<void> polled;
        const auto sink = [&](const hooks::PacketEvent& event) {
            if (event.result.ran())
                running_->counters().add(execution_->cpu(), 1, event.result.ns,
                                         event.result.outcome.fault ? 1 : 0);
            if (events && polled)
                if (auto done = events->poll(std::chrono::milliseconds(0)); !done)
                    polled = std::unexpected(done.error());
            if (!polled) stop_ = true;
        };
        const hooks::RunOptions options{.count = count,
                                        .write = write_,
                                        .clock = path_.empty() ? nullptr : &clock_,
                                        .timers = [&] { return before(runner, lease.task()); },
                                        .stop = &stop_};
        if (!path_.empty()) state_->replay = &clock_;
        const Result<void> done = raise(runner, options, sink, stats);
        state_->replay = nullptr;
        fill(stats);
        return polled ? done : polled;
    }
    void stop() override { stop_ = true; }
    const SourceReport& report() const override { return report_; }

  private:
    Result<void> raise(hooks::PacketRunner& runner, const hooks::RunOptions& options,
                       const hooks::PacketSink& sink, hooks::PacketStats& stats) {
        if (!interface_.empty())
            return run_live(runner, {.interface = interface_}, options, sink, stats);
        auto reader = SKEP_TRY(packet::CaptureReader::open(path_));
        return run_capture(runner, reader, options, sink, stats);
    }

    /// Between two packets. Nanoseconds until the next timer, where there is one.
    std::optional<uint64_t> before(hooks::PacketRunner& runner, engine::Task& task) {
        if (attachment_->refresh()) {
            if (!attachment_->current()) {
                stop_ = true;  // detached: this packet is the last
                return std::nullopt;
            }
            running_ = attachment_->current();
            runner.set_prog(*running_->prog());
        }
        engine::Timers& timers = running_->object()->object->timers();
        if (!timers.armed()) return std::nullopt;
        engine::Event event{.task = &task};
        if (const auto fault = timers.run_due(*execution_, event)) note(*fault);
        return timers.next_due();
    }

    void note(const engine::Fault& fault) {
        if (report_.faults++ == 0) report_.first_fault = fault.to_string();
    }

    void fill(const hooks::PacketStats& stats) {
        report_.events = stats.events;
        report_.verdicts = stats.verdicts;
        if (stats.first_fault && report_.first_fault.empty())
            report_.first_fault = stats.first_fault->to_string();
        report_.faults += stats.faults;
        report_.lost = stats.lost;
    }

    std::shared_ptr<EmbeddedState> state_;
    std::string path_, interface_, write_, where_;
    std::shared_ptr<Attachment> attachment_;
    ProgramPtr running_;  ///< what the next packet meets; the last one, once it is detached
    engine::Execution* execution_ = nullptr;
    hooks::ReplayClock clock_;
    std::atomic<bool> stop_ = false;
    SourceReport report_;
};

class CommandEvents final : public SourceBackend {
  public:
    CommandEvents(std::shared_ptr<EmbeddedState> state, std::vector<std::string> argv)
        : state_(std::move(state)),
          argv_(std::move(argv)),
          where_("command " + printable(argv_.front())) {}

    Result<std::unique_ptr<LinkBackend>> attach(
        const std::shared_ptr<ProgramBackend>& prog) override {
        auto program = SKEP_TRY(embedded(prog, platform::HookKind::Task, where_));
        SKEP_TRY(hooks::attach_point(prog->spec()));
        attachments_.push_back(std::make_shared<Attachment>(std::move(program)));
        return std::make_unique<SourceLink>(attachments_.back(), prog->spec().type, where_);
    }

    Result<void> run(Events* events, uint64_t count) override {
        if (count != 0) return fail(ErrorCode::Usage, "{}: only packets are counted", where_);
        report_ = {};
        std::vector<const engine::Prog*> progs;
        std::erase_if(attachments_, [](const auto& one) { return !one->latest(); });
        for (const auto& one : attachments_) {
            one->refresh();
            progs.push_back(one->current()->prog().get());
        }
        if (progs.empty()) return fail(ErrorCode::Usage, "{}: no program is attached", where_);
        const auto lease = SKEP_TRY(state_->pool.borrow());
        auto runner = SKEP_TRY(hooks::TaskRunner::create(
            progs, state_->env, {.argv = argv_, .execution = &lease.execution()}));
        {
            const std::lock_guard lock(mutex_);
            runner_ = runner.get();
        }
        Result<void> polled;
        const auto outcome = runner->run({.fault =
                                              [&](const engine::Fault& fault) {
                                                  if (report_.faults++ == 0)
                                                      report_.first_fault = fault.to_string();
                                              },
                                          .before = [&] { before(*runner, events, polled); },
                                          .keep_records = true});
        {
            const std::lock_guard lock(mutex_);
            runner_ = nullptr;
        }
        fill(runner->statistics());
        if (!outcome) return std::unexpected(outcome.error());
        if (events && polled) SKEP_TRY(events->poll(std::chrono::milliseconds(0)));
        report_.exit_code = outcome->exit_code();
        if (outcome->exec_errno)
            return std::unexpected(sys_error(printable(argv_.front()), outcome->exec_errno));
        return polled;
    }
    void stop() override {
        const std::lock_guard lock(mutex_);
        if (runner_) runner_->stop();
    }
    const SourceReport& report() const override { return report_; }

  private:
    void before(hooks::TaskRunner& runner, Events* events, Result<void>& polled) {
        for (size_t i = 0; i < attachments_.size(); i++)
            if (attachments_[i]->refresh()) {
                const ProgramPtr& prog = attachments_[i]->current();
                runner.set_prog(i, prog ? prog->prog().get() : nullptr);
            }
        if (!events || !polled) return;
        if (auto done = events->poll(std::chrono::milliseconds(0)); !done)
            polled = std::unexpected(done.error());
    }

    void fill(const hooks::TaskStatistics& statistics) {
        report_.events = statistics.events;
        for (size_t i = 0; i < statistics.progs.size(); i++) {
            const hooks::ProgStatistics& prog = statistics.progs[i];
            for (const auto& [value, count] : prog.returned)
                report_.verdicts[fmt::to_string(static_cast<int64_t>(value))] += count;
            if (attachments_[i]->current())
                attachments_[i]->current()->counters().add(0, prog.runs, 0, prog.fault ? 1 : 0);
        }
    }

    std::shared_ptr<EmbeddedState> state_;
    std::vector<std::string> argv_;
    std::string where_;
    std::vector<std::shared_ptr<Attachment>> attachments_;
    std::mutex mutex_;  ///< of runner_
    hooks::TaskRunner* runner_ = nullptr;
    SourceReport report_;
};

Result<std::shared_ptr<EmbeddedState>> state_of(const Runtime& runtime) {
    if (auto embedded = std::dynamic_pointer_cast<EmbeddedRuntime>(runtime.backend()))
        return embedded->state();
    return std::unexpected(Error{ErrorCode::Usage, "sources raise events in this process only",
                                 "in the kernel, programs attach to its hooks: AttachOptions", 0});
}

}  // namespace

}  // namespace skep::runtime

namespace skep {

Source::Source(std::unique_ptr<runtime::SourceBackend> backend) : backend_(std::move(backend)) {}
Source::Source(Source&&) noexcept = default;
Source& Source::operator=(Source&&) noexcept = default;
Source::~Source() = default;

Result<Source> Source::capture(const Runtime& runtime, std::string path, std::string write) {
    return Source(std::make_unique<runtime::PacketEvents>(
        SKEP_TRY(runtime::state_of(runtime)), std::move(path), std::string(), std::move(write)));
}

Result<Source> Source::interface(const Runtime& runtime, std::string name) {
    return Source(std::make_unique<runtime::PacketEvents>(
        SKEP_TRY(runtime::state_of(runtime)), std::string(), std::move(name), std::string()));
}

Result<Source> Source::command(const Runtime& runtime, std::vector<std::string> argv) {
    if (argv.empty()) return fail(ErrorCode::Usage, "there is no command to run");
    return Source(std::make_unique<runtime::CommandEvents>(SKEP_TRY(runtime::state_of(runtime)),
                                                           std::move(argv)));
}

Result<void> Source::run(Events* events, uint64_t count) {
    return backend_->run(events, count);
}
void Source::stop() {
    backend_->stop();
}
const SourceReport& Source::report() const {
    return backend_->report();
}

}  // namespace skep
