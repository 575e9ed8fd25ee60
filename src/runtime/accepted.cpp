// SPDX-License-Identifier: Apache-2.0
#include "runtime/accepted.hpp"

#include <cerrno>

#include "base/text.hpp"
#include "verifier/explain.hpp"

namespace skep::runtime {

Result<void> accepted(const object::ObjectSpec& object, const engine::Prog& prog) {
    if (prog.verified()) return {};
    const verifier::Verdict* verdict = prog.verdict();
    const bool refused = verdict && !verdict->accepted;
    return std::unexpected(
        Error{ErrorCode::Failed,
              fmt::format("program '{}' is refused: {}", printable(prog.name()),
                          printable(refused ? verdict->reason : prog.why_not_verified())),
              refused ? verifier::explain(object, prog.spec(), *verdict) : "", EACCES});
}

}  // namespace skep::runtime
