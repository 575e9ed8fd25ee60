// SPDX-License-Identifier: Apache-2.0
#include "maps/lpm_node.hpp"

#include <cstdlib>
#include <new>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace skep::maps::lpm {

namespace {

/// Copies the references of `from` that `to` has too, in order. Both orders are the same but for
/// one reference, which lies at `at` in the longer node.
void copy_around(const Node& from, Node& to, uint32_t at) {
    const uint32_t before = from.count(), after = to.count();
    const bool grown = after > before;
    for (uint32_t i = 0; i < (grown ? before : after); ++i) {
        const uint32_t longer = i + (i >= at);
        const Ref ref = from.item(grown ? i : longer);
        to.items()[grown ? longer : i].store(ref, std::memory_order_relaxed);
    }
}

}  // namespace

Node* make_node(const Bits& prefixes, const Bits& children) {
    const size_t size = sizeof(Node) + (prefixes.count() + children.count()) * sizeof(Ref);
    void* memory = std::aligned_alloc(alignof(Node), align_up(size, alignof(Node)));
    SKEP_CHECK(memory != nullptr);
    std::memset(memory, 0, size);
    return new (memory) Node{.prefixes = prefixes, .children = children};
}

void free_node(Node* node) {
    std::free(node);
}

Node* with_prefix(const Node& node, uint32_t number, Ref leaf) {
    Bits prefixes = node.prefixes;
    prefixes.set(number);
    Node* copy = make_node(prefixes, node.children);
    copy_around(node, *copy, copy->prefix_index(number));
    copy->prefix_slot(number).store(leaf, std::memory_order_relaxed);
    return copy;
}

Node* with_child(const Node& node, uint32_t byte, Ref ref) {
    Bits children = node.children;
    children.set(byte);
    Node* copy = make_node(node.prefixes, children);
    copy_around(node, *copy, copy->child_index(byte));
    copy->child_slot(byte).store(ref, std::memory_order_relaxed);
    return copy;
}

Node* without_prefix(const Node& node, uint32_t number) {
    Bits prefixes = node.prefixes;
    prefixes.clear(number);
    Node* copy = make_node(prefixes, node.children);
    copy_around(node, *copy, node.prefix_index(number));
    return copy;
}

Node* without_child(const Node& node, uint32_t byte) {
    Bits children = node.children;
    children.clear(byte);
    Node* copy = make_node(node.prefixes, children);
    copy_around(node, *copy, node.child_index(byte));
    return copy;
}

}  // namespace skep::maps::lpm
