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

void Contexts::put_string(uint32_t& location, std::string_view text) {
    text = text.substr(0, bytes_.size() - size_ - 1);
    location = static_cast<uint32_t>(size_ | (text.size() + 1) << 16);
    std::memcpy(bytes_.data() + size_, text.data(), text.size());
    size_ += text.size();
    bytes_[size_++] = 0;
}

template <typename Record>
Record& Contexts::record(engine::Task& task) {
    size_ = sizeof(Record);
    std::memset(bytes_.data(), 0, size_);
    auto& record = *reinterpret_cast<Record*>(bytes_.data());
    record.ent.pid = tid_of(task);
    return record;
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
            auto& fields = record<records::trace_event_raw_sys_enter>(task);
            fields.id = event.nr;
            std::ranges::copy(event.args, fields.args);
            return {bytes_.data(), size_};
        }
        default: {
            auto& fields = record<records::syscall_trace_enter>(task);
            fields.nr = static_cast<int32_t>(event.nr);
            std::ranges::copy(event.args, fields.args);
            return {bytes_.data(),
                    offsetof(records::syscall_trace_enter, args) + sizeof(uint64_t) * point.args};
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
            auto& fields = record<records::trace_event_raw_sys_exit>(task);
            fields.id = event.nr;
            fields.ret = event.ret;
            return {bytes_.data(), size_};
        }
        default: {
            auto& fields = record<records::syscall_trace_exit>(task);
            fields.nr = static_cast<int32_t>(event.nr);
            fields.ret = event.ret;
            return {bytes_.data(), size_};
        }
    }
}

std::span<uint8_t> Contexts::make(const AttachPoint& point, const Fork& event, engine::Task& task) {
    if (point.form == Form::RawArgs)
        return raw_args({task.task_struct(), other_task(task, event.child_pid)});
    auto& fields = record<records::trace_event_raw_sched_process_fork>(task);
    put_string(fields.__data_loc_parent_comm, view(event.parent_comm));
    fields.parent_pid = event.parent_pid;
    put_string(fields.__data_loc_child_comm, view(event.child_comm));
    fields.child_pid = event.child_pid;
    return padded();
}

// The third argument of the raw tracepoint, struct linux_binprm, is not among the embedded types.
std::span<uint8_t> Contexts::make(const AttachPoint& point, const Exec& event, engine::Task& task) {
    if (point.form == Form::RawArgs)
        return raw_args({task.task_struct(), static_cast<uint64_t>(event.old_pid), 0});
    auto& fields = record<records::trace_event_raw_sched_process_exec>(task);
    put_string(fields.__data_loc_filename, event.filename);
    fields.pid = event.pid;
    fields.old_pid = event.old_pid;
    return padded();
}

std::span<uint8_t> Contexts::make(const AttachPoint& point, const TaskExit& event,
                                  engine::Task& task) {
    if (point.form == Form::RawArgs)
        return raw_args({task.task_struct(), uint64_t{event.group_dead}});
    auto& fields = record<records::trace_event_raw_sched_process_exit>(task);
    std::ranges::copy(event.comm, fields.comm);
    fields.pid = event.pid;
    fields.prio = event.prio;
    fields.group_dead = event.group_dead;
    return padded();
}

}  // namespace skep::hooks
