// SPDX-License-Identifier: Apache-2.0
#include "hooks/tasks/contexts.hpp"

#include <algorithm>
#include <cstring>

#include "base/bytes.hpp"
#include "hooks/syscalls/task.hpp"
#include "platform/embedded_types.h"

namespace skep::hooks {
namespace {

using Form = AttachPoint::Form;
namespace records = platform::embedded;

std::string_view view(const std::array<char, 16>& comm) {
    return {comm.data(), strnlen(comm.data(), comm.size())};
}

uint64_t address_of(const void* pointer) {
    return reinterpret_cast<uint64_t>(pointer);
}

/// Its thread id, where possible without asking what process it belongs to (0.5 us).
int32_t tid_of(engine::Task& task) {
    const auto* live = dynamic_cast<LiveTask*>(&task);
    return live ? live->tid() : static_cast<int32_t>(task.pid_tgid());
}

/// The struct of another task than the event's own; 0 where that is not a live one.
uint64_t other_task(engine::Task& task, pid_t tid) {
    auto* live = dynamic_cast<LiveTask*>(&task);
    return live ? live->task_struct_of(tid) : 0;
}

}  // namespace

std::span<uint8_t> Contexts::make(const AttachPoint& point, const TaskEvent& event,
                                  engine::Task& task) {
    return std::visit([&](const auto& one) { return make(point, one, task); }, event);
}

template <typename T>
void Contexts::put(size_t offset, const T& value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
}

void Contexts::put_string(size_t offset, std::string_view text) {
    text = text.substr(0, bytes_.size() - size_ - 1);
    put(offset, static_cast<uint32_t>(size_ | (text.size() + 1) << 16));
    std::memcpy(bytes_.data() + size_, text.data(), text.size());
    size_ += text.size();
    bytes_[size_++] = 0;
}

// Zeros up to `fixed_size`, and the fields that every record begins with.
std::span<uint8_t> Contexts::record(size_t fixed_size, engine::Task& task) {
    size_ = fixed_size;
    std::memset(bytes_.data(), 0, fixed_size);
    put(offsetof(records::trace_entry, pid), tid_of(task));
    return {bytes_.data(), size_};
}

// Records of perf are padded to 8 bytes.
std::span<uint8_t> Contexts::padded() {
    while (size_ % 8) bytes_[size_++] = 0;
    return {bytes_.data(), size_};
}

std::span<uint8_t> Contexts::raw_args(std::initializer_list<uint64_t> args) {
    size_ = 0;
    for (const uint64_t arg : args) {
        put(size_, arg);
        size_ += sizeof arg;
    }
    return {bytes_.data(), size_};
}

// The kernel calls __x64_sys_NAME(regs): the user's registers are the one argument.
std::span<uint8_t> Contexts::wrapper_registers(const Registers* inner, uint64_t result) {
    Registers registers{};
    registers.di = address_of(inner);
    registers.ax = result;
    put(0, registers);
    size_ = sizeof registers;
    return {bytes_.data(), size_};
}

std::span<uint8_t> Contexts::make(const AttachPoint& point, const SysEnter& event,
                                  engine::Task& task) {
    switch (point.form) {
        case Form::RawArgs:
            return raw_args({address_of(event.registers), static_cast<uint64_t>(event.nr)});
        case Form::WrapperRegs: return wrapper_registers(event.registers, 0);
        case Form::RawSyscallRecord: {
            using Record = records::trace_event_raw_sys_enter;
            const std::span<uint8_t> bytes = record(sizeof(Record), task);
            put(offsetof(Record, id), event.nr);
            put(offsetof(Record, args), event.args);
            return bytes;
        }
        default: {
            using Record = records::syscall_trace_enter;
            const std::span<uint8_t> bytes = record(sizeof(Record), task);
            put(offsetof(Record, nr), static_cast<int32_t>(event.nr));
            put(offsetof(Record, args), event.args);
            return bytes.first(offsetof(Record, args) + sizeof(uint64_t) * point.args);
        }
    }
}

std::span<uint8_t> Contexts::make(const AttachPoint& point, const SysExit& event,
                                  engine::Task& task) {
    switch (point.form) {
        case Form::RawArgs:
            return raw_args({address_of(event.registers), static_cast<uint64_t>(event.ret)});
        case Form::WrapperRegs: return wrapper_registers(nullptr, static_cast<uint64_t>(event.ret));
        case Form::RawSyscallRecord: {
            using Record = records::trace_event_raw_sys_exit;
            const std::span<uint8_t> bytes = record(sizeof(Record), task);
            put(offsetof(Record, id), event.nr);
            put(offsetof(Record, ret), event.ret);
            return bytes;
        }
        default: {
            using Record = records::syscall_trace_exit;
            const std::span<uint8_t> bytes = record(sizeof(Record), task);
            put(offsetof(Record, nr), static_cast<int32_t>(event.nr));
            put(offsetof(Record, ret), event.ret);
            return bytes;
        }
    }
}

std::span<uint8_t> Contexts::make(const AttachPoint& point, const Fork& event, engine::Task& task) {
    if (point.form == Form::RawArgs)
        return raw_args({task.task_struct(), other_task(task, event.child_pid)});
    using Record = records::trace_event_raw_sched_process_fork;
    record(sizeof(Record), task);
    put_string(offsetof(Record, __data_loc_parent_comm), view(event.parent_comm));
    put(offsetof(Record, parent_pid), event.parent_pid);
    put_string(offsetof(Record, __data_loc_child_comm), view(event.child_comm));
    put(offsetof(Record, child_pid), event.child_pid);
    return padded();
}

// The third argument of the raw tracepoint, struct linux_binprm, is not among the embedded types.
std::span<uint8_t> Contexts::make(const AttachPoint& point, const Exec& event, engine::Task& task) {
    if (point.form == Form::RawArgs)
        return raw_args({task.task_struct(), static_cast<uint64_t>(event.old_pid), 0});
    using Record = records::trace_event_raw_sched_process_exec;
    record(sizeof(Record), task);
    put_string(offsetof(Record, __data_loc_filename), event.filename);
    put(offsetof(Record, pid), event.pid);
    put(offsetof(Record, old_pid), event.old_pid);
    return padded();
}

std::span<uint8_t> Contexts::make(const AttachPoint& point, const TaskExit& event,
                                  engine::Task& task) {
    if (point.form == Form::RawArgs)
        return raw_args({task.task_struct(), uint64_t{event.group_dead}});
    using Record = records::trace_event_raw_sched_process_exit;
    record(sizeof(Record), task);
    put(offsetof(Record, comm), event.comm);
    put(offsetof(Record, pid), event.pid);
    put(offsetof(Record, prio), event.prio);
    put(offsetof(Record, group_dead), static_cast<uint8_t>(event.group_dead));
    return padded();
}

}  // namespace skep::hooks
