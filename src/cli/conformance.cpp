// SPDX-License-Identifier: Apache-2.0
// skep-conformance: the plugin of the bpf_conformance suite
// (github.com/Alan-Jowett/bpf_conformance).
//
//     skep-conformance [MEMORY] [--debug] [--elf] < PROGRAM
//
// MEMORY is the context as hex bytes, and so is PROGRAM on standard input; what the program returns
// is printed as hex. The suite also hands over options for its own runners ("--cpu_version v3"),
// which change nothing here. Exit code 1, and the reason on stderr, where the program is refused or
// stopped.
#include <fmt/format.h>
#include <unistd.h>

#include <span>
#include <string>

#include "base/file.hpp"
#include "base/hex.hpp"
#include "cli/command.hpp"
#include "engine/object.hpp"
#include "hooks/syscalls/task.hpp"
#include "isa/decode.hpp"

namespace skep::cli {

namespace {

Result<uint64_t> run(const std::string& memory_text) {
    const Bytes input = SKEP_TRY(read_fd(STDIN_FILENO, "standard input"));
    const auto code = from_hex({reinterpret_cast<const char*>(input.data()), input.size()});
    auto memory = from_hex(memory_text);
    if (!code) return malformed("the program is not hex bytes");
    if (!memory) return malformed("the memory is not hex bytes");
    object::ObjectSpec spec = {.name = "conformance", .license = "GPL"};
    object::ProgSpec prog = {.name = "prog", .insns = SKEP_TRY(isa::decode(*code)) };
    prog.subprogs = {{.name = "prog", .insn = 0}};
    spec.progs.push_back(std::move(prog));

    const engine::Env env;
    const auto object = SKEP_TRY(engine::Object::load(spec, env));
    const auto execution = SKEP_TRY(engine::Execution::create(env));
    hooks::LiveTask self;
    self.begin(getpid(), {});
    engine::Event event;
    event.ctx = memory->data();
    event.ctx_size = uint32_t(memory->size());
    event.task = &self;
    const engine::Outcome outcome = object->find_prog("prog")->run(*execution, event);
    if (outcome.fault) return fail(ErrorCode::Failed, "{}", outcome.fault->to_string());
    return outcome.r0;
}

std::string memory_argument(std::span<char*> args) {
    return args.empty() || args[0][0] == '-' ? std::string() : args[0];
}

}  // namespace

int conformance_main(std::span<char*> args) {
    const Result<uint64_t> result = run(memory_argument(args));
    if (!result) {
        fmt::print(stderr, "{}\n", result.error().to_string());
        return kNo;
    }
    fmt::print("{:x}\n", *result);
    return kDone;
}

}  // namespace skep::cli

int main(int argc, char** argv) {
    return skep::cli::conformance_main(std::span(argv, size_t(argc)).subspan(argc > 0 ? 1 : 0));
}
