// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "apps/test/yaml.hpp"
#include "base/bytes.hpp"
#include "object/spec.hpp"

namespace skep::test {

/// Fields of a program's context, as a file gives them.
struct CtxFields {
    struct Field {
        std::string name;
        uint32_t offset;
        uint32_t size;
        const Yaml* at;
    };
    Bytes bytes;  ///< the whole struct; zeros where nothing is given
    std::vector<Field> fields;
};

/// {mark: 7, cb: [1, 2]} for programs whose context is a struct of the UAPI; {args: [1, 2]} for raw
/// tracepoints; {bytes: 0a0b} for any.
Result<CtxFields> read_ctx(const object::ProgSpec& prog, const Yaml& node);

}  // namespace skep::test
