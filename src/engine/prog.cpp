// SPDX-License-Identifier: Apache-2.0
#include "engine/prog.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.hpp"
#include "engine/calls.hpp"
#include "engine/coverage.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/jit/tiering.hpp"

namespace skep::engine {

struct Prog::Better {
    std::unique_ptr<const jit::NativeCode> code;
    jit::Published published;
    std::string why_not;
};

Prog::Prog() = default;
Prog::~Prog() {
    delete better_.load();
}

const jit::NativeCode* Prog::optimised() const {
    const Better* better = better_.load(std::memory_order_acquire);
    return better ? better->code.get() : nullptr;
}

const std::string& Prog::why_not_optimised() const {
    static const std::string kNobodyHasAsked;
    const Better* better = better_.load(std::memory_order_acquire);
    return better ? better->why_not : kNobodyHasAsked;
}

const jit::NativeCode* Prog::code_at(const uint8_t* address) const {
    for (const jit::NativeCode* code : {baseline_.get(), optimised()})
        if (code && code->contains(address)) return code;
    return nullptr;
}

void Prog::improve(Result<std::unique_ptr<const jit::NativeCode>> code) const {
    auto better = std::make_unique<Better>();
    if (code)
        better->code = std::move(*code);
    else
        better->why_not = code.error().message;
    const jit::NativeCode* best = better->code.get();
    // Where it fails, it has said so of the baseline's code.
    if (best)
        if (auto published = jit::publish(*this, *best)) better->published = std::move(*published);
    SKEP_CHECK(!better_.load());
    better_.store(better.release(), std::memory_order_release);
    if (best) native_.store(best, std::memory_order_release);
}

/// Threads that do so at once may count too little, which does not matter.
void Prog::warm_up(uint64_t work) const {
    const int64_t left = runs_until_hot_.load(std::memory_order_relaxed) - 1 -
                         int64_t((longest_run_ + work) / uint64_t{jit::kWorkOfRun});
    if (left > 0) return runs_until_hot_.store(left, std::memory_order_relaxed);
    if (hot_.exchange(true)) return;
    runs_until_hot_.store(0, std::memory_order_relaxed);
    jit::make_better(*this);
}

Outcome Prog::run(Execution& execution, Event& event) const {
    const auto context = reinterpret_cast<uint64_t>(event.ctx);
    if (event.ctx_size < ctx_bytes_) [[unlikely]]
        return {.fault = Fault{.kind = Fault::Kind::BadContext,
                               .prog = name(),
                               .message = context_too_small(event)}};
    if (!context_is_memory()) return execution.run(*this, event, context, 0);
    execution.memory().lend(event.ctx, event.ctx_size, true);
    return execution.run(*this, event, context, event.ctx_size);
}

Outcome Prog::call(Execution& execution, Event& event, uint64_t function,
                   std::initializer_list<uint64_t> arguments) const {
    return execution.run(*this, event, reinterpret_cast<const Op*>(function), arguments);
}

std::string Prog::context_too_small(const Event& event) const {
    return fmt::format("it uses {} bytes of its context, and this event's has {}", ctx_bytes_,
                       event.ctx_size);
}

std::string Prog::source_line(uint32_t insn) const {
    if (!btf_) return {};
    const auto after = std::ranges::upper_bound(spec_.lines, insn, {}, &object::LineInfo::insn);
    if (after == spec_.lines.begin()) return {};
    const object::LineInfo& line = *std::prev(after);
    std::string_view file = btf_->string(line.file_off);
    if (const size_t slash = file.rfind('/'); slash != file.npos) file.remove_prefix(slash + 1);
    return fmt::format("{}:{}: {}", printable(file), line.line,
                       printable(trim(btf_->string(line.line_off))));
}

}  // namespace skep::engine
