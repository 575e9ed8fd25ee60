// SPDX-License-Identifier: Apache-2.0
#include "apps/test/mocks.hpp"

#include <algorithm>

namespace skep::test {

using platform::ArgBase;
using platform::ArgType;
using platform::TypeFlag;

std::vector<platform::HelperId> Mocks::helpers() const {
    std::vector<platform::HelperId> ids;
    for (const Mock& mock : mocks_) ids.push_back(mock.helper);
    return ids;
}

int written_argument(platform::HelperId helper) {
    const platform::HelperProto& proto = platform::helper_proto(helper);
    for (size_t i = 0; i < proto.args.size(); i++) {
        const ArgType& arg = proto.args[i];
        const bool written = has(arg.flags, TypeFlag::Uninit) || has(arg.flags, TypeFlag::Write);
        if (arg.base == ArgBase::Mem && written) return int(i);
    }
    return -1;
}

uint64_t Mocks::call(engine::Execution& x, platform::HelperId helper,
                     const std::array<uint64_t, 5>& args) {
    const auto mock = std::ranges::find(mocks_, helper, &Mock::helper);
    const size_t number = calls_[helper]++;
    uint64_t result = 0;
    if (mock->writes) {
        const int index = written_argument(helper);
        const ArgType& arg = platform::helper_proto(helper).args[size_t(index)];
        const size_t size =
            has(arg.flags, TypeFlag::FixedSizeMem) ? arg.size : args[size_t(index) + 1];
        uint8_t* to = x.check_memory(args[size_t(index)], size, true, index + 1, "memory");
        if (!to) return 0;
        const size_t count = std::min(size, mock->writes->size());
        std::copy_n(mock->writes->begin(), count, to);
        if (mock->is_text && size > 0) {
            const size_t end = std::min(count, size - 1);
            std::fill(to + end, to + size, uint8_t{0});
            // Helpers that read strings say how long they are, with the NUL.
            if (platform::helper_info(helper).name.ends_with("_str")) result = end + 1;
        }
    }
    if (!mock->returns.empty()) result = mock->returns[std::min(number, mock->returns.size() - 1)];
    return result;
}

}  // namespace skep::test
