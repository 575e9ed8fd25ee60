// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/code_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/file.hpp"
#include "engine/jit/published.hpp"

namespace skep::engine::jit {

class CodeChunk {
  public:
    static constexpr size_t kSize = 256 << 10;

    static Result<std::shared_ptr<CodeChunk>> create(size_t size) {
        UniqueFd fd(memfd_create("skep-jit", MFD_CLOEXEC));
        if (!fd) return std::unexpected(sys_error("memfd_create"));
        if (ftruncate(fd.get(), off_t(size)) != 0)
            return std::unexpected(sys_error("memory for machine code"));
        void* map = mmap(nullptr, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd.get(), 0);
        if (map == MAP_FAILED) return std::unexpected(not_executable());
        return std::make_shared<CodeChunk>(std::move(fd), static_cast<uint8_t*>(map), size);
    }

    /// In pages of no file: perf looks into its map for these only, and GDB cannot put breakpoints
    /// into shared ones. They are written before they become executable, and never again.
    static Result<std::shared_ptr<CodeChunk>> anonymous(std::span<const uint8_t> bytes) {
        void* map =
            mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED) return std::unexpected(sys_error("memory for machine code"));
        auto chunk =
            std::make_shared<CodeChunk>(UniqueFd(), static_cast<uint8_t*>(map), bytes.size());
        std::ranges::copy(bytes, chunk->map_);
        if (mprotect(map, bytes.size(), PROT_READ | PROT_EXEC) != 0)
            return std::unexpected(not_executable());
        return chunk;
    }
    std::span<const uint8_t> all() const { return {map_, size_}; }

    CodeChunk(UniqueFd fd, uint8_t* map, size_t size)
        : fd_(std::move(fd)), map_(map), size_(size) {}
    ~CodeChunk() { munmap(map_, size_); }

    /// A child after fork() shares the file with its parent, which may go on filling it.
    bool is_ours() const { return owner_ == getpid(); }

    /// Empty where it does not fit any more.
    Result<std::span<const uint8_t>> add(std::span<const uint8_t> bytes) {
        if (bytes.size() > size_ - used_) return std::span<const uint8_t>{};
        size_t done = 0;
        while (done < bytes.size()) {
            const ssize_t n =
                pwrite(fd_.get(), bytes.data() + done, bytes.size() - done, off_t(used_ + done));
            if (n < 0) return std::unexpected(sys_error("writing machine code"));
            done += size_t(n);
        }
        const std::span<const uint8_t> placed(map_ + used_, bytes.size());
        used_ += std::min(size_ - used_,
                          (bytes.size() + Code::kAlignment - 1) & ~(Code::kAlignment - 1));
        return placed;
    }

  private:
    static Error not_executable() {
        Error error = sys_error("executable memory");
        error.code = ErrorCode::Unsupported;
        return std::move(error).with_hint("run with --jit off: this process may not have any");
    }

    UniqueFd fd_;
    uint8_t* map_;
    size_t size_;
    size_t used_ = 0;
    pid_t owner_ = getpid();
};

namespace {

std::mutex g_lock;
std::weak_ptr<CodeChunk> g_filling;  // the chunk that has room; others live by their code

}  // namespace

Code::Code(std::shared_ptr<CodeChunk> chunk, std::span<const uint8_t> bytes)
    : chunk_(std::move(chunk)), bytes_(bytes) {}

Code::~Code() = default;

Result<std::unique_ptr<Code>> Code::place(std::span<const uint8_t> bytes) {
    if (published_by_address()) {
        auto chunk = SKEP_TRY(CodeChunk::anonymous(bytes));
        const std::span<const uint8_t> placed = chunk->all();
        return std::unique_ptr<Code>(new Code(std::move(chunk), placed));
    }
    const std::lock_guard guard(g_lock);
    std::shared_ptr<CodeChunk> chunk = g_filling.lock();
    std::span<const uint8_t> placed;
    if (chunk && chunk->is_ours()) placed = SKEP_TRY(chunk->add(bytes));
    if (placed.empty()) {
        chunk = SKEP_TRY(CodeChunk::create(std::max(CodeChunk::kSize, bytes.size())));
        placed = SKEP_TRY(chunk->add(bytes));
        g_filling = chunk;
    }
    return std::unique_ptr<Code>(new Code(std::move(chunk), placed));
}

}  // namespace skep::engine::jit
