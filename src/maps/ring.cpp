// SPDX-License-Identifier: Apache-2.0
#include "maps/ring.hpp"

#include <immintrin.h>
#include <linux/bpf.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "base/bytes.hpp"
#include "base/file.hpp"

namespace skep::maps {

namespace {

constexpr uint32_t kBusy = BPF_RINGBUF_BUSY_BIT;
constexpr uint32_t kDiscard = BPF_RINGBUF_DISCARD_BIT;
constexpr uint32_t kHeaderSize = BPF_RINGBUF_HDR_SZ;
constexpr uint64_t kMaxRecord = UINT32_MAX / 4;
constexpr uint32_t kMetaPages = 3;  // what the kernel counts before the data in page offsets

/// The space that a record with this header takes.
uint64_t space_of(uint32_t length) {
    return align_up(uint64_t{length & ~(kBusy | kDiscard)} + kHeaderSize, 8);
}

/// Whether a sleeper can make all producers' stores visible by itself (membarrier(2)), so that they
/// need no fence.
bool can_fence_others() {
#if defined(__SANITIZE_THREAD__)
    return false;
#else
    static const bool can =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    return can;
#endif
}

}  // namespace

// Fields that different threads write lie on lines of their own.
struct Ring::State {
    alignas(64) std::atomic<uint64_t> consumer = 0;
    alignas(64) std::atomic<uint64_t> producer = 0;
    uint64_t pending = 0;  ///< all records before it are committed; under the lock
    std::atomic<uint32_t> locked = 0;
    alignas(64) std::atomic<uint64_t> lost = 0;
    alignas(64) std::atomic<uint32_t> sleeping = 0;
    bool quiet_producers = can_fence_others();
};

Ring::Ring(uint32_t size) : state_(std::make_unique<State>()), size_(size) {}

Ring::Ring(Ring&& other) noexcept
    : state_(std::move(other.state_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(other.size_),
      starts_(std::move(other.starts_)),
      wake_(std::move(other.wake_)) {}

Ring::~Ring() {
    if (data_) munmap(data_, 2 * size_);
}

Result<Ring> Ring::create(uint32_t size) {
    Ring ring(size);
    ring.starts_ = SKEP_TRY(Reserved::create(size / 64));
    const UniqueFd memory(memfd_create("skep-ring", MFD_CLOEXEC));
    if (!memory || ftruncate(memory.get(), size) != 0)
        return std::unexpected(sys_error("ring buffer memory"));
    void* data = mmap(nullptr, 2 * ring.size_, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) return std::unexpected(sys_error("ring buffer memory"));
    ring.data_ = static_cast<uint8_t*>(data);
    for (uint8_t* half : {ring.data_, ring.data_ + size}) {
        if (mmap(half, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory.get(), 0) ==
            MAP_FAILED)
            return std::unexpected(sys_error("ring buffer memory"));
    }
    return ring;
}

// -- producers ----------------------------------------------------------------------------------

uint8_t* Ring::reserve(uint64_t size) {
    const uint64_t length = align_up(size + kHeaderSize, 8);
    if (size > kMaxRecord || length > size_) {
        state_->lost.fetch_add(1, std::memory_order_relaxed);
        return nullptr;
    }
    for (uint32_t spins = 0; state_->locked.exchange(1, std::memory_order_acquire) != 0;) {
        if (++spins % 128 == 0) sched_yield();
        _mm_pause();
    }
    uint8_t* record = nullptr;
    if (has_room(length)) [[likely]] {
        const uint64_t position = state_->producer.load(std::memory_order_relaxed);
        Header& header = header_at(position);
        mark_start(position, length);
        header.page_offset =
            static_cast<uint32_t>((position & (size_ - 1)) / kPageSize) + kMetaPages;
        header.length.store(static_cast<uint32_t>(size) | kBusy, std::memory_order_relaxed);
        state_->producer.store(position + length, std::memory_order_release);
        record = reinterpret_cast<uint8_t*>(&header) + kHeaderSize;
    }
    state_->locked.store(0, std::memory_order_release);
    if (!record) state_->lost.fetch_add(1, std::memory_order_relaxed);
    return record;
}

/// Neither the unread records nor those from the oldest busy one on may fill the whole ring: a
/// record that nobody submits must not be overwritten even where the reader has gone past it.
bool Ring::has_room(uint64_t length) {
    const uint64_t position = state_->producer.load(std::memory_order_relaxed);
    while (state_->pending != position) {
        const uint32_t header = header_at(state_->pending).length.load(std::memory_order_relaxed);
        if (header & kBusy) break;
        state_->pending += space_of(header);
    }
    const uint64_t end = position + length;
    return end - state_->consumer.load(std::memory_order_acquire) < size_ &&
           end - state_->pending < size_;
}

void Ring::mark_start(uint64_t position, uint64_t length) {
    uint64_t bit = (position & (size_ - 1)) / 8, left = length / 8;
    bool first = true;
    while (left) {
        const uint64_t in_word = std::min(64 - bit % 64, left);
        const uint64_t covered = (in_word == 64 ? ~uint64_t{0} : (uint64_t{1} << in_word) - 1)
                                 << (bit % 64);
        std::atomic<uint64_t>& word = start_word(bit / 64);
        uint64_t value = word.load(std::memory_order_relaxed) & ~covered;
        if (first) value |= uint64_t{1} << (bit % 64);
        word.store(value, std::memory_order_relaxed);
        first = false;
        left -= in_word;
        bit = (bit + in_word) % (size_ / 8);
    }
}

bool Ring::commit(uint8_t* record, uint64_t flags, bool discard) {
    const uint64_t place = static_cast<uint64_t>(record - data_) - kHeaderSize;
    if (place >= size_ || place % 8 != 0) return false;
    const uint64_t started = start_word(place / 512).load(std::memory_order_relaxed);
    Header& header = header_at(place);
    uint32_t length = header.length.load(std::memory_order_relaxed);
    if (!(started >> (place / 8 % 64) & 1) || !(length & kBusy)) return false;
    length = (length & ~kBusy) | (discard ? kDiscard : 0);

    // The record must be visible before we look whether a reader has gone to sleep: either it sees
    // the record or we see it sleeping. A sleeper in wait() sees to that with membarrier(2).
    if (state_->quiet_producers && !wake_) [[likely]] {
        header.length.store(length, std::memory_order_release);
        std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
        header.length.exchange(length, std::memory_order_seq_cst);
    }
    if (flags & BPF_RB_NO_WAKEUP && !(flags & BPF_RB_FORCE_WAKEUP)) return true;
    const uint64_t reader = state_->consumer.load(std::memory_order_acquire) & (size_ - 1);
    if (reader == place || flags & BPF_RB_FORCE_WAKEUP) wake();
    return true;
}

void Ring::wake() {
    if (wake_) {
        wake_();
    } else if (state_->sleeping.load(std::memory_order_seq_cst) &&
               state_->sleeping.exchange(0, std::memory_order_seq_cst)) {
        syscall(SYS_futex, &state_->sleeping, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
}

// -- the consumer -------------------------------------------------------------------------------

size_t Ring::consume(FunctionRef<bool(std::span<const uint8_t>)> record) {
    size_t count = 0;
    uint64_t position = state_->consumer.load(std::memory_order_relaxed);
    for (bool stop = false; !stop;) {
        if (position == state_->producer.load(std::memory_order_acquire)) break;
        const Header& header = header_at(position);
        const uint32_t length = header.length.load(std::memory_order_acquire);
        if (length & kBusy) break;
        if (!(length & kDiscard)) {
            ++count;
            stop = record({reinterpret_cast<const uint8_t*>(&header) + kHeaderSize, length});
        }
        position += space_of(length);
        state_->consumer.store(position, std::memory_order_release);
    }
    return count;
}

bool Ring::ready() const {
    const uint64_t position = state_->consumer.load(std::memory_order_relaxed);
    return position != state_->producer.load(std::memory_order_acquire) &&
           !(header_at(position).length.load(std::memory_order_acquire) & kBusy);
}

bool Ring::wait(std::chrono::milliseconds timeout) {
    if (ready()) return true;
    state_->sleeping.store(1, std::memory_order_seq_cst);
    if (state_->quiet_producers) syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    if (!ready()) {
        const timespec time{.tv_sec = timeout.count() / 1000,
                            .tv_nsec = timeout.count() % 1000 * 1'000'000};
        syscall(SYS_futex, &state_->sleeping, FUTEX_WAIT_PRIVATE, 1, &time, nullptr, 0);
    }
    state_->sleeping.store(0, std::memory_order_seq_cst);
    return ready();
}

// -- questions ----------------------------------------------------------------------------------

std::optional<uint64_t> Ring::start_before(uint64_t place) const {
    const uint64_t words = std::max<uint64_t>(size_ / 512, 1);
    const uint64_t bit = place / 8;
    uint64_t index = bit / 64;
    uint64_t word =
        start_word(index).load(std::memory_order_relaxed) & (~uint64_t{0} >> (63 - bit % 64));
    for (uint64_t looked = 0; looked <= words; ++looked) {
        if (word) return (index * 64 + 63 - static_cast<uint64_t>(std::countl_zero(word))) * 8;
        index = (index + words - 1) % words;
        word = start_word(index).load(std::memory_order_relaxed);
    }
    return std::nullopt;
}

std::span<uint8_t> Ring::record_at(const void* address, size_t size) const {
    const auto offset = static_cast<uint64_t>(static_cast<const uint8_t*>(address) - data_);
    if (offset >= 2 * size_) return {};
    const uint64_t place = offset & (size_ - 1);
    const auto start = start_before((place - kHeaderSize) & (size_ - 1));
    if (!start) return {};
    const uint32_t length = header_at(*start).length.load(std::memory_order_acquire);
    const uint64_t inside = ((place - *start) & (size_ - 1)) - kHeaderSize;
    const uint64_t payload = length & ~(kBusy | kDiscard);
    if (!(length & kBusy) || inside > payload || size > payload - inside) return {};
    return {data_ + (offset - inside), payload};
}

uint64_t Ring::query(uint64_t what) const {
    const uint64_t consumer = state_->consumer.load(std::memory_order_acquire);
    const uint64_t producer = state_->producer.load(std::memory_order_acquire);
    switch (what) {
        case BPF_RB_AVAIL_DATA: return producer - consumer;
        case BPF_RB_RING_SIZE: return size_;
        case BPF_RB_CONS_POS: return consumer;
        case BPF_RB_PROD_POS: return producer;
        default: return 0;
    }
}

uint64_t Ring::lost() const {
    return state_->lost.load(std::memory_order_relaxed);
}

}  // namespace skep::maps
