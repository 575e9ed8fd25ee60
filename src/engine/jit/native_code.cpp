// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/native_code.hpp"

#include <algorithm>
#include <cstring>

namespace skep::engine::jit {

namespace {

constexpr uint8_t kLong = 255;

}  // namespace

NativeCode::NativeCode(std::unique_ptr<Code> code, std::vector<Function> functions,
                       std::span<const uint32_t> lengths)
    : code_(std::move(code)), functions_(std::move(functions)), start_(function(0)) {
    lengths_.reserve(lengths.size() + lengths.size() / 16);
    for (const uint32_t length : lengths) {
        lengths_.push_back(uint8_t(std::min<uint32_t>(length, kLong)));
        if (length < kLong) continue;
        uint8_t bytes[4];
        std::memcpy(bytes, &length, sizeof bytes);
        lengths_.insert(lengths_.end(), bytes, bytes + sizeof bytes);
    }
}

NativeCode::NativeCode(std::unique_ptr<Code> code, std::vector<Function> functions,
                       std::vector<Place> places)
    : code_(std::move(code)),
      functions_(std::move(functions)),
      start_(function(0)),
      places_(std::move(places)) {}

const uint8_t* NativeCode::function(uint64_t insn) const {
    const auto found = std::ranges::lower_bound(functions_, insn, {}, &Function::insn);
    return found != functions_.end() && found->insn == insn ? code_->begin() + found->offset
                                                            : nullptr;
}

/// Until `visit(insn, offset, length)` says so.
template <typename Visit>
void NativeCode::walk(const Visit& visit) const {
    uint32_t offset = 0, insn = 0;
    for (size_t i = 0; i < lengths_.size(); insn++) {
        uint32_t length = lengths_[i++];
        if (length == kLong) {
            std::memcpy(&length, lengths_.data() + i, sizeof length);
            i += sizeof length;
        }
        if (visit(insn, offset, length)) return;
        offset += length;
    }
}

std::span<const uint8_t> NativeCode::bytes_of(uint32_t insn) const {
    std::span<const uint8_t> found;
    walk([&](uint32_t one, uint32_t offset, uint32_t length) {
        if (one == insn) found = bytes().subspan(offset, length);
        return one == insn;
    });
    return found;
}

std::optional<uint32_t> NativeCode::insn_at(const uint8_t* address) const {
    const auto at = uint64_t(address - code_->begin());
    if (!places_.empty()) {
        const auto after = std::ranges::upper_bound(places_, at, {}, &Place::offset);
        if (after == places_.begin()) return std::nullopt;
        return std::prev(after)->insn;
    }
    std::optional<uint32_t> found;
    walk([&](uint32_t insn, uint32_t offset, uint32_t length) {
        if (at >= offset && at < offset + length) found = insn;
        return found.has_value();
    });
    return found;
}

std::vector<NativeCode::Place> NativeCode::places() const {
    if (!places_.empty()) return places_;
    std::vector<Place> places;
    walk([&](uint32_t insn, uint32_t offset, uint32_t length) {
        if (length > 0) places.push_back({insn, offset});
        return false;
    });
    return places;
}

size_t NativeCode::overhead() const {
    return sizeof *this + sizeof(Code) + functions_.capacity() * sizeof(Function) +
           lengths_.capacity() + places_.capacity() * sizeof(Place);
}

}  // namespace skep::engine::jit
