// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "apps/test/test_file.hpp"
#include "engine/execution.hpp"

namespace skep::test {

/// Helpers of a test that do not run: they return what the file says.
class Mocks {
  public:
    explicit Mocks(const std::vector<Mock>& mocks) : mocks_(mocks) {}

    std::vector<platform::HelperId> helpers() const;
    uint64_t call(engine::Execution& x, platform::HelperId helper,
                  const std::array<uint64_t, 5>& args);

  private:
    const std::vector<Mock>& mocks_;
    std::map<platform::HelperId, size_t> calls_;
};

/// The argument (0 to 4) that a helper writes to, or -1.
int written_argument(platform::HelperId helper);

}  // namespace skep::test
