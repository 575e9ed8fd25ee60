// SPDX-License-Identifier: Apache-2.0
#include "hooks/tasks/attach.hpp"

#include <gmock/gmock.h>
#include <sys/syscall.h>

#include "object/section_names.hpp"

namespace skep::hooks {
namespace {

using ::testing::HasSubstr;
using When = AttachPoint::When;
using Form = AttachPoint::Form;

object::ProgSpec prog_of(std::string_view section) {
    const object::SectionMeaning meaning = object::interpret_section(section);
    return {.name = "prog",
            .section = std::string(section),
            .type = meaning.type,
            .attach_type = meaning.attach_type,
            .attach_target = std::string(meaning.attach_target)};
}

AttachPoint point_of(std::string_view section) {
    const auto point = attach_point(prog_of(section));
    EXPECT_TRUE(point) << section << (point ? "" : point.error().to_string());
    EXPECT_TRUE(!point || *point) << section;
    return point ? point->value_or(AttachPoint{}) : AttachPoint{};
}

Error error_of(std::string_view section) {
    const auto point = attach_point(prog_of(section));
    EXPECT_FALSE(point) << section;
    return point ? Error{} : point.error();
}

TEST(AttachPoint, SystemCalls) {
    EXPECT_EQ(point_of("tracepoint/syscalls/sys_enter_openat"),
              (AttachPoint{When::SysEnter, Form::SyscallRecord, SYS_openat, 4}));
    EXPECT_EQ(point_of("?tp/syscalls/sys_exit_newfstat"),
              (AttachPoint{When::SysExit, Form::SyscallRecord, SYS_fstat, 2}));
    EXPECT_EQ(point_of("tp/raw_syscalls/sys_enter"),
              (AttachPoint{When::SysEnter, Form::RawSyscallRecord}));
    EXPECT_EQ(point_of("raw_tp/sys_enter"), (AttachPoint{When::SysEnter, Form::RawArgs}));
    EXPECT_EQ(point_of("raw_tracepoint/sys_exit"), (AttachPoint{When::SysExit, Form::RawArgs}));
    EXPECT_EQ(point_of("kprobe/__x64_sys_execve"),
              (AttachPoint{When::SysEnter, Form::WrapperRegs, SYS_execve}));
    EXPECT_EQ(point_of("kretprobe/__x64_sys_execve"),
              (AttachPoint{When::SysExit, Form::WrapperRegs, SYS_execve}));
    EXPECT_EQ(point_of("ksyscall/fstat"),
              (AttachPoint{When::SysEnter, Form::WrapperRegs, SYS_fstat}));
    EXPECT_EQ(point_of("kretsyscall/unlink"),
              (AttachPoint{When::SysExit, Form::WrapperRegs, SYS_unlink}));
}

TEST(AttachPoint, Processes) {
    EXPECT_EQ(point_of("tp/sched/sched_process_fork"),
              (AttachPoint{When::Fork, Form::SchedRecord}));
    EXPECT_EQ(point_of("raw_tp/sched_process_exec"), (AttachPoint{When::Exec, Form::RawArgs}));
    EXPECT_EQ(point_of("tp/sched/sched_process_exit"),
              (AttachPoint{When::TaskExit, Form::SchedRecord}));
}

TEST(AttachPoint, ProgramsThatOthersCall) {
    for (const char* section : {"tp", "raw_tp", "kprobe", "tracepoint"}) {
        const auto point = attach_point(prog_of(section));
        ASSERT_TRUE(point) << section;
        EXPECT_FALSE(*point) << section;
    }
}

TEST(AttachPoint, WhatThereIsNot) {
    for (const char* section :
         {"tp/irq/irq_handler_entry", "raw_tp/softirq_entry", "kprobe/do_unlinkat", "xdp",
          "fentry/do_unlinkat", "tp_btf/sys_enter", "uprobe//bin/sh:main", "kprobe.multi/x*",
          "ksyscall/nothing_like_this", "kprobe/__x64_sys_openat+0x10"}) {
        const Error error = error_of(section);
        EXPECT_EQ(error.code, ErrorCode::Unsupported) << section;
        EXPECT_THAT(error.message, HasSubstr(section));
        EXPECT_FALSE(error.hint.empty()) << section;
    }
}

TEST(AttachPoint, DidYouMean) {
    EXPECT_THAT(error_of("tp/syscalls/sys_enter_opennat").hint,
                HasSubstr("\"tp/syscalls/sys_enter_openat\""));
    EXPECT_THAT(error_of("raw_tp/sys_entr").hint, HasSubstr("\"raw_tp/sys_enter\""));
    EXPECT_THAT(error_of("kprobe/__x64_sys_exceve").hint, HasSubstr("\"kprobe/__x64_sys_execve\""));
    EXPECT_THAT(error_of("ksyscall/unlnk").hint, HasSubstr("\"ksyscall/unlink\""));
}

TEST(AttachPoint, WhatHasToBeWatched) {
    Wanted wanted;
    add_to(wanted, point_of("ksyscall/openat"));
    EXPECT_TRUE(wanted.enter_only());
    EXPECT_TRUE(wanted.enter.contains(Abi::Native, SYS_openat));
    EXPECT_FALSE(wanted.enter.contains(Abi::Native, SYS_close));
    add_to(wanted, point_of("raw_tp/sys_exit"));
    EXPECT_TRUE(wanted.exit.all());
    add_to(wanted, point_of("tp/sched/sched_process_exec"));
    EXPECT_TRUE(wanted.exec);
    EXPECT_FALSE(wanted.fork || wanted.task_exit);
}

}  // namespace
}  // namespace skep::hooks
