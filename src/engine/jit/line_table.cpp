// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/line_table.hpp"

#include <array>
#include <optional>

namespace skep::engine::jit {

namespace {

/// What is read is there; ok() says whether all of it was.
class Reader {
  public:
    explicit Reader(ByteView bytes, uint64_t at = 0) : bytes_(bytes), at_(at) {}

    bool ok() const { return ok_; }
    bool done() const { return !ok_ || at_ >= bytes_.size(); }
    uint64_t at() const { return at_; }
    void skip(uint64_t count) {
        ok_ &= count <= bytes_.size() - at_;
        if (ok_) at_ += count;
    }
    template <typename T>
    T read() {
        const std::optional<T> value = ok_ ? load<T>(bytes_, at_) : std::nullopt;
        ok_ = value.has_value();
        if (ok_) at_ += sizeof(T);
        return value.value_or(T{});
    }
    uint64_t uleb() {
        uint64_t value = 0;
        for (unsigned shift = 0; ok_; shift += 7) {
            const auto byte = read<uint8_t>();
            if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
            if (!(byte & 0x80)) break;
        }
        return value;
    }
    int64_t sleb() {
        uint64_t value = 0;
        for (unsigned shift = 0; ok_;) {
            const auto byte = read<uint8_t>();
            if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
            shift += 7;
            if (byte & 0x80) continue;
            if ((byte & 0x40) && shift < 64) value |= ~uint64_t{0} << shift;
            break;
        }
        return int64_t(value);
    }

  private:
    ByteView bytes_;
    uint64_t at_;
    bool ok_ = true;
};

class Program {
  public:
    explicit Program(ByteView section) : in_(section) {}

    Result<std::vector<LineRow>> run() {
        if (!read_header()) return malformed("machine code: a line table of another form");
        while (!in_.done()) step();
        if (!in_.ok()) return malformed("machine code: a line table that is cut short");
        return std::move(rows_);
    }

  private:
    bool read_header() {
        in_.read<uint32_t>();  // its length
        const auto version = in_.read<uint16_t>();
        const auto length = in_.read<uint32_t>();
        Reader header = in_;
        in_.skip(length);
        min_length_ = header.read<uint8_t>();
        header.read<uint8_t>();  // operations in one
        header.read<uint8_t>();  // is a statement
        line_base_ = header.read<int8_t>();
        line_range_ = header.read<uint8_t>();
        first_special_ = header.read<uint8_t>();
        for (unsigned i = 1; i < first_special_; i++) operands_[i] = header.read<uint8_t>();
        return in_.ok() && header.ok() && version == 4 && line_range_ != 0;
    }

    void step() {
        const auto op = in_.read<uint8_t>();
        if (op >= first_special_) {
            advance((op - first_special_) / line_range_);
            line_ += uint64_t(int64_t{line_base_} + (op - first_special_) % line_range_);
            return add_row(false);
        }
        switch (op) {
            case 0: return extended();
            case 1: return add_row(false);  // copy
            case 2: return advance(in_.uleb());
            case 3: line_ += uint64_t(in_.sleb()); return;
            case 8: return advance((255u - first_special_) / line_range_);
            case 9: row_.distance += in_.read<uint16_t>(); return;
            default:
                for (unsigned i = 0; i < operands_[op]; i++) in_.uleb();
        }
    }

    void extended() {
        const uint64_t length = in_.uleb();
        Reader body = in_;
        in_.skip(length);
        switch (body.read<uint8_t>()) {
            case 1:  // end of sequence
                add_row(true);
                row_ = {};
                line_ = 1;
                return;
            case 2:  // set address
                row_.address_at = body.at();
                row_.distance = body.read<uint64_t>();
                return;
            default: return;
        }
    }

    void advance(uint64_t operations) { row_.distance += operations * min_length_; }

    void add_row(bool ends) {
        row_.line = uint32_t(line_);
        row_.ends = ends;
        rows_.push_back(row_);
    }

    Reader in_;
    uint8_t min_length_ = 1, line_range_ = 1, first_special_ = 1;
    int8_t line_base_ = 0;
    std::array<uint8_t, 256> operands_{};
    LineRow row_;
    uint64_t line_ = 1;
    std::vector<LineRow> rows_;
};

}  // namespace

Result<std::vector<LineRow>> line_table(ByteView section) {
    return Program(section).run();
}

}  // namespace skep::engine::jit
