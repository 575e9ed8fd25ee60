// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "btf/btf.hpp"

// .BTF.ext: what BTF says about instructions. Three tables, each grouped by the ELF section that
// the instructions are in; offsets count bytes from that section's start (struct btf_ext_header,
// Documentation/bpf/btf.rst, Linux 6.12).

namespace skep::btf {

struct FuncRecord {
    uint32_t offset;
    uint32_t type;  ///< a FUNC
};

struct LineRecord {
    uint32_t offset;
    uint32_t file;         ///< string offsets
    uint32_t text;         ///< of the source line
    uint32_t line_column;  ///< line << 10 | column

    uint32_t line() const { return line_column >> 10; }
    uint32_t column() const { return line_column & 0x3ff; }
};

struct CoreRecord {
    uint32_t offset;
    uint32_t type;
    uint32_t access;  ///< string offset
    uint32_t kind;
};

template <typename Record>
struct ExtSection {
    std::string_view name;  ///< the ELF section; a view into the Btf's strings
    std::vector<Record> records;
};

struct Ext {
    std::vector<ExtSection<FuncRecord>> funcs;
    std::vector<ExtSection<LineRecord>> lines;
    std::vector<ExtSection<CoreRecord>> relocations;

    /// Checks the tables' bounds and that section names exist; what records refer to is for the
    /// reader of them to check.
    static Result<Ext> parse(ByteView bytes, const Btf& btf);
};

}  // namespace skep::btf
