// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>

#include "engine/object.hpp"
#include "isa/assemble.hpp"

// For tests only: assemble, load and run in a line.
//
//     EXPECT_EQ(run("r0 = 1\nr0 += 2\nexit").r0, 3u);

namespace skep::engine {

/// A process that nothing is known of.
class NoTask final : public Task {
  public:
    uint64_t pid_tgid() override { return 0; }
    uint64_t uid_gid() override { return 0; }
    std::array<char, 16> comm() override { return {}; }
    uint64_t cgroup_id() override { return 0; }
    int read_user(void*, size_t, uint64_t) override { return -EFAULT; }
    int64_t read_user_string(char*, size_t, uint64_t) override { return -EFAULT; }
    int write_user(uint64_t, const void*, size_t) override { return -EFAULT; }
    uint64_t task_struct() override { return 0; }
    bool kernel_readable(uint64_t, size_t) override { return false; }
};

inline object::ObjectSpec object_of(std::string_view text, ProgType type = ProgType::Unspec) {
    const auto assembly = isa::assemble(text);
    EXPECT_TRUE(assembly) << text << "\n" << (assembly ? "" : assembly.error().message);
    object::ObjectSpec spec{.name = "test", .license = "GPL"};
    if (!assembly) return spec;
    object::ProgSpec prog{.name = "test", .type = type, .insns = assembly->insns};
    prog.subprogs = {{.name = "test", .insn = 0}};
    for (const isa::AsmFunction& function : assembly->functions)
        if (function.insn != 0)
            prog.subprogs.push_back({.name = function.name, .insn = function.insn});
    spec.progs.push_back(std::move(prog));
    return spec;
}

/// Runs the program `test` of an object on a buffer.
inline Outcome run_object(const Object& object, std::span<uint8_t> memory = {},
                          uint64_t budget = 1'000'000) {
    const Env env;
    auto execution = Execution::create(env);
    EXPECT_TRUE(execution);
    NoTask task;
    Event event{.ctx = memory.data(), .ctx_size = uint32_t(memory.size()), .task = &task};
    (*execution)->budget = budget;
    return object.find_prog("test")->run(**execution, event);
}

inline Outcome run(std::string_view text, std::span<uint8_t> memory = {},
                   uint64_t budget = 1'000'000) {
    const Env env;
    auto object = Object::load(object_of(text), env);
    EXPECT_TRUE(object) << text << "\n" << (object ? "" : object.error().to_string());
    return object ? run_object(**object, memory, budget) : Outcome{};
}

}  // namespace skep::engine
