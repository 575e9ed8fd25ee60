// SPDX-License-Identifier: Apache-2.0
#include "kernel/prog.hpp"

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"
#include "kernel/bpf.hpp"
#include "kernel/pin.hpp"

namespace skep::kernel {

namespace {
uint64_t address(ByteView bytes) {
    return bytes.empty() ? 0 : reinterpret_cast<uint64_t>(bytes.data());
}
}  // namespace

Result<Prog> Prog::from_fd(UniqueFd fd) {
    const bpf_prog_info info = SKEP_TRY(prog_info(fd.get()));
    Prog prog;
    prog.fd_ = fd.get();
    prog.id_ = info.id;
    prog.name_ = info.name;
    prog.type_ = static_cast<ProgType>(info.type);
    prog.owner_ = std::make_shared<const UniqueFd>(std::move(fd));
    return prog;
}

Result<Prog> Prog::open_pinned(const std::string& path) {
    return from_fd(SKEP_TRY(open_pinned_as(ObjectKind::Prog, path)));
}

Result<Prog> Prog::open_id(uint32_t id) {
    return from_fd(SKEP_TRY(fd_by_id(ObjectKind::Prog, id)));
}

Result<TestRunResult> Prog::test_run(const TestRun& run) const {
    TestRunResult result;
    // Live frames go to the network and do not come back.
    const bool live = run.flags & BPF_F_TEST_XDP_LIVE_FRAMES;
    // Syscall programs write into the caller's struct; raw tracepoint ones into none.
    const bool in_place = type_ == ProgType::Syscall;
    const bool ctx_out = !live && !in_place && type_ != ProgType::RawTracepoint;
    if (!run.data.empty() && !live)
        result.data.resize(run.data.size() + std::max<size_t>(run.data_room, 256));
    result.ctx.assign(run.ctx.begin(), run.ctx.end());

    TestRunAttr attr{.data_size_in = static_cast<uint32_t>(run.data.size()),
                     .data_size_out = static_cast<uint32_t>(result.data.size()),
                     .data_in = address(run.data),
                     .data_out = address(result.data),
                     .repeat = in_place || type_ == ProgType::RawTracepoint ? 0 : run.repeat,
                     .ctx_size_in = static_cast<uint32_t>(run.ctx.size()),
                     .ctx_size_out = ctx_out ? static_cast<uint32_t>(run.ctx.size()) : 0,
                     .ctx_in = in_place ? address(result.ctx) : address(run.ctx),
                     .ctx_out = ctx_out ? address(result.ctx) : 0,
                     .flags = run.flags,
                     .cpu = run.cpu};
    if (auto done = prog_test_run(fd_, attr); !done) {
        Error error = std::move(done).error().in(fmt::format("'{}'", printable(name_)));
        if (error.code == ErrorCode::Unsupported && error.hint.empty())
            error.hint =
                fmt::format("{} programs cannot be run alone; attach it, and let its event happen",
                            to_string(type_));
        return std::unexpected(std::move(error));
    }
    result.retval = attr.retval;
    result.duration = attr.duration;
    result.data.resize(std::min<size_t>(attr.data_size_out, result.data.size()));
    if (ctx_out) result.ctx.resize(std::min<size_t>(attr.ctx_size_out, result.ctx.size()));
    return result;
}

Result<ProgStats> Prog::stats() const {
    const bpf_prog_info info = SKEP_TRY(prog_info(fd_));
    return ProgStats{.run_time_ns = info.run_time_ns,
                     .run_count = info.run_cnt,
                     .recursion_misses = info.recursion_misses,
                     .verified_insns = info.verified_insns};
}

Result<void> Prog::pin(const std::string& path) const {
    return pin_at(fd_, path);
}

}  // namespace skep::kernel
