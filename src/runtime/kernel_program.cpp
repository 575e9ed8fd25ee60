// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel_program.hpp"

#include <linux/if_ether.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "kernel/attach.hpp"
#include "kernel/bpf.hpp"
#include "kernel/pin.hpp"
#include "runtime/kernel_map.hpp"

namespace skep::runtime {

namespace {

class KernelLink final : public LinkBackend {
  public:
    KernelLink(kernel::LinkPtr link, std::string where, ProgType type, bool iterator = false)
        : link_(std::move(link)), where_(std::move(where)), type_(type), iterator_(iterator) {}

    Result<void> update(const std::shared_ptr<ProgramBackend>& prog) override {
        const auto* ours = dynamic_cast<const KernelProgram*>(prog.get());
        if (!ours || prog->spec().type != type_)
            return fail(ErrorCode::Usage, "{}: program '{}' is not of type {} in the kernel",
                        where_, printable(prog->spec().name), to_string(type_));
        if (!link_) return std::unexpected(sys_error(where_ + ": detached", ENOLINK));
        return link_->update(ours->prog());
    }
    Result<void> detach() override {
        if (!link_) return {};
        const Result<void> done = link_->detach();
        link_.reset();
        return done;
    }
    Result<void> pin(const std::string& path) override {
        if (!link_) return std::unexpected(sys_error(where_ + ": detached", ENOLINK));
        SKEP_TRY(link_->pin(path));
        pinned_as_ = path;
        return {};
    }
    Result<void> unpin() override {
        if (pinned_as_.empty()) return std::unexpected(sys_error(where_ + ": unpin", ENOENT));
        SKEP_TRY(kernel::unpin(pinned_as_));
        pinned_as_.clear();
        return {};
    }
    bool attached() const override {
        const auto state = link_ ? link_->state() : Result<kernel::LinkState>();
        return link_ && state && !state->gone;
    }
    std::string describe() const override { return where_; }
    Result<std::string> read() const override {
        if (!link_) return std::unexpected(sys_error(where_ + ": detached", ENOLINK));
        if (!iterator_) return LinkBackend::read();
        return kernel::read_iterator(*link_);
    }
    uint32_t id() const override {
        const auto state = link_ ? link_->state() : Result<kernel::LinkState>();
        return state ? state->id : 0;
    }

  private:
    kernel::LinkPtr link_;  ///< null: detached
    std::string where_;
    ProgType type_;
    bool iterator_;
    std::string pinned_as_;
};

kernel::XdpMode mode_of(XdpMode mode) {
    switch (mode) {
        case XdpMode::Any: return kernel::XdpMode::Auto;
        case XdpMode::Native: return kernel::XdpMode::Native;
        case XdpMode::Generic: return kernel::XdpMode::Generic;
    }
    return kernel::XdpMode::Auto;
}

/// "xdp on eth0", "cgroup/connect4 on /sys/fs/cgroup/x", "tp/sched/sched_switch"
std::string describe(const object::ProgSpec& spec, const AttachOptions& options) {
    std::string where = printable(spec.section);
    if (!options.target.empty()) where += " at " + printable(options.target);
    if (!options.interface.empty()) where += " on " + printable(options.interface);
    if (!options.cgroup.empty()) where += " on " + printable(options.cgroup);
    if (!options.route.destination.empty()) where += " for " + printable(options.route.destination);
    if (options.map) where += fmt::format(" of map '{}'", printable(options.map->info().name));
    return where;
}

/// What options.map points to, if anything.
Result<const kernel::Map*> map_of(const AttachOptions& options) {
    if (!options.map) return nullptr;
    return &SKEP_TRY(as_kernel(*options.map->backend()))
    ->map();
}

/// "PATH:SYMBOL" of a uprobe's target.
Result<kernel::AttachTo> attach_to(const object::ProgSpec& spec, const AttachOptions& options) {
    kernel::AttachTo to {
        .cookie = options.cookie, .interface = options.interface, .xdp = mode_of(options.xdp_mode),
        .netfilter = options.netfilter, .route = options.route, .socket = options.socket,
        .map = SKEP_TRY(map_of(options))
        , .cgroup = options.cgroup, .pid = options.pid, .perf = options.perf
    };
    const bool user_probe = spec.section.find("uprobe") != std::string::npos ||
                            spec.section.find("uretprobe") != std::string::npos;
    const size_t colon = options.target.rfind(':');
    if (user_probe && colon != std::string::npos) {
        to.binary = options.target.substr(0, colon);
        to.symbol = options.target.substr(colon + 1);
    } else {
        to.target = options.target;
    }
    return to;
}

}  // namespace

bool KernelProgram::native() const {
    const auto info = kernel::prog_info(prog_.fd());
    return info && info->jited_prog_len != 0;
}

Result<TestResult> KernelProgram::test_run(const TestRun& run) {
    // A test run shows socket filters what is behind the Ethernet header, a packet socket all of
    // the frame (bpf_prog_test_run_skb(), Linux 6.18): so the frame goes behind one more header.
    const bool hidden = spec_->type == ProgType::SocketFilter && run.data.size() >= ETH_HLEN;
    Bytes data;
    if (hidden) append(data, run.data.first(ETH_HLEN));
    append(data, run.data);
    kernel::TestRunResult result = SKEP_TRY(
        prog_.test_run({.data = data, .ctx = run.ctx, .repeat = std::max(run.repeat, 1u)}));
    if (hidden && result.data.size() >= ETH_HLEN)
        result.data.erase(result.data.begin(), result.data.begin() + ETH_HLEN);
    // Programs of control groups see no Ethernet header, and what comes back begins with zeros.
    if (spec_->type == ProgType::CgroupSkb && run.data.size() >= ETH_HLEN &&
        result.data.size() >= ETH_HLEN)
        std::copy_n(run.data.begin(), ETH_HLEN, result.data.begin());
    return TestResult{.retval = result.retval,
                      .data = std::move(result.data),
                      .ctx = std::move(result.ctx),
                      .ns = result.duration};
}

Result<ProgramStats> KernelProgram::stats() {
    const kernel::ProgStats stats = SKEP_TRY(prog_.stats());
    return ProgramStats{
        .runs = stats.run_count, .ns = stats.run_time_ns, .misses = stats.recursion_misses};
}

Result<uint64_t> KernelProgram::call(std::span<uint8_t> ctx) {
    const kernel::TestRunResult result = SKEP_TRY(prog_.test_run({.ctx = ctx}));
    std::ranges::copy(ByteView(result.ctx).first(std::min(result.ctx.size(), ctx.size())),
                      ctx.begin());
    return uint64_t{result.retval};
}

Result<std::unique_ptr<LinkBackend>> KernelProgram::attach(const AttachOptions& options) {
    auto link = SKEP_TRY(kernel::attach(prog_, SKEP_TRY(attach_to(*spec_, options))));
    return std::make_unique<KernelLink>(std::move(link), describe(*spec_, options), spec_->type,
                                        spec_->attach_type == AttachType::TraceIter);
}

Result<std::unique_ptr<LinkBackend>> attach_struct(const kernel::Object& object,
                                                   const std::string& map) {
    auto link = SKEP_TRY(kernel::attach_struct_ops(object, map));
    return std::make_unique<KernelLink>(std::move(link), "struct " + printable(map),
                                        ProgType::StructOps);
}

}  // namespace skep::runtime
