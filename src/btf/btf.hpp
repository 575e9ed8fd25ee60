// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "btf/type.hpp"

// BTF: the types of a BPF object or of a kernel. A Btf owns its bytes and has checked all of them,
// so that later code follows ids, names and members without further tests.
//
//     std::shared_ptr<const btf::Btf> kernel = SKEP_TRY(btf::Btf::load("/sys/kernel/btf/vmlinux"));
//     std::optional<btf::Type> task = kernel->find("task_struct", btf::Kind::Struct);
//     btf::Field pid = SKEP_TRY(kernel->find_field(task->id(), "pid"));
//     fmt::print("{}\n", pid.bit_offset / 8);
//
// What is checked: every id, string, size and count lies in range; references are to kinds that
// make sense; no type contains itself by value, at most kMaxNesting deep; sizes fit in 32 bits. Not
// checked: that members stay inside their struct (the kernel does not for its own BTF either), so
// whoever reads values uses bounds-checked loads. Little-endian only; pointers are 8 bytes.
//
// Immutable and safe to share between threads. Parsing vmlinux (5.5 MB, 150,000 types) including
// the index by name takes about 15 ms.

namespace skep::btf {

/// Where a member path leads.
struct Field {
    uint32_t type = 0;        ///< of the member, modifiers kept
    uint32_t bit_offset = 0;  ///< from the start of the outermost type
    uint32_t bitfield_size = 0;
};

class Btf {
  public:
    static constexpr uint32_t kMaxNesting = 128;

    /// `base`: for split BTF (a kernel module's), the BTF whose ids and strings it continues.
    static Result<std::shared_ptr<const Btf>> parse(Bytes bytes,
                                                    std::shared_ptr<const Btf> base = nullptr);
    /// A file of raw BTF, e.g. /sys/kernel/btf/vmlinux.
    static Result<std::shared_ptr<const Btf>> load(const std::string& path,
                                                   std::shared_ptr<const Btf> base = nullptr);

    /// Ids are 0 .. type_count() - 1; 0 is void.
    uint32_t type_count() const { return first_id_ + uint32_t(records_.size()); }
    /// The first id of this BTF itself: 1, or more where there is a base.
    uint32_t first_id() const { return first_id_; }

    /// An id out of range (it came from elsewhere than this BTF) gives void.
    Type type(uint32_t id) const;
    /// The type behind typedefs, const, volatile, restrict and type tags.
    Type resolve(uint32_t id) const;
    /// Bytes of a value; nothing for void, functions and forward declarations.
    std::optional<uint32_t> size_of(uint32_t id) const;
    /// As a C compiler for a 64-bit target aligns it; 1 for packed structs.
    uint32_t align_of(uint32_t id) const;

    /// The lowest id of that name and kind.
    std::optional<Type> find(std::string_view name, Kind kind) const;
    /// All types whose name is `name`, of any kind, in ascending order.
    std::vector<uint32_t> find_all(std::string_view name) const;
    /// The same with what follows "___" left aside, in `name` and in the types' names.
    std::vector<uint32_t> find_flavors(std::string_view name) const;

    /// `path` names a member from struct or union `type`: "sk", "a.b", "list[2].next". Members of
    /// anonymous structs and unions are reached as in C.
    Result<Field> find_field(uint32_t type, std::string_view path) const;

    /// The string at an offset, or "" where there is none.
    std::string_view string(uint32_t offset) const;
    uint32_t string_bytes() const { return first_string_ + uint32_t(strings_.size()); }

    ByteView bytes() const { return bytes_; }
    /// Where the record of `type` (one of this BTF itself) stands in bytes().
    size_t record_offset(const Type& type) const { return size_t(type.record_ - bytes_.data()); }

  private:
    struct Layout {
        uint32_t size = 0;
        uint8_t align = 1;
        uint8_t nesting = 0;
    };
    static constexpr uint32_t kUnsized = UINT32_MAX;

    Btf() = default;
    Result<void> read_header();
    Result<void> scan_types();
    Result<void> check_record(const Type& type) const;
    Result<void> check_references(const Type& type) const;
    Result<void> check_reference(const Type& from, uint32_t id) const;
    Result<void> lay_out_all();
    Result<void> lay_out(uint32_t root);
    Result<Layout> compute_layout(const Type& type) const;
    const Layout& layout(uint32_t id) const;
    void index_names();
    template <typename Visit>
    void visit_named(std::string_view essential, const Visit& visit) const;

    std::shared_ptr<const Btf> base_;
    Bytes bytes_;
    ByteView types_;
    ByteView strings_;
    uint32_t first_id_ = 1;
    uint32_t first_string_ = 0;
    std::vector<uint32_t> records_;  // offset in types_ of each type from first_id_
    std::vector<Layout> layouts_;
    // A hash table of essential names: bucket -> lowest index, index -> next index of the bucket.
    std::vector<uint32_t> buckets_;
    std::vector<uint32_t> next_;
};

/// `name` without its flavor: "task_struct" for "task_struct___old" (CO-RE's convention).
std::string_view essential_name(std::string_view name);

}  // namespace skep::btf
