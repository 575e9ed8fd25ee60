// SPDX-License-Identifier: Apache-2.0
#include "skep/hook.hpp"

#include "base/text.hpp"
#include "maps/rcu.hpp"
#include "platform/types.hpp"
#include "runtime/hook_state.hpp"

namespace skep {

namespace runtime {

namespace {

Result<void> check_type(const HookState& hook, const ProgramBackend& prog) {
    if (prog.spec().type == ProgType::Syscall) return {};
    return std::unexpected(Error{
        ErrorCode::Usage,
        fmt::format("program '{}' of type {} cannot be attached to hook '{}'",
                    printable(prog.spec().name), to_string(prog.spec().type), printable(hook.name)),
        "programs of hooks are of type syscall: SEC(\"syscall\")", 0});
}

class HookLink final : public LinkBackend {
  public:
    explicit HookLink(std::shared_ptr<HookState> hook) : hook_(std::move(hook)) {}
    ~HookLink() override { leave(); }

    Result<void> update(const std::shared_ptr<ProgramBackend>& prog) override {
        SKEP_TRY(check_type(*hook_, *prog));
        const std::lock_guard lock(hook_->mutex);
        if (!attached_) return std::unexpected(sys_error(describe() + ": detached", ENOLINK));
        hook_->set(prog);
        return {};
    }
    Result<void> detach() override {
        leave();
        return {};
    }
    Result<void> pin(const std::string&) override {
        return unsupported("{}: it is a part of this process, and ends with it", describe());
    }
    Result<void> unpin() override { return std::unexpected(sys_error(describe(), ENOENT)); }
    bool attached() const override {
        const std::lock_guard lock(hook_->mutex);
        return attached_;
    }
    std::string describe() const override { return fmt::format("hook {}", printable(hook_->name)); }
    uint32_t id() const override { return 0; }

  private:
    void leave() {
        const std::lock_guard lock(hook_->mutex);
        if (!attached_) return;
        attached_ = false;
        hook_->linked = false;
        hook_->set(nullptr);
    }

    std::shared_ptr<HookState> hook_;
    bool attached_ = true;  ///< guarded by the hook's mutex
};

}  // namespace

void HookState::set(std::shared_ptr<ProgramBackend> prog) {
    current.store(prog.get(), std::memory_order_release);
    std::swap(owner, prog);
    if (prog) maps::rcu::retire(std::move(prog));
}

Result<std::unique_ptr<LinkBackend>> attach_to_hook(const std::shared_ptr<HookState>& hook,
                                                    const std::shared_ptr<ProgramBackend>& prog) {
    SKEP_TRY(check_type(*hook, *prog));
    const std::lock_guard lock(hook->mutex);
    if (hook->linked)
        return std::unexpected(
            Error{ErrorCode::Failed,
                  fmt::format("hook '{}' has a program already", printable(hook->name)),
                  "replace it: Link::update()", EBUSY});
    hook->linked = true;
    hook->set(prog);
    return std::make_unique<HookLink>(hook);
}

}  // namespace runtime

using runtime::HookState;

HookPoint::HookPoint(std::shared_ptr<HookState> state) : state_(std::move(state)) {}
HookPoint::HookPoint(HookPoint&&) noexcept = default;
HookPoint& HookPoint::operator=(HookPoint&&) noexcept = default;
HookPoint::~HookPoint() = default;

Result<HookPoint> HookPoint::create(const Runtime&, std::string name, uint32_t ctx_size,
                                    uint64_t when_empty) {
    if (ctx_size > kMaxContext)
        return fail(ErrorCode::Usage, "hook '{}': a context has at most {} bytes, not {}",
                    printable(name), kMaxContext, ctx_size);
    auto state = std::make_shared<HookState>();
    state->name = std::move(name);
    state->ctx_size = ctx_size;
    state->when_empty = when_empty;
    return HookPoint(std::move(state));
}

Result<uint64_t> HookPoint::run(std::span<uint8_t> ctx) const {
    const HookState& hook = *state_;
    if (ctx.size() != hook.ctx_size)
        return fail(ErrorCode::Usage, "hook '{}': a context has {} bytes, not {}",
                    printable(hook.name), hook.ctx_size, ctx.size());
    const maps::rcu::ReadGuard running;
    runtime::ProgramBackend* prog = hook.current.load(std::memory_order_acquire);
    return prog ? prog->call(ctx) : Result<uint64_t>(hook.when_empty);
}

bool HookPoint::attached() const {
    return state_->current.load(std::memory_order_acquire) != nullptr;
}
const std::string& HookPoint::name() const {
    return state_->name;
}
uint32_t HookPoint::ctx_size() const {
    return state_->ctx_size;
}

}  // namespace skep
