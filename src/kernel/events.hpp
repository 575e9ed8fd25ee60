// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/result.hpp"
#include "kernel/map.hpp"

struct ring_buffer;
struct perf_buffer;

// What programs send to user space: records of ring buffers and perf buffers, and the lines of
// bpf_printk(). Each has a descriptor to wait on (fd()), poll() that waits and hands over what
// there is, and consume() that does not wait.
//
//     auto events = SKEP_TRY(RingBuffer::open(map, [&](ByteView record) { print(record); }));
//     while (!stop) SKEP_TRY(events.poll(100));
//
// Callbacks run on the polling thread. One of these objects belongs to one thread at a time.

namespace skep::kernel {

using OnRecord = std::function<void(ByteView record)>;

/// A ring buffer counts no losses itself: a program whose reservation fails knows, nobody else.
class RingBuffer {
  public:
    static Result<RingBuffer> open(const Map& map, OnRecord on_record);
    /// Records of several maps, in the order of the maps.
    Result<void> add(const Map& map, OnRecord on_record);

    /// Waits up to so many milliseconds (-1: until something comes). Returns how many records.
    Result<uint64_t> poll(int milliseconds);
    Result<uint64_t> consume();
    int fd() const;

  private:
    RingBuffer() = default;
    struct Free {
        void operator()(ring_buffer* ring) const;
    };
    std::vector<std::unique_ptr<OnRecord>> callbacks_;
    std::unique_ptr<ring_buffer, Free> ring_;
};

class PerfBuffer {
  public:
    using OnSample = std::function<void(ByteView record, uint32_t cpu)>;
    /// `pages`: of each CPU's buffer, a power of two.
    static Result<PerfBuffer> open(const Map& map, OnSample on_sample, uint32_t pages = 64);

    Result<uint64_t> poll(int milliseconds);
    Result<uint64_t> consume();
    int fd() const;
    /// Records that found no room, since open().
    uint64_t lost() const { return state_->lost; }

  private:
    PerfBuffer() = default;
    struct State {
        OnSample on_sample;
        uint64_t seen = 0;
        uint64_t lost = 0;
    };
    struct Free {
        void operator()(perf_buffer* buffer) const;
    };
    std::unique_ptr<State> state_;
    std::unique_ptr<perf_buffer, Free> buffer_;
};

/// One line of bpf_printk().
struct PrintkLine {
    std::string comm;  ///< of the task that the program ran in
    uint32_t pid = 0;  ///< its thread
    uint32_t cpu = 0;
    double seconds = 0;  ///< since boot
    std::string text;
};

/// bpf_printk() of the whole machine: the kernel does not say whose program a line is from. Lines
/// are read from a trace instance of our own ("skep-PID"), so that they are taken from nobody, and
/// nobody takes them from us. A killed process leaves its instance behind, which the next open()
/// removes. Where no instance can be made, the common trace_pipe is read, and shared.
class Printk {
  public:
    using OnLine = std::function<void(const PrintkLine& line)>;
    static Result<Printk> open(OnLine on_line);
    Printk(Printk&&) = default;
    Printk& operator=(Printk&&) = delete;
    ~Printk();

    Result<uint64_t> poll(int milliseconds);
    Result<uint64_t> consume();
    int fd() const { return pipe_.get(); }
    /// Lines that were overwritten before they were read, as far as the kernel tells.
    uint64_t lost() const { return lost_; }

  private:
    Printk() = default;
    uint64_t take_lines();

    OnLine on_line_;
    std::string instance_;  ///< in tracefs; empty: the common one
    UniqueFd pipe_;
    std::string rest_;  ///< a line that is not whole yet
    uint64_t lost_ = 0;
};

/// A line of trace_pipe; nothing where it is not bpf_printk()'s.
std::optional<PrintkLine> parse_printk(std::string_view line);

}  // namespace skep::kernel
