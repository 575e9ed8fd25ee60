// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/published.hpp"

#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <optional>

#include "base/text.hpp"
#include "engine/jit/code_map.hpp"
#include "engine/jit/gdb.hpp"
#include "engine/jit/perf.hpp"

namespace skep::engine::jit {

namespace {

/// Who wants to know.
struct Audience {
    pid_t process = getpid();
    std::mutex lock;
    std::optional<PerfMap> perf_map;
    std::optional<Jitdump> jitdump;
    bool gdb = false;

    bool empty() const { return !perf_map && !jitdump && !gdb; }
};

Result<std::unique_ptr<Audience>> find_audience() {
    auto audience = std::make_unique<Audience>();
    const char* wanted = std::getenv("SKEP_JIT_SYMBOLS");
    if (!wanted || !*wanted) return audience;
    for (const std::string_view word : split(wanted, ',')) {
        if (word == "perf-map") {
            audience->perf_map = SKEP_TRY(PerfMap::open());
        } else if (word == "jitdump") {
            audience->jitdump = SKEP_TRY(Jitdump::open());
        } else if (word == "gdb") {
            audience->gdb = true;
        } else {
            return std::unexpected(Error{ErrorCode::Usage,
                                         fmt::format("SKEP_JIT_SYMBOLS has '{}', which is none of "
                                                     "perf-map, jitdump, gdb",
                                                     printable(word)),
                                         "name one of these, or several with commas", 0});
        }
    }
    return audience;
}

const Result<std::unique_ptr<Audience>>& audience() {
    static const Result<std::unique_ptr<Audience>> found = find_audience();
    return found;
}

}  // namespace

Published::Published() = default;
Published::~Published() = default;
Published::Published(Published&&) noexcept = default;
Published& Published::operator=(Published&&) noexcept = default;

bool published_by_address() {
    return audience() && ((*audience())->gdb || (*audience())->perf_map);
}

Result<Published> publish(const Prog& prog, const NativeCode& code) {
    if (!audience()) return std::unexpected(Error(audience().error()));
    Audience& there = **audience();
    Published published;
    if (there.empty() || there.process != getpid()) return published;
    const CodeMap map = code_map(prog, code);
    if (there.gdb) published.gdb_ = std::make_unique<GdbEntry>(debug_object(map));
    const std::lock_guard guard(there.lock);
    if (there.perf_map) SKEP_TRY(there.perf_map->add(map));
    if (there.jitdump) SKEP_TRY(there.jitdump->add(map));
    return published;
}

}  // namespace skep::engine::jit
