// SPDX-License-Identifier: Apache-2.0
#include "runtime/map_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "base/text.hpp"

namespace skep::runtime {

namespace {

constexpr std::string_view kMagic = "SKEPMAP1";
constexpr size_t kMaxMembers = 1024;  // offsets of kernel pointers

bool can_be_kept(MapType type) {
    switch (type) {
        case MapType::Hash:
        case MapType::Array:
        case MapType::PercpuHash:
        case MapType::PercpuArray:
        case MapType::LruHash:
        case MapType::LruPercpuHash:
        case MapType::LpmTrie:
        case MapType::Devmap:
        case MapType::DevmapHash:
        case MapType::Cpumap: return true;
        default: return false;
    }
}

class Writer {
  public:
    template <typename T>
    void put(T value) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
        bytes_.insert(bytes_.end(), bytes, bytes + sizeof value);
    }
    void put_bytes(ByteView view) { bytes_.insert(bytes_.end(), view.begin(), view.end()); }
    void put_block(ByteView view) {
        put(static_cast<uint32_t>(view.size()));
        put_bytes(view);
    }
    Bytes& bytes() { return bytes_; }

  private:
    Bytes bytes_;
};

class Reader {
  public:
    Reader(ByteView bytes, const std::string& path) : bytes_(bytes), path_(path) {}

    template <typename T>
    Result<T> get() {
        const auto value = skep::load<T>(bytes_, at_);
        if (!value) return cut();
        at_ += sizeof(T);
        return *value;
    }
    Result<ByteView> get_bytes(uint64_t size) {
        const auto view = slice(bytes_, at_, size);
        if (!view) return cut();
        at_ += size;
        return *view;
    }
    Result<ByteView> get_block() { return get_bytes(SKEP_TRY(get<uint32_t>())); }
    size_t left() const { return bytes_.size() - at_; }

  private:
    std::unexpected<Error> cut() const {
        return malformed("{}: the pinned map ends at byte {}, in the middle", path_, bytes_.size());
    }
    ByteView bytes_;
    const std::string& path_;
    uint64_t at_ = 0;
};

void put_definition(Writer& out, const maps::Map& map, const MapTypes& types) {
    const maps::MapDef& def = map.def();
    out.put_bytes(bytes_of(kMagic));
    for (const uint32_t word :
         {uint32_t(def.type), def.key_size, def.value_size, def.max_entries, def.flags})
        out.put(word);
    out.put(def.extra);
    out.put(def.lock_offset ? *def.lock_offset + 1 : 0);
    out.put(def.timer_offset ? *def.timer_offset + 1 : 0);
    out.put(static_cast<uint32_t>(def.kptr_offsets.size()));
    for (const uint32_t offset : def.kptr_offsets) out.put(offset);
    out.put(uint32_t{map.frozen()});
    out.put(types.key_type_id);
    out.put(types.value_type_id);
    out.put_block(bytes_of(std::string_view(def.name)));
    out.put_block(types.btf ? types.btf->bytes() : ByteView());
}

struct Definition {
    maps::MapDef def;
    MapTypes types;
    bool frozen = false;
};

Result<Definition> get_definition(Reader& in, const std::string& path) {
    const ByteView magic = SKEP_TRY(in.get_bytes(kMagic.size()));
    if (!std::ranges::equal(magic, bytes_of(kMagic)))
        return malformed("{} is not a pinned map of skep", path);
    Definition result;
    maps::MapDef& def = result.def;
    def.type = static_cast<MapType>(SKEP_TRY(in.get<uint32_t>()));
    def.key_size = SKEP_TRY(in.get<uint32_t>());
    def.value_size = SKEP_TRY(in.get<uint32_t>());
    def.max_entries = SKEP_TRY(in.get<uint32_t>());
    def.flags = SKEP_TRY(in.get<uint32_t>());
    def.extra = SKEP_TRY(in.get<uint64_t>());
    if (const uint32_t lock = SKEP_TRY(in.get<uint32_t>())) def.lock_offset = lock - 1;
    if (const uint32_t timer = SKEP_TRY(in.get<uint32_t>())) def.timer_offset = timer - 1;
    const uint32_t kptrs = SKEP_TRY(in.get<uint32_t>());
    if (kptrs > kMaxMembers) return malformed("{}: {} kernel pointers in a value", path, kptrs);
    for (uint32_t i = 0; i < kptrs; i++) def.kptr_offsets.push_back(SKEP_TRY(in.get<uint32_t>()));
    result.frozen = SKEP_TRY(in.get<uint32_t>())
    != 0;
    result.types.key_type_id = SKEP_TRY(in.get<uint32_t>());
    result.types.value_type_id = SKEP_TRY(in.get<uint32_t>());
    const ByteView name = SKEP_TRY(in.get_block());
    def.name.assign(name.begin(), name.end());
    const ByteView btf = SKEP_TRY(in.get_block());
    if (!btf.empty()) result.types.btf = SKEP_TRY(btf::Btf::parse(Bytes(btf.begin(), btf.end())));
    return result;
}

/// Each special field lies in the value: Map::create() trusts an object's BTF, and this is a file.
Result<void> check_fields(const maps::MapDef& def, const std::string& path) {
    const auto inside = [&](uint32_t offset, uint32_t size) {
        return offset % 4 == 0 && uint64_t{offset} + size <= def.value_size;
    };
    bool fine = !def.lock_offset || inside(*def.lock_offset, maps::kSpinLockSize);
    fine = fine && (!def.timer_offset || inside(*def.timer_offset, maps::kTimerSize));
    for (const uint32_t offset : def.kptr_offsets) fine = fine && inside(offset, maps::kKptrSize);
    if (!fine) return malformed("{}: a special field lies outside of the value", path);
    return {};
}

}  // namespace

std::string pin_path(const std::string& directory, const std::string& name) {
    return name.contains('/') ? name : directory + "/" + name;
}

Result<std::unique_ptr<MapFile>> MapFile::lock(const std::string& path) {
    const std::string name = path + ".lock";
    UniqueFd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return std::unexpected(sys_error(name));
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
        return std::unexpected(
            Error{ErrorCode::Failed, fmt::format("{}: the map is open already", path),
                  "one process at a time has a pinned map of the embedded runtime", EBUSY});
    return std::unique_ptr<MapFile>(new MapFile(path, std::move(fd)));
}

Result<std::unique_ptr<MapFile>> MapFile::create(const std::string& path) {
    std::error_code error;
    const std::filesystem::path directory = std::filesystem::path(path).parent_path();
    if (!directory.empty() && !std::filesystem::exists(directory, error)) {
        std::filesystem::create_directories(directory, error);
        if (error) return std::unexpected(sys_error(directory.string(), error.value()));
        chmod(directory.c_str(), 0700);
    }
    auto file = SKEP_TRY(lock(path));
    if (access(path.c_str(), F_OK) == 0)
        return std::unexpected(sys_error(fmt::format("{}: pin", path), EEXIST));
    return file;
}

Result<std::unique_ptr<MapFile>> MapFile::open(const std::string& path) {
    if (access(path.c_str(), R_OK | W_OK) != 0) return std::unexpected(sys_error(path));
    return lock(path);
}

Result<void> MapFile::save(maps::Map& map, const MapTypes& types) const {
    const maps::MapDef& def = map.def();
    if (!can_be_kept(def.type))
        return unsupported("map '{}': a file cannot keep what a map of type {} holds",
                           printable(def.name), to_string(def.type));
    Writer out;
    put_definition(out, map, types);
    out.put(static_cast<uint32_t>(map.user_value_size()));
    const size_t count_at = out.bytes().size();
    uint64_t count = 0;
    out.put(count);
    Bytes key(def.key_size), next(def.key_size), value(map.user_value_size());
    const void* from = nullptr;
    while (map.next_key(from, next.data()) == 0) {
        key = next;
        from = key.data();
        if (map.user_lookup(from, value.data()) != 0) continue;
        out.put_bytes(key);
        out.put_bytes(value);
        count++;
    }
    std::memcpy(out.bytes().data() + count_at, &count, sizeof count);
    const std::string fresh = path_ + ".new";
    SKEP_TRY(write_file(fresh, out.bytes()));
    if (rename(fresh.c_str(), path_.c_str()) != 0) return std::unexpected(sys_error(path_));
    return {};
}

bool MapFile::is_one(const std::string& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return false;  // a pipe would wait
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, kMagic.size()> start{};
    return fd && ::read(fd.get(), start.data(), start.size()) == ssize_t(start.size()) &&
           std::ranges::equal(start, kMagic);
}

Result<MapFile::Contents> MapFile::read(const std::string& path) {
    const Bytes bytes = SKEP_TRY(read_file(path));
    Reader in(bytes, path);
    Definition found = SKEP_TRY(get_definition(in, path));
    if (!can_be_kept(found.def.type))
        return malformed("{}: maps of type {} cannot be pinned", path, to_string(found.def.type));
    SKEP_TRY(check_fields(found.def, path));
    auto created = maps::Map::create(found.def);
    if (!created) return std::unexpected(std::move(created).error().in(path));
    std::shared_ptr<maps::Map> map = std::move(*created);
    const uint32_t value_size = SKEP_TRY(in.get<uint32_t>());
    if (value_size != map->user_value_size())
        return unsupported("{}: it was written on a machine with another number of CPUs", path);
    const uint64_t count = SKEP_TRY(in.get<uint64_t>());
    for (uint64_t i = 0; i < count; i++) {
        const ByteView key = SKEP_TRY(in.get_bytes(found.def.key_size));
        const ByteView value = SKEP_TRY(in.get_bytes(value_size));
        if (const int error = map->user_update(key.data(), value.data(), 0))
            return malformed("{}: element {} of {} does not fit (error {})", path, i, count,
                             -error);
    }
    if (in.left() != 0) return malformed("{}: {} bytes behind the last element", path, in.left());
    if (found.frozen) map->freeze();
    return Contents{std::move(map), std::move(found.types)};
}

Result<void> MapFile::remove() {
    if (unlink(path_.c_str()) != 0) return std::unexpected(sys_error(path_));
    unlink((path_ + ".lock").c_str());
    return {};
}

}  // namespace skep::runtime
