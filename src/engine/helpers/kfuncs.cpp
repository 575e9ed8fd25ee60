// SPDX-License-Identifier: Apache-2.0
// Kernel functions. Nobody has checked their pointers before: those that must be good fault, those
// that may be bad (strings) give -EFAULT. Sources: kernel/bpf/helpers.c, kernel/bpf/bpf_iter.c of
// Linux 6.18.

#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>

#include "engine/dynptr.hpp"
#include "engine/helpers.hpp"
#include "engine/probe.hpp"
#include "engine/prog.hpp"
#include "platform/limits.hpp"

namespace skep::engine {
namespace {

/// What a kernel function with the C type int leaves in r0.
uint64_t int_result(int64_t value) {
    return static_cast<uint32_t>(value);
}

// --- numbers from start to end ---

struct NumberIterator {  // struct bpf_iter_num
    int32_t current;
    int32_t end;
};

NumberIterator* number_iterator(Execution& x, uint64_t address) {
    return reinterpret_cast<NumberIterator*>(
        x.check_memory(address, sizeof(NumberIterator), true, 1, "the iterator"));
}

uint64_t iter_num_new(Execution& x, uint64_t iterator, uint64_t start, uint64_t end, uint64_t,
                      uint64_t) {
    NumberIterator* it = number_iterator(x, iterator);
    if (!it) return 0;
    const auto first = static_cast<int32_t>(start), last = static_cast<int32_t>(end);
    *it = {};
    if (first > last) return int_result(-EINVAL);
    if (int64_t{last} - first > platform::kMaxLoops) return int_result(-E2BIG);
    *it = {static_cast<int32_t>(static_cast<uint32_t>(first) - 1), last};
    return 0;
}

uint64_t iter_num_next(Execution& x, uint64_t iterator, uint64_t, uint64_t, uint64_t, uint64_t) {
    NumberIterator* it = number_iterator(x, iterator);
    if (!it) return 0;
    const auto next = static_cast<int32_t>(static_cast<uint32_t>(it->current) + 1);
    if (next >= it->end) {
        *it = {};
        return 0;
    }
    it->current = next;
    return reinterpret_cast<uint64_t>(&it->current);
}

uint64_t iter_num_destroy(Execution& x, uint64_t iterator, uint64_t, uint64_t, uint64_t, uint64_t) {
    if (NumberIterator* it = number_iterator(x, iterator)) *it = {};
    return 0;
}

// --- views of pointers, and sections that need no lock here ---

uint64_t same_pointer(Execution&, uint64_t pointer, uint64_t, uint64_t, uint64_t, uint64_t) {
    return pointer;
}

uint64_t nothing(Execution&, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return 0;
}

// --- dynptrs ---

std::optional<Dynptr> load_dynptr(Execution& x, uint64_t address, int reg = 1) {
    if (!x.check_memory(address, sizeof(Dynptr), false, reg, "the dynptr")) return std::nullopt;
    return Dynptr::load(address);
}

uint64_t store_dynptr(Execution& x, const Dynptr& dynptr, uint64_t address, int reg, int result) {
    if (!x.check_memory(address, sizeof(Dynptr), true, reg, "the dynptr")) return 0;
    dynptr.store(address);
    return int_result(result);
}

uint64_t dynptr_from_packet(Execution& x, Dynptr::Type type, uint64_t context, uint64_t flags,
                            uint64_t to) {
    const Event& event = x.event();
    if (context != reinterpret_cast<uint64_t>(event.ctx) || !event.data)
        return x.fault(Fault::Kind::BadArgument, "argument 1 is not the context of a packet", 1,
                       context);
    if (flags) return store_dynptr(x, Dynptr(), to, 3, -EINVAL);
    const auto size = static_cast<uint64_t>(event.data_end - event.data);
    const Dynptr dynptr(type, context, static_cast<uint32_t>(size), !event.packet_writable);
    return store_dynptr(x, dynptr, to, 3, 0);
}

uint64_t dynptr_from_skb(Execution& x, uint64_t context, uint64_t flags, uint64_t to, uint64_t,
                         uint64_t) {
    return dynptr_from_packet(x, Dynptr::Type::Skb, context, flags, to);
}

uint64_t dynptr_from_xdp(Execution& x, uint64_t context, uint64_t flags, uint64_t to, uint64_t,
                         uint64_t) {
    return dynptr_from_packet(x, Dynptr::Type::Xdp, context, flags, to);
}

uint8_t* slice(Execution& x, const Dynptr& dynptr, uint64_t offset, uint64_t size, bool write,
               int reg) {
    const auto at = static_cast<uint32_t>(offset), length = static_cast<uint32_t>(size);
    if (dynptr.is_null() || (write && dynptr.read_only()) || dynptr.check(at, length))
        return nullptr;
    return dynptr.memory(x, at, length, write, reg);
}

// Packets are in one piece here, so the buffer for those that are not is never used.
template <bool write>
uint64_t dynptr_slice(Execution& x, uint64_t address, uint64_t offset, uint64_t, uint64_t size,
                      uint64_t) {
    const auto dynptr = load_dynptr(x, address);
    return dynptr ? reinterpret_cast<uint64_t>(slice(x, *dynptr, offset, size, write, 1)) : 0;
}

uint64_t dynptr_adjust(Execution& x, uint64_t address, uint64_t start, uint64_t end, uint64_t,
                       uint64_t) {
    auto dynptr = load_dynptr(x, address);
    if (!dynptr) return 0;
    const int error = dynptr->adjust(static_cast<uint32_t>(start), static_cast<uint32_t>(end));
    return store_dynptr(x, *dynptr, address, 1, error);
}

uint64_t dynptr_is_null(Execution& x, uint64_t address, uint64_t, uint64_t, uint64_t, uint64_t) {
    const auto dynptr = load_dynptr(x, address);
    return dynptr && dynptr->is_null();
}

uint64_t dynptr_is_rdonly(Execution& x, uint64_t address, uint64_t, uint64_t, uint64_t, uint64_t) {
    const auto dynptr = load_dynptr(x, address);
    return dynptr && !dynptr->is_null() && dynptr->read_only();
}

uint64_t dynptr_size(Execution& x, uint64_t address, uint64_t, uint64_t, uint64_t, uint64_t) {
    const auto dynptr = load_dynptr(x, address);
    return !dynptr ? 0 : dynptr->is_null() ? int_result(-EINVAL) : dynptr->size();
}

uint64_t dynptr_clone(Execution& x, uint64_t address, uint64_t to, uint64_t, uint64_t, uint64_t) {
    const auto dynptr = load_dynptr(x, address);
    if (!dynptr) return 0;
    return store_dynptr(x, *dynptr, to, 2, dynptr->is_null() ? -EINVAL : 0);
}

uint64_t dynptr_copy(Execution& x, uint64_t to_address, uint64_t to_offset, uint64_t from_address,
                     uint64_t from_offset, uint64_t size) {
    const auto to = load_dynptr(x, to_address, 1), from = load_dynptr(x, from_address, 3);
    if (!to || !from) return 0;
    const auto length = static_cast<uint32_t>(size);
    const uint8_t* source = slice(x, *from, from_offset, length, false, 3);
    uint8_t* target = slice(x, *to, to_offset, length, true, 1);
    if (x.faulted()) return 0;
    const auto to_at = static_cast<uint32_t>(to_offset);
    const auto from_at = static_cast<uint32_t>(from_offset);
    if (source) return int_result(to->write(x, to_at, {source, length}, 0, 1));
    if (target) return int_result(from->read(x, from_at, {target, length}, 3));
    return int_result(to->check(to_at, length) || from->check(from_at, length) ? -E2BIG : 0);
}

uint64_t dynptr_memset(Execution& x, uint64_t address, uint64_t offset, uint64_t size,
                       uint64_t value, uint64_t) {
    const auto dynptr = load_dynptr(x, address);
    if (!dynptr) return 0;
    const auto at = static_cast<uint32_t>(offset), length = static_cast<uint32_t>(size);
    if (uint8_t* bytes = slice(x, *dynptr, at, length, true, 1)) {
        std::memset(bytes, static_cast<uint8_t>(value), length);
        return 0;
    }
    return int_result(dynptr->read_only() ? -EINVAL : dynptr->check(at, length));
}

// --- strings, anywhere in kernel memory and of up to 64 KiB ---

constexpr uint64_t kMaxString = 65536;  // XATTR_SIZE_MAX

class KernelString {
  public:
    KernelString(Execution& x, uint64_t address) : x_(x), address_(address) {}

    /// Whether there can be a string at all.
    bool allowed() { return at(0).has_value(); }
    /// Nothing where memory has ended.
    std::optional<uint8_t> at(uint64_t index) {
        if (index >= end_ || index < begin_) {
            begin_ = index;
            end_ = index + kernel_run(x_, address_ + index, kMaxString);
            if (end_ == begin_) return std::nullopt;
        }
        return reinterpret_cast<const uint8_t*>(address_)[index];
    }

  private:
    Execution& x_;
    uint64_t address_;
    uint64_t begin_ = 0, end_ = 0;  // indices that are known to be readable
};

uint8_t to_lower(uint8_t c) {
    const bool upper = (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7);
    return upper ? c + 0x20 : c;  // Latin-1, as the kernel's
}

template <bool ignore_case>
uint64_t compare(Execution& x, uint64_t first, uint64_t second, uint64_t, uint64_t, uint64_t) {
    KernelString s1(x, first), s2(x, second);
    if (!s1.allowed() || !s2.allowed()) return int_result(-ERANGE);
    for (uint64_t i = 0; i < kMaxString; ++i) {
        const auto c1 = s1.at(i), c2 = s2.at(i);
        if (!c1 || !c2) return int_result(-EFAULT);
        const uint8_t a = ignore_case ? to_lower(*c1) : *c1;
        const uint8_t b = ignore_case ? to_lower(*c2) : *c2;
        if (a != b) return int_result(a < b ? -1 : 1);
        if (a == 0) return 0;
    }
    return int_result(-E2BIG);
}

/// Where `visit` first says something, or what becomes of a string that goes on for too long.
template <typename Visit>
uint64_t scan(Execution& x, uint64_t string, uint64_t count, int64_t at_count, Visit visit) {
    KernelString s(x, string);
    if (!s.allowed()) return int_result(-ERANGE);
    for (uint64_t i = 0; i < count && i < kMaxString; ++i) {
        const auto c = s.at(i);
        if (!c) return int_result(-EFAULT);
        if (const std::optional<int64_t> answer = visit(static_cast<int64_t>(i), *c))
            return int_result(*answer);
    }
    return int_result(count >= kMaxString ? -E2BIG : at_count);
}

uint64_t strnchr(Execution& x, uint64_t string, uint64_t count, uint64_t wanted, uint64_t,
                 uint64_t) {
    const auto c = static_cast<uint8_t>(wanted);
    return scan(x, string, count, -ENOENT, [&](int64_t i, uint8_t at) -> std::optional<int64_t> {
        if (at == c) return i;
        if (at == 0) return -ENOENT;
        return std::nullopt;
    });
}

uint64_t strchr(Execution& x, uint64_t string, uint64_t wanted, uint64_t, uint64_t, uint64_t) {
    return strnchr(x, string, kMaxString, wanted, 0, 0);
}

uint64_t strchrnul(Execution& x, uint64_t string, uint64_t wanted, uint64_t, uint64_t, uint64_t) {
    const auto c = static_cast<uint8_t>(wanted);
    return scan(x, string, kMaxString, 0, [&](int64_t i, uint8_t at) -> std::optional<int64_t> {
        if (at == c || at == 0) return i;
        return std::nullopt;
    });
}

// Its character is an int, and one beyond a byte is not there.
uint64_t strrchr(Execution& x, uint64_t string, uint64_t wanted, uint64_t, uint64_t, uint64_t) {
    const auto c = static_cast<uint32_t>(wanted);
    int64_t last = -ENOENT;
    return scan(x, string, kMaxString, 0, [&](int64_t i, uint8_t at) -> std::optional<int64_t> {
        if (at == c) last = i;
        if (at == 0) return last;
        return std::nullopt;
    });
}

uint64_t strnlen(Execution& x, uint64_t string, uint64_t count, uint64_t, uint64_t, uint64_t) {
    const auto limit = static_cast<int64_t>(count);
    return scan(x, string, count, limit, [](int64_t i, uint8_t at) -> std::optional<int64_t> {
        if (at == 0) return i;
        return std::nullopt;
    });
}

uint64_t strlen(Execution& x, uint64_t string, uint64_t, uint64_t, uint64_t, uint64_t) {
    return strnlen(x, string, kMaxString, 0, 0, 0);
}

/// Whether `c`, not NUL, is in the set; or a negative errno.
int64_t contains(KernelString& set, uint8_t c) {
    for (uint64_t i = 0; i < kMaxString; ++i) {
        const auto at = set.at(i);
        if (!at) return -EFAULT;
        if (*at == 0) return 0;
        if (*at == c) return 1;
    }
    return -E2BIG;
}

/// How many characters from the start on are in the set (strspn), or are not (strcspn).
template <bool wanted>
uint64_t span(Execution& x, uint64_t string, uint64_t set_address, uint64_t, uint64_t, uint64_t) {
    KernelString set(x, set_address);
    if (!set.allowed()) return int_result(-ERANGE);
    return scan(x, string, kMaxString, 0, [&](int64_t i, uint8_t at) -> std::optional<int64_t> {
        if (at == 0) return i;
        const int64_t found = contains(set, at);
        if (found < 0) return found;
        if ((found == 1) != wanted) return i;
        return std::nullopt;
    });
}

/// Whether `needle` stands at `start` of the first `length` bytes: 1, 0, or how the search ends.
int64_t match_at(KernelString& text, KernelString& needle, uint64_t start, uint64_t length) {
    for (uint64_t j = 0; j < kMaxString; ++j) {
        const auto wanted = needle.at(j);
        if (!wanted) return -EFAULT;
        if (*wanted == 0) return 1;
        if (start + j >= length) return -ENOENT;
        const auto c = text.at(start + j);
        if (!c) return -EFAULT;
        if (*c == 0) return -ENOENT;
        if (*c != *wanted) return 0;
    }
    return -E2BIG;
}

uint64_t strnstr(Execution& x, uint64_t string, uint64_t wanted, uint64_t length, uint64_t,
                 uint64_t) {
    KernelString text(x, string), needle(x, wanted);
    if (!text.allowed() || !needle.allowed()) return int_result(-ERANGE);
    for (uint64_t i = 0; i < kMaxString; ++i) {
        const int64_t match = match_at(text, needle, i, length);
        if (match == 1) return int_result(static_cast<int64_t>(i));
        if (match < 0) return int_result(match);
    }
    return int_result(-E2BIG);
}

uint64_t strstr(Execution& x, uint64_t string, uint64_t wanted, uint64_t, uint64_t, uint64_t) {
    return strnstr(x, string, wanted, kMaxString, 0, 0);
}

using platform::KfuncId;

constexpr KfuncRow kRows[] = {
    {KfuncId::bpf_iter_num_new, iter_num_new},
    {KfuncId::bpf_iter_num_next, iter_num_next},
    {KfuncId::bpf_iter_num_destroy, iter_num_destroy},
    {KfuncId::bpf_cast_to_kern_ctx, same_pointer},
    {KfuncId::bpf_rdonly_cast, same_pointer},
    {KfuncId::bpf_rcu_read_lock, nothing},
    {KfuncId::bpf_rcu_read_unlock, nothing},
    {KfuncId::bpf_dynptr_from_skb, dynptr_from_skb},
    {KfuncId::bpf_dynptr_from_xdp, dynptr_from_xdp},
    {KfuncId::bpf_dynptr_slice, dynptr_slice<false>},
    {KfuncId::bpf_dynptr_slice_rdwr, dynptr_slice<true>},
    {KfuncId::bpf_dynptr_adjust, dynptr_adjust},
    {KfuncId::bpf_dynptr_is_null, dynptr_is_null},
    {KfuncId::bpf_dynptr_is_rdonly, dynptr_is_rdonly},
    {KfuncId::bpf_dynptr_size, dynptr_size},
    {KfuncId::bpf_dynptr_clone, dynptr_clone},
    {KfuncId::bpf_dynptr_copy, dynptr_copy},
    {KfuncId::bpf_dynptr_memset, dynptr_memset},
    {KfuncId::bpf_strcmp, compare<false>},
    {KfuncId::bpf_strcasecmp, compare<true>},
    {KfuncId::bpf_strnchr, strnchr},
    {KfuncId::bpf_strchr, strchr},
    {KfuncId::bpf_strchrnul, strchrnul},
    {KfuncId::bpf_strrchr, strrchr},
    {KfuncId::bpf_strnlen, strnlen},
    {KfuncId::bpf_strlen, strlen},
    {KfuncId::bpf_strspn, span<true>},
    {KfuncId::bpf_strcspn, span<false>},
    {KfuncId::bpf_strstr, strstr},
    {KfuncId::bpf_strnstr, strnstr},
};
static_assert(std::size(kRows) == [] {
    size_t count = 0;
#define KFUNC(...) ++count;
#include "platform/embedded_kfuncs.def"
#undef KFUNC
    return count;
}());

}  // namespace

std::span<const KfuncRow> kfuncs() {
    return kRows;
}

}  // namespace skep::engine
