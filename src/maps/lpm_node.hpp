// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>

namespace skep::maps::lpm {

inline const bool kHasPopcount = __builtin_cpu_supports("popcnt");

/// popcount as one instruction without asking the compiler for more than baseline x86-64.
inline uint32_t count_bits(uint64_t word) {
    if (kHasPopcount) [[likely]] {
        uint64_t result;
        __asm__("popcnt %1, %0" : "=r"(result) : "r"(word) : "cc");
        return static_cast<uint32_t>(result);
    }
    return static_cast<uint32_t>(std::popcount(word));
}

struct Bits {
    uint64_t words[4] = {};

    bool has(uint32_t bit) const { return words[bit / 64] >> (bit % 64) & 1; }
    void set(uint32_t bit) { words[bit / 64] |= uint64_t{1} << (bit % 64); }
    void clear(uint32_t bit) { words[bit / 64] &= ~(uint64_t{1} << (bit % 64)); }
    uint32_t count() const {
        return count_bits(words[0]) + count_bits(words[1]) + count_bits(words[2]) +
               count_bits(words[3]);
    }
    /// How many bits are set below `bit`.
    uint32_t rank(uint32_t bit) const {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < bit / 64; ++i) sum += count_bits(words[i]);
        return sum + count_bits(words[bit / 64] & ((uint64_t{1} << (bit % 64)) - 1));
    }
};

/// A prefix with its value, in the map's memory: length as in struct bpf_lpm_trie_key, data, value.
struct Leaf {
    uint32_t length;
    const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(this + 1); }
};

struct Node;

/// A Leaf (low bit set), a Node, or nothing (0).
class Ref {
  public:
    Ref() = default;
    explicit Ref(const Leaf* leaf) : word_(reinterpret_cast<uintptr_t>(leaf) | 1) {}
    explicit Ref(const Node* node) : word_(reinterpret_cast<uintptr_t>(node)) {}
    bool is_leaf() const { return word_ & 1; }
    const Leaf* leaf() const { return reinterpret_cast<const Leaf*>(word_ & ~uintptr_t{1}); }
    Node* node() const { return reinterpret_cast<Node*>(word_); }

  private:
    uintptr_t word_ = 0;
};

/// The bits fill one cache line; the children come first behind it, since every step takes one.
struct alignas(64) Node {
    Bits prefixes;  ///< heap numbers 1 to 255
    Bits children;  ///< byte values

    uint32_t count() const { return children.count() + prefixes.count(); }
    std::atomic<Ref>* items() { return reinterpret_cast<std::atomic<Ref>*>(this + 1); }
    const std::atomic<Ref>* items() const {
        return reinterpret_cast<const std::atomic<Ref>*>(this + 1);
    }
    Ref item(uint32_t index) const { return items()[index].load(std::memory_order_acquire); }

    uint32_t child_index(uint32_t byte) const { return children.rank(byte); }
    uint32_t prefix_index(uint32_t number) const {
        return children.count() + prefixes.rank(number);
    }
    std::atomic<Ref>& child_slot(uint32_t byte) { return items()[child_index(byte)]; }
    std::atomic<Ref>& prefix_slot(uint32_t number) { return items()[prefix_index(number)]; }
    Ref child(uint32_t byte) const { return item(child_index(byte)); }
    Ref prefix(uint32_t number) const { return item(prefix_index(number)); }
};
static_assert(sizeof(Node) == 64);

Node* make_node(const Bits& prefixes, const Bits& children);
void free_node(Node* node);
/// Copies of a node with one reference more or less. `number` names a prefix, `byte` a child.
Node* with_prefix(const Node& node, uint32_t number, Ref leaf);
Node* with_child(const Node& node, uint32_t byte, Ref ref);
Node* without_prefix(const Node& node, uint32_t number);
Node* without_child(const Node& node, uint32_t byte);

/// The heap number of the prefix made of the first `length` (0 to 7) bits of `byte`.
inline uint32_t prefix_number(uint8_t byte, uint32_t length) {
    return (1U << length) + (uint32_t{byte} >> (8 - length));
}

/// The longest prefix in `node` that contains the first `length` (0 to 8, of which 7 can matter)
/// bits of `byte`; 0 where there is none.
inline uint32_t longest_prefix(const Node& node, uint8_t byte, uint32_t length) {
    for (uint32_t number = prefix_number(byte, length < 7 ? length : 7); number; number /= 2)
        if (node.prefixes.has(number)) return number;
    return 0;
}

}  // namespace skep::maps::lpm
