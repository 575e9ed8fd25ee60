// SPDX-License-Identifier: Apache-2.0
// skep-conformance: the plugin of the bpf_conformance suite
// (github.com/Alan-Jowett/bpf_conformance).
//
//     skep-conformance [MEMORY] [--jit MODE] [--explain] < PROGRAM
//
// MEMORY is the context as hex bytes, and so is PROGRAM on standard input; what the program returns
// is printed as hex. The programs are functions on a buffer (r1, and its length in r2), which the
// checked interpreter runs. With --jit baseline (or optimising) they are verified first, as
// programs of type syscall, whose context is such a buffer; what is accepted runs as machine code,
// and --explain says on stderr whether it did. The suite also hands over options for its own
// runners
// ("--cpu_version v3"), which change nothing here. Exit code 1, and the reason on stderr, where the
// program is refused or stopped.
#include <fmt/format.h>
#include <unistd.h>

#include <span>
#include <string>

#include "base/file.hpp"
#include "base/hex.hpp"
#include "cli/command.hpp"
#include "cli/jit_mode.hpp"
#include "engine/object.hpp"
#include "hooks/syscalls/task.hpp"
#include "isa/decode.hpp"

namespace skep::cli {

namespace {

struct Options {
    std::string memory;
    engine::Jit jit = engine::Jit::Off;
    bool explain = false;
};

object::ObjectSpec object_of(std::vector<isa::Insn> insns, ProgType type) {
    object::ObjectSpec spec = {.name = "conformance", .license = "GPL"};
    object::ProgSpec prog = {.name = "prog", .type = type};
    prog.sleepable = type == ProgType::Syscall;
    prog.insns = std::move(insns);
    prog.subprogs = {{.name = "prog", .insn = 0}};
    spec.progs.push_back(std::move(prog));
    return spec;
}

std::string tier(const engine::Prog& prog) {
    if (prog.optimised()) return "optimised machine code";
    if (prog.why_not_optimised().empty()) return "machine code";
    return fmt::format("machine code, not optimised: {}", prog.why_not_optimised());
}

Result<std::unique_ptr<engine::Object>> load(std::vector<isa::Insn> insns, size_t memory,
                                             const engine::Env& env, const Options& options) {
    if (options.jit != engine::Jit::Off) {
        std::vector<isa::Insn> with_length = {
            {.opcode = uint8_t{isa::kAlu64} | isa::kMov, .dst = 2, .imm = int32_t(memory)}};
        with_length.insert(with_length.end(), insns.begin(), insns.end());
        auto native = engine::Object::load(object_of(std::move(with_length), ProgType::Syscall),
                                           env, {.jit = options.jit});
        if (native && (*native)->progs()[0]->native()) {
            if (options.explain) fmt::print(stderr, "{}\n", tier(*(*native)->progs()[0]));
            return native;
        }
        if (options.explain)
            fmt::print(stderr, "interpreted: {}\n",
                       native ? (*native)->progs()[0]->why_not_verified() : native.error().message);
    }
    return engine::Object::load(object_of(std::move(insns), ProgType::Unspec), env, {});
}

Result<uint64_t> run(const Options& options) {
    const Bytes input = SKEP_TRY(read_fd(STDIN_FILENO, "standard input"));
    const auto code = from_hex({reinterpret_cast<const char*>(input.data()), input.size()});
    auto memory = from_hex(options.memory);
    if (!code) return malformed("the program is not hex bytes");
    if (!memory) return malformed("the memory is not hex bytes");
    const engine::Env env;
    const auto object = SKEP_TRY(load(SKEP_TRY(isa::decode(*code)), memory->size(), env, options));
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

Result<Options> read_options(std::span<char*> args) {
    Options options;
    if (!args.empty() && args[0][0] != '-') options.memory = args[0];
    for (size_t i = 0; i < args.size(); i++) {
        const std::string_view arg = args[i];
        if (arg == "--explain") options.explain = true;
        if (arg != "--jit") continue;
        const std::string_view mode = i + 1 < args.size() ? args[i + 1] : "";
        options.jit = SKEP_TRY(jit_mode(mode));
    }
    return options;
}

}  // namespace

int conformance_main(std::span<char*> args) {
    const Result<Options> options = read_options(args);
    const Result<uint64_t> result =
        options ? run(*options) : Result<uint64_t>(std::unexpected(Error(options.error())));
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
