// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "btf/btf.hpp"

namespace skep::engine {

/// The embedded platform's BTF (platform::embedded_btf()), parsed once.
const btf::Btf& embedded_types();

}  // namespace skep::engine
