// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "maps/map.hpp"

namespace skep::maps {

// lpm_trie: the most specific prefix that contains a key. The kernel walks a binary trie, a cache
// miss for each branching bit; this one takes a byte at a step.
//
// A node covers one byte of the key. It has a bit for each prefix that ends within that byte (0 to
// 7 bits long: 255 of them, numbered as a heap, so that a prefix's parent is half its number) and a
// bit for each byte value below which there is more; behind the bits lie, in the same order, the
// references that exist. A subtree with only one prefix is that prefix itself (a leaf), so that
// depth follows what is there and not how long keys are.
//
//     node:  [256 prefix bits][256 child bits] [leaf...] [leaf or node...]
//     leaf:  [prefix length][key data][value]
//
// Readers take no lock: a node never changes but for whole references; a writer makes another node
// and puts it in the place of the old one, which is freed after a grace period, as leaves are
// recycled after one.
class LpmTrie final : public Map {
  public:
    static bool serves(MapType type) { return type == MapType::LpmTrie; }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);
    ~LpmTrie() override;

    void* lookup(const void* key, uint32_t cpu) override;
    int update(const void* key, const void* value, uint64_t flags, uint32_t cpu) override;
    int erase(const void* key) override;
    std::span<uint8_t> value_at(const void* address, size_t size) override;

  protected:
    int read_out(const void* key, void* value, uint64_t flags) override;
    /// Each prefix after those within it, from low to high, as in the kernel.
    int next(const void* key, void* next) override;

  private:
    struct Impl;
    LpmTrie(const MapDef& def, std::unique_ptr<Impl> impl);

    std::unique_ptr<Impl> impl_;
};

}  // namespace skep::maps
