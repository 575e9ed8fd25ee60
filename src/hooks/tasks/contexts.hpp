// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "engine/task.hpp"
#include "hooks/syscalls/events.hpp"
#include "hooks/tasks/attach.hpp"

namespace skep::hooks {

// Makes the bytes that r1 of a program points to, from an event: tracepoint records as
// platform/tracepoints.def lays them out, arguments of raw tracepoints, registers at a kprobe.
//
//     std::span<uint8_t> ctx = contexts.make(point, event, task);
//
// The bytes are valid until the next call; a program may change what it gets.
class Contexts {
  public:
    std::span<uint8_t> make(const AttachPoint& point, const TaskEvent& event, engine::Task& task);

  private:
    static constexpr size_t kMaxRecord = 4096 + 64;  // a path and what is before it

    std::span<uint8_t> make(const AttachPoint& point, const SysEnter& event, engine::Task& task);
    std::span<uint8_t> make(const AttachPoint& point, const SysExit& event, engine::Task& task);
    std::span<uint8_t> make(const AttachPoint& point, const Fork& event, engine::Task& task);
    std::span<uint8_t> make(const AttachPoint& point, const Exec& event, engine::Task& task);
    std::span<uint8_t> make(const AttachPoint& point, const TaskExit& event, engine::Task& task);

    template <typename T>
    void put(size_t offset, const T& value);
    /// Appends the string and says in `location`, a field of the record, where it lies.
    void put_string(uint32_t& location, std::string_view text);
    /// Starts a record: zeros, but for the field that every one has.
    template <typename Record>
    Record& record(engine::Task& task);
    std::span<uint8_t> raw_args(std::initializer_list<uint64_t> args);
    std::span<uint8_t> wrapper_registers(const Registers* inner, uint64_t result);
    std::span<uint8_t> padded();

    alignas(8) std::array<uint8_t, kMaxRecord> bytes_;
    size_t size_ = 0;
};

}  // namespace skep::hooks
