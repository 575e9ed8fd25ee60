// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/perf.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace skep::engine::jit {

namespace {

/// Not through a link that somebody else has laid there.
Result<UniqueFd> create(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!fd) {
        Error error = sys_error(path);
        error.hint = "SKEP_JIT_SYMBOLS asks for it";
        return std::unexpected(std::move(error));
    }
    return fd;
}

uint64_t now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return uint64_t(time.tv_sec) * 1'000'000'000 + uint64_t(time.tv_nsec);
}

// As the specification has them.
constexpr uint32_t kMagic = 0x4a695444;  // "JiTD"
struct Header {
    uint32_t magic = kMagic;
    uint32_t version = 1;
    uint32_t total_size = sizeof(Header);
    uint32_t elf_machine = EM_X86_64;
    uint32_t pad = 0;
    uint32_t pid = uint32_t(getpid());
    uint64_t timestamp = now();
    uint64_t flags = 0;
};
static_assert(sizeof(Header) == 40);

enum class Id : uint32_t { CodeLoad = 0, DebugInfo = 2 };
struct Record {
    Id id;
    uint32_t total_size;
    uint64_t timestamp;
};

void append_text(Bytes& out, std::string_view text) {
    append(out, bytes_of(text));
    out.push_back(0);
}

void append_record(Bytes& out, Id id, const Bytes& body) {
    append(out, Record{id, uint32_t(sizeof(Record) + body.size()), now()});
    append(out, body);
}

/// Of the lines in one function; nothing where there are none.
void append_lines(Bytes& out, const CodeMap& map, const CodeMap::Symbol& symbol) {
    Bytes entries;
    uint64_t count = 0;
    const CodeMap::Line* before = nullptr;  // what the function begins in
    const auto append_line = [&](const CodeMap::Line& line, const uint8_t* begin) {
        append(entries, reinterpret_cast<uint64_t>(begin));
        append(entries, line.line);
        append(entries, uint32_t{0});
        append_text(entries, line.file);
        count++;
    };
    for (const CodeMap::Line& line : map.lines) {
        if (line.begin >= symbol.begin + symbol.size) break;
        if (line.begin <= symbol.begin) {
            before = &line;
            continue;
        }
        if (before) append_line(*std::exchange(before, nullptr), symbol.begin);
        append_line(line, line.begin);
    }
    if (before) append_line(*before, symbol.begin);
    if (count == 0) return;
    Bytes body;
    append(body, reinterpret_cast<uint64_t>(symbol.begin));
    append(body, count);
    append(body, entries);
    append_record(out, Id::DebugInfo, body);
}

}  // namespace

Result<PerfMap> PerfMap::open() {
    std::string path = fmt::format("/tmp/perf-{}.map", getpid());
    UniqueFd fd = SKEP_TRY(create(path));
    return PerfMap(std::move(fd), std::move(path));
}

Result<void> PerfMap::add(const CodeMap& map) {
    std::string text;
    for (const CodeMap::Symbol& symbol : map.symbols)
        text += fmt::format("{:x} {:x} {}\n", reinterpret_cast<uint64_t>(symbol.begin), symbol.size,
                            symbol.name);
    return write_fd(fd_.get(), bytes_of(text), path_);
}

Result<Jitdump> Jitdump::open() {
    std::string path = fmt::format("jit-{}.dump", getpid());
    UniqueFd fd = SKEP_TRY(create(path));
    SKEP_TRY(write_fd(fd.get(), bytes_of(Header{}), path));
    // An executable mapping of it is how perf finds the file; it stays as long as the process.
    const auto page = size_t(sysconf(_SC_PAGESIZE));
    if (mmap(nullptr, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd.get(), 0) == MAP_FAILED)
        return std::unexpected(sys_error(path));
    return Jitdump(std::move(fd), std::move(path));
}

Result<void> Jitdump::add(const CodeMap& map) {
    Bytes out;
    for (const CodeMap::Symbol& symbol : map.symbols) {
        append_lines(out, map, symbol);
        Bytes body;
        append(body, uint32_t(getpid()));
        append(body, uint32_t(syscall(SYS_gettid)));
        const auto begin = reinterpret_cast<uint64_t>(symbol.begin);
        append(body, begin);
        append(body, begin);
        append(body, uint64_t{symbol.size});
        append(body, index_++);
        append_text(body, symbol.name);
        append(body, ByteView(symbol.begin, symbol.size));
        append_record(out, Id::CodeLoad, body);
    }
    return write_fd(fd_.get(), out, path_);
}

}  // namespace skep::engine::jit
