// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "skep/result.hpp"

// An extension point of your own program: a place in its code where it calls whatever BPF program
// is attached at that time.
//
//     struct request { uint32_t size; uint8_t method; uint8_t pad[3]; };     // as in the BPF C
//     skep::Hook<request> on_request = SKEP_TRY(skep::Hook<request>::create(runtime,
//     "on_request")); skep::Link link = SKEP_TRY(policy.attach({.hook = &on_request}));
//     ...
//     if (SKEP_TRY(on_request.run(request)) == 0) refuse();                  // any thread
//     ...
//     SKEP_TRY(link.update(new_policy));      // each call runs the old one or the new one
//
// Programs are of type syscall (SEC("syscall")): they get a pointer to the struct, which they may
// change, and what they return comes back. In the embedded runtime a call costs tens of
// nanoseconds; in the kernel's it is a BPF_PROG_TEST_RUN, a system call. The struct has at most
// kMaxContext bytes; a program that reaches behind it is refused, or stopped where it runs checked.
//
// Thread-safety: run() from any number of threads; each borrows one of as many CPU slots as the
// machine has, and waits while all of them run programs. Do not run() from within a callback that a
// program has caused (printk).

namespace skep {

class Runtime;
namespace runtime {
struct HookState;
}

class HookPoint {
  public:
    static constexpr uint32_t kMaxContext = 1024;

    /// `name` is for messages. What run() gives while nothing is attached is `when_empty`.
    static Result<HookPoint> create(const Runtime& runtime, std::string name, uint32_t ctx_size,
                                    uint64_t when_empty = 0);
    HookPoint(HookPoint&&) noexcept;
    HookPoint& operator=(HookPoint&&) noexcept;
    ~HookPoint();

    /// Runs the program on `ctx`, of ctx_size bytes, and returns what it returned. An Error is a
    /// program that was stopped (embedded, checked) or a system call that failed; `ctx` may have
    /// been changed.
    Result<uint64_t> run(std::span<uint8_t> ctx) const;

    bool attached() const;
    const std::string& name() const;
    uint32_t ctx_size() const;

    const std::shared_ptr<runtime::HookState>& state() const { return state_; }  ///< internal

  protected:
    explicit HookPoint(std::shared_ptr<runtime::HookState> state);

  private:
    std::shared_ptr<runtime::HookState> state_;
};

/// The same with the struct's type.
template <typename Ctx>
    requires std::is_trivially_copyable_v<Ctx>
class Hook : public HookPoint {
    static_assert(sizeof(Ctx) <= kMaxContext);

  public:
    static Result<Hook> create(const Runtime& runtime, std::string name, uint64_t when_empty = 0) {
        return Hook(SKEP_TRY(HookPoint::create(runtime, std::move(name), sizeof(Ctx), when_empty)));
    }
    Result<uint64_t> run(Ctx& ctx) const {
        return HookPoint::run({reinterpret_cast<uint8_t*>(&ctx), sizeof(Ctx)});
    }

  private:
    explicit Hook(HookPoint&& point) : HookPoint(std::move(point)) {}
};

}  // namespace skep
