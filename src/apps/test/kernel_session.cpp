// SPDX-License-Identifier: Apache-2.0
#include "apps/test/kernel_session.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "apps/test/ctx.hpp"
#include "base/kernel_pace.hpp"
#include "base/text.hpp"
#include "hooks/packets/fate.hpp"
#include "kernel/events.hpp"
#include "kernel/map.hpp"
#include "kernel/object.hpp"
#include "packet/link.hpp"
#include "platform/verdicts.hpp"

namespace skep::test {

namespace {

using object::ProgSpec;
using Loaded = std::variant<std::unique_ptr<Session>, Cannot>;

constexpr size_t kEthernetHeader = 14;

/// What BPF_PROG_TEST_RUN gives a program of some type.
enum class Input : uint8_t { None, Packet, Ctx };

// prog_ops.test_run of Linux 6.18: those that a test file has inputs for.
Input input_of(ProgType type) {
    switch (type) {
        case ProgType::Xdp:
        case ProgType::SchedCls:
        case ProgType::SchedAct:
        case ProgType::SocketFilter:
        case ProgType::CgroupSkb:
        case ProgType::LwtIn:
        case ProgType::LwtOut:
        case ProgType::LwtXmit:
        case ProgType::FlowDissector:
        case ProgType::Netfilter: return Input::Packet;
        case ProgType::SkLookup:
        case ProgType::RawTracepoint:
        case ProgType::Syscall: return Input::Ctx;
        default: return Input::None;
    }
}

/// They look at a packet only: none comes back, and their context is not the program's.
bool only_looks(ProgType type) {
    return type == ProgType::FlowDissector || type == ProgType::Netfilter;
}

/// They get packets without the Ethernet header.
bool without_ethernet(ProgType type) {
    return type == ProgType::CgroupSkb || type == ProgType::LwtIn || type == ProgType::LwtOut ||
           type == ProgType::LwtXmit;
}

std::string cannot_step(const Step& step, const ProgSpec& prog) {
    if (input_of(prog.type) == Input::None)
        return fmt::format("BPF_PROG_TEST_RUN does not run programs of type {}",
                           to_string(prog.type));
    if (only_looks(prog.type) && (step.ctx || step.expect.ctx || step.expect.packet))
        return fmt::format("BPF_PROG_TEST_RUN of {} programs has a verdict only",
                           to_string(prog.type));
    if (step.syscall || step.fork || step.exec || step.exit)
        return "system calls and processes cannot be made up in the kernel: only 'ctx' can";
    if (step.time) return "the kernel's clocks cannot be set";
    if (step.expect.fault) return "the kernel has no faults: what it loads, it has verified";
    if (step.expect.redirect) return "BPF_PROG_TEST_RUN does not say where a packet was sent";
    return {};
}

std::string cannot(const object::ObjectSpec& spec, const Test& test) {
    if (!test.mocks.empty()) return "helpers cannot be mocked in the kernel";
    if (test.time) return "the kernel's clocks cannot be set";
    if (test.has_random) return "the kernel's chance cannot be chosen";
    if (test.task) return "the kernel's current process is skep itself";
    for (const object::MapSpec& map : spec.maps)
        if (map.pin_by_name)
            return fmt::format("map '{}' would be pinned, and outlive the test",
                               printable(map.name));
    for (const Step& step : test.steps)
        if (const auto prog = find_prog(spec, step))
            if (std::string reason = cannot_step(step, **prog); !reason.empty()) return reason;
    return {};
}

/// Programs run on the CPU that they are tested from; which one is ours to say.
uint32_t stay_on_cpu() {
    const int cpu = std::max(sched_getcpu(), 0);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(size_t(cpu), &set);
    sched_setaffinity(0, sizeof(set), &set);
    return uint32_t(cpu);
}

/// What programs send off must reach nobody: a network namespace of the process's own, once.
Result<void> leave_network() {
    static const int error = unshare(CLONE_NEWNET) == 0 ? 0 : errno;
    if (error == 0) return {};
    Error why = sys_error("a network namespace of its own", error);
    why.code = ErrorCode::Unsupported;
    return std::unexpected(std::move(why).with_hint("run as root"));
}

class KernelSession final : public Session {
  public:
    KernelSession(const TestFile& file, const object::ObjectSpec& spec, kernel::Object object)
        : file_(file), spec_(spec), object_(std::move(object)), cpu_(stay_on_cpu()) {}

    Result<void> open(const Test& test) {
        for (size_t i = 0; i < spec_.maps.size(); i++) {
            auto map = object_.map(spec_.maps[i].name);
            maps_.push_back(map ? std::optional(std::move(*map)) : std::nullopt);
            if (maps_.back()) SKEP_TRY(listen(i));
        }
        const auto wants_printk = [](const Step& step) { return step.expect.printk != nullptr; };
        if (test.expect.printk || std::ranges::any_of(test.steps, wants_printk))
            printk_.emplace(SKEP_TRY(kernel::Printk::open([this](const kernel::PrintkLine& line) {
                if (line.pid == uint32_t(gettid())) lines_.push_back(line.text);
            })));
        return {};
    }

    const object::ObjectSpec& spec() const override { return spec_; }

    Result<Ran> run(const Step& step, const ProgSpec& spec) override {
        const kernel::Prog prog = SKEP_TRY(object_.prog(spec.name));
        return input_of(spec.type) == Input::Packet ? run_packet(step, spec, prog)
                                                    : run_ctx(step, spec, prog);
    }

    Result<std::optional<Bytes>> lookup(size_t index, ByteView key) override {
        if (!maps_[index]) return std::nullopt;
        return maps_[index]->lookup(key);
    }

    Result<std::vector<Bytes>> keys(size_t index) override {
        std::vector<Bytes> keys;
        if (!maps_[index]) return keys;
        std::optional<ByteView> from;
        for (;;) {
            auto next = SKEP_TRY(maps_[index]->next_key(from));
            if (!next) return keys;
            keys.push_back(std::move(*next));
            from = keys.back();
        }
    }

    int update(size_t index, ByteView key, ByteView value) override {
        if (!maps_[index]) return EOPNOTSUPP;
        const kernel::Map& map = *maps_[index];
        Bytes all(map.user_value_size());
        const size_t offset =
            is_per_cpu(spec_.maps[index].type) ? cpu_ * copy_step(map.info().value_size) : 0;
        if (offset + value.size() > all.size()) return EINVAL;
        std::ranges::copy(value, all.begin() + ptrdiff_t(offset));
        const auto done = map.update(key, all);
        return done ? 0 : std::max(done.error().sys_errno, 1);
    }

    std::optional<Bytes> pop(size_t index) override {
        if (!maps_[index]) return std::nullopt;
        return maps_[index]->lookup_and_delete({}).value_or(std::nullopt);
    }

    int set_prog(size_t index, uint32_t slot, size_t number) override {
        const auto prog = object_.prog(spec_.progs[number].name);
        if (!prog || !maps_[index]) return ENOENT;
        const auto done = maps_[index]->update_fd(bytes_of(slot), prog->fd());
        return done ? 0 : std::max(done.error().sys_errno, 1);
    }

    std::vector<Record> records() override {
        for (kernel::RingBuffer& ring : rings_) (void)ring.consume();
        for (kernel::PerfBuffer& perf : perfs_) (void)perf.consume();
        return std::exchange(records_, {});
    }

    std::vector<std::string> printk() override {
        if (printk_) (void)printk_->consume();
        return std::exchange(lines_, {});
    }

  private:
    Result<void> listen(size_t index) {
        const auto take = [this, index](ByteView bytes) {
            records_.push_back({index, Bytes(bytes.begin(), bytes.end())});
        };
        const kernel::Map& map = *maps_[index];
        if (spec_.maps[index].type == MapType::Ringbuf)
            rings_.push_back(SKEP_TRY(kernel::RingBuffer::open(map, take)));
        if (spec_.maps[index].type == MapType::PerfEventArray)
            perfs_.push_back(SKEP_TRY(
                kernel::PerfBuffer::open(map, [take](ByteView bytes, uint32_t) { take(bytes); })));
        return {};
    }

    static Result<Bytes> ethernet(const PacketInput& input, const Yaml& at) {
        const auto view = packet::ethernet_view(input.link_type, input.bytes);
        if (!view) return std::unexpected(at.error("this cannot be shown as an Ethernet frame"));
        Bytes frame;
        append(frame, view->head());
        append(frame, view->rest);
        if (frame.size() < kEthernetHeader)
            return std::unexpected(at.error("the packet is too short for its link-layer header"));
        return frame;
    }

    Result<Ran> run_packet(const Step& step, const ProgSpec& spec, const kernel::Prog& prog) {
        if (!step.packet)
            return std::unexpected(step.at->error(
                fmt::format("program '{}' runs on packets: give it one", printable(spec.name))));
        const PacketInput input = SKEP_TRY(read_packet(file_, *step.packet));
        Bytes frame = SKEP_TRY(ethernet(input, *step.packet));
        Ran ran{.is_packet = true, .given = frame};
        // A test run shows such filters what is behind the Ethernet header, a packet socket all of
        // the frame: so the frame goes behind one more header.
        if (spec.type == ProgType::SocketFilter)
            frame.insert(frame.begin(), ran.given.begin(), ran.given.begin() + kEthernetHeader);
        kernel::TestRun test{.data = frame, .data_room = 65536};
        CtxFields ctx;
        if (step.ctx || step.expect.ctx) {
            if (step.ctx) ctx = SKEP_TRY(read_ctx(spec, *step.ctx));
            ctx.bytes.resize(spec.type == ProgType::Xdp ? sizeof(xdp_md) : sizeof(__sk_buff));
            // The kernel wants to be told where the packet ends.
            if (spec.type == ProgType::Xdp)
                reinterpret_cast<xdp_md*>(ctx.bytes.data())->data_end = uint32_t(frame.size());
            test.ctx = ctx.bytes;
        }
        const kernel::TestRunResult result = SKEP_TRY(prog.test_run(test));
        ran.r0 = result.retval;
        const size_t hidden = without_ethernet(spec.type) ? kEthernetHeader : 0;
        ran.verdict =
            hooks::verdict_text({spec.type, spec.attach_type, spec.attach_target},
                                int32_t(result.retval), uint32_t(ran.given.size() - hidden));
        if (only_looks(spec.type)) return ran;
        ran.packet = result.data;
        // What comes back begins with a header of zeros (bpf_prog_test_run_skb()).
        if (without_ethernet(spec.type) && ran.packet.size() >= kEthernetHeader)
            std::copy_n(ran.given.begin(), kEthernetHeader, ran.packet.begin());
        if (spec.type == ProgType::SocketFilter && ran.packet.size() >= kEthernetHeader)
            ran.packet.erase(ran.packet.begin(), ran.packet.begin() + kEthernetHeader);
        ran.ctx = result.ctx;
        return ran;
    }

    Result<Ran> run_ctx(const Step& step, const ProgSpec& spec, const kernel::Prog& prog) {
        if (step.packet)
            return std::unexpected(step.packet->error(
                fmt::format("program '{}' does not run on packets", printable(spec.name))));
        CtxFields ctx;
        if (step.ctx) ctx = SKEP_TRY(read_ctx(spec, *step.ctx));
        if (spec.type == ProgType::SkLookup) ctx.bytes.resize(sizeof(bpf_sk_lookup));
        const kernel::TestRunResult result = SKEP_TRY(prog.test_run({.ctx = ctx.bytes}));
        return Ran{
            .r0 = result.retval,
            .verdict = platform::verdict_name(spec.type, int32_t(result.retval), spec.attach_type),
            .ctx = result.ctx};
    }

    const TestFile& file_;
    object::ObjectSpec spec_;
    kernel::Object object_;
    uint32_t cpu_;
    std::vector<std::optional<kernel::Map>> maps_;
    std::vector<kernel::RingBuffer> rings_;
    std::vector<kernel::PerfBuffer> perfs_;
    std::optional<kernel::Printk> printk_;
    std::vector<Record> records_;
    std::vector<std::string> lines_;
};

}  // namespace

Result<Loaded> load_kernel(ByteView elf, const object::ObjectSpec& spec, const TestFile& file,
                           const Test& test) {
    if (std::string reason = cannot(spec, test); !reason.empty())
        return Loaded(Cannot{std::move(reason)});
    SKEP_TRY(leave_network());
    pace_program_loads();
    const std::vector<std::string> progs = progs_of(spec, test);
    kernel::Object object = SKEP_TRY(kernel::Object::open(elf, file.object, {.progs = progs}));
    for (const object::MapSpec& map : spec.maps)
        if (!test.globals.empty() && !map.initial_value.empty() &&
            (map.origin == object::MapSpec::Origin::Data ||
             map.origin == object::MapSpec::Origin::Rodata ||
             map.origin == object::MapSpec::Origin::Bss))
            SKEP_TRY(object.set_initial_value(map.name, map.initial_value));
    SKEP_TRY(object.load());
    auto session = std::make_unique<KernelSession>(file, spec, std::move(object));
    SKEP_TRY(session->open(test));
    return Loaded(std::move(session));
}

}  // namespace skep::test
