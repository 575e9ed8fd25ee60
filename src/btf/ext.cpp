// SPDX-License-Identifier: Apache-2.0
#include "btf/ext.hpp"

#include "base/text.hpp"

namespace skep::btf {

namespace {

struct Header {
    uint16_t magic;
    uint8_t version;
    uint8_t flags;
    uint32_t header_size;
    uint32_t func_offset;  // this and the following from the end of the header
    uint32_t func_size;
    uint32_t line_offset;
    uint32_t line_size;
};
struct CoreHeader {  // follows where header_size has room for it
    uint32_t offset;
    uint32_t size;
};
struct SectionHeader {
    uint32_t name;
    uint32_t count;
};

/// A table: the size of a record, then sections, each with its records. Records may be longer than
/// we know.
template <typename Record>
Result<std::vector<ExtSection<Record>>> read_table(ByteView body, const char* what, uint32_t offset,
                                                   uint32_t size, const Btf& btf) {
    std::vector<ExtSection<Record>> sections;
    if (size == 0) return sections;
    const auto table = slice(body, offset, size);
    const auto record_size = table ? load<uint32_t>(*table, 0) : std::nullopt;
    if (!record_size) return malformed(".BTF.ext: {} info lies outside the section", what);
    if (*record_size < sizeof(Record) || *record_size % 4 != 0)
        return malformed(".BTF.ext: {} records of {} bytes, expected at least {}", what,
                         *record_size, sizeof(Record));

    ByteView rest = table->subspan(sizeof(uint32_t));
    while (!rest.empty()) {
        const auto header = load<SectionHeader>(rest, 0);
        if (!header) return malformed(".BTF.ext: {} info is truncated", what);
        const auto records =
            slice(rest, sizeof(SectionHeader), uint64_t{header->count} * *record_size);
        if (!records || header->count == 0)
            return malformed(".BTF.ext: {} info counts {} records, which do not fit", what,
                             header->count);
        ExtSection<Record> section{btf.string(header->name), {}};
        if (section.name.empty()) return malformed(".BTF.ext: {} info of no section", what);
        section.records.reserve(header->count);
        for (size_t at = 0; at < records->size(); at += *record_size)
            section.records.push_back(*load<Record>(*records, at));
        sections.push_back(std::move(section));
        rest = rest.subspan(sizeof(SectionHeader) + records->size());
    }
    return sections;
}

}  // namespace

Result<Ext> Ext::parse(ByteView bytes, const Btf& btf) {
    const auto header = load<Header>(bytes, 0);
    if (!header) return malformed(".BTF.ext is truncated");
    if (header->magic == 0x9feb) return malformed(".BTF.ext is big-endian");
    if (header->magic != 0xeb9f) return malformed(".BTF.ext has magic 0x{:04x}", header->magic);
    if (header->version != 1) return malformed(".BTF.ext version {} is not known", header->version);
    if (header->header_size < sizeof(Header) || header->header_size > bytes.size())
        return malformed(".BTF.ext header of {} bytes", header->header_size);

    const ByteView body = bytes.subspan(header->header_size);
    Ext ext;
    ext.funcs = SKEP_TRY(
        read_table<FuncRecord>(body, "function", header->func_offset, header->func_size, btf));
    ext.lines =
        SKEP_TRY(read_table<LineRecord>(body, "line", header->line_offset, header->line_size, btf));
    if (header->header_size >= sizeof(Header) + sizeof(CoreHeader)) {
        const auto core = *load<CoreHeader>(bytes, sizeof(Header));
        ext.relocations =
            SKEP_TRY(read_table<CoreRecord>(body, "CO-RE", core.offset, core.size, btf));
    }
    return ext;
}

}  // namespace skep::btf
