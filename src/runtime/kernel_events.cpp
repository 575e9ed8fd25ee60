// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel_events.hpp"

#include <poll.h>

#include <algorithm>
#include <optional>

#include "kernel/events.hpp"

namespace skep::runtime {

namespace {

class KernelEvents final : public EventsBackend {
  public:
    explicit KernelEvents(RecordSink sink) : sink_(std::move(sink)) {}

    Result<void> add(const std::string& name, const kernel::Map& map) {
        const auto from = [this, name](ByteView bytes, uint32_t cpu) {
            records_++;
            sink_({name, bytes, cpu});
        };
        const auto hand_over = [from](ByteView bytes) { from(bytes, 0); };
        if (map.info().type == MapType::Ringbuf) {
            if (ring_) return ring_->add(map, hand_over);
            ring_ = SKEP_TRY(kernel::RingBuffer::open(map, hand_over));
        } else if (map.info().type == MapType::PerfEventArray) {
            perf_.push_back(SKEP_TRY(kernel::PerfBuffer::open(map, from)));
        }
        return {};
    }

    Result<void> add_lost(const LostVariable& variable) {
        lost_.push_back({
            SKEP_TRY(variable.map->map().dup())
            , variable.offset
        });
        return {};
    }

    Result<void> add_printk(const PrintkSink& printk) {
        printk_.emplace(SKEP_TRY(
            kernel::Printk::open([printk](const kernel::PrintkLine& line) { printk(line.text); })));
        return {};
    }

    Result<size_t> poll(std::chrono::milliseconds timeout) override {
        if (const size_t count = SKEP_TRY(consume()); count != 0 || timeout.count() == 0)
            return count;
        std::vector<pollfd> ready;
        if (ring_) ready.push_back({ring_->fd(), POLLIN, 0});
        for (const kernel::PerfBuffer& perf : perf_) ready.push_back({perf.fd(), POLLIN, 0});
        if (printk_) ready.push_back({printk_->fd(), POLLIN, 0});
        ::poll(ready.data(), ready.size(),
               static_cast<int>(std::min<int64_t>(timeout.count(), INT32_MAX)));
        return consume();
    }

    uint64_t lost() const override {
        uint64_t lost = 0;
        for (const kernel::PerfBuffer& perf : perf_) lost += perf.lost();
        for (const Counter& counter : lost_) {
            const auto value = counter.map.lookup(bytes_of(uint32_t{0}));
            if (value && *value) lost += load<uint64_t>(**value, counter.offset).value_or(0);
        }
        return lost;
    }

  private:
    Result<size_t> consume() {
        const size_t before = records_;
        if (ring_) SKEP_TRY(ring_->consume());
        for (kernel::PerfBuffer& perf : perf_) SKEP_TRY(perf.consume());
        if (printk_) SKEP_TRY(printk_->consume());
        return records_ - before;
    }

    struct Counter {
        kernel::Map map;
        uint32_t offset;
    };

    RecordSink sink_;
    size_t records_ = 0;
    std::optional<kernel::RingBuffer> ring_;
    std::vector<kernel::PerfBuffer> perf_;
    std::optional<kernel::Printk> printk_;
    std::vector<Counter> lost_;
};

}  // namespace

Result<std::unique_ptr<EventsBackend>> open_kernel_events(
    const std::vector<std::pair<std::string, const KernelMap*>>& maps,
    const std::vector<LostVariable>& lost, RecordSink sink, PrintkSink printk) {
    auto events = std::make_unique<KernelEvents>(std::move(sink));
    for (const auto& [name, map] : maps) SKEP_TRY(events->add(name, map->map()));
    for (const LostVariable& variable : lost) SKEP_TRY(events->add_lost(variable));
    if (printk) SKEP_TRY(events->add_printk(printk));
    return events;
}

bool prints(const object::ObjectSpec& spec) {
    constexpr uint8_t kCall = 0x85;
    constexpr int32_t kTracePrintk = 6, kTraceVprintk = 177;
    for (const object::ProgSpec& prog : spec.progs)
        for (const isa::Insn& insn : prog.insns)
            if (insn.opcode == kCall && insn.src == 0 &&
                (insn.imm == kTracePrintk || insn.imm == kTraceVprintk))
                return true;
    return false;
}

}  // namespace skep::runtime
