// SPDX-License-Identifier: Apache-2.0
#include "engine/embedded_types.hpp"

#include "platform/embedded.hpp"

namespace skep::engine {

const btf::Btf& embedded_types() {
    static const std::shared_ptr<const btf::Btf> types = [] {
        const ByteView bytes = platform::embedded_btf();
        auto parsed = btf::Btf::parse(Bytes(bytes.begin(), bytes.end()));
        SKEP_CHECK(parsed);
        return *parsed;
    }();
    return *types;
}

}  // namespace skep::engine
