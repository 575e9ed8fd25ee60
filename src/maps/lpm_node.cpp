// SPDX-License-Identifier: Apache-2.0
#include "maps/lpm_node.hpp"

#include <cstdlib>
#include <new>

#include "base/result.hpp"

namespace skep::maps::lpm {

namespace {

/// Copies the references of `from` that `to` has too, in order. Both orders are the same but for
/// one reference, which lies at `at` in the longer node.
void copy_around(const Node& from, Node& to, uint32_t at) {
    const bool grown = to.refs > from.refs;
    for (uint32_t i = 0; i < (grown ? from.refs : to.refs); ++i) {
        const uint32_t longer = i + (i >= at);
        const Ref ref = from.item(grown ? i : longer);
        to.items()[grown ? longer : i].store(ref, std::memory_order_relaxed);
    }
}

}  // namespace

Node* make_node(const Bits& prefixes, const Bits& children) {
    const uint32_t leaves = prefixes.count(), refs = leaves + children.count();
    void* memory = std::calloc(1, sizeof(Node) + refs * sizeof(Ref));
    SKEP_CHECK(memory != nullptr);
    return new (memory)
        Node{.prefixes = prefixes, .children = children, .leaves = leaves, .refs = refs};
}

void free_node(Node* node) {
    std::free(node);
}

Node* with_prefix(const Node& node, uint32_t number, Ref leaf) {
    Bits prefixes = node.prefixes;
    prefixes.set(number);
    Node* copy = make_node(prefixes, node.children);
    copy_around(node, *copy, prefixes.rank(number));
    copy->prefix_slot(number).store(leaf, std::memory_order_relaxed);
    return copy;
}

Node* with_child(const Node& node, uint32_t byte, Ref ref) {
    Bits children = node.children;
    children.set(byte);
    Node* copy = make_node(node.prefixes, children);
    copy_around(node, *copy, node.leaves + children.rank(byte));
    copy->child_slot(byte).store(ref, std::memory_order_relaxed);
    return copy;
}

Node* without_prefix(const Node& node, uint32_t number) {
    Bits prefixes = node.prefixes;
    prefixes.clear(number);
    Node* copy = make_node(prefixes, node.children);
    copy_around(node, *copy, prefixes.rank(number));
    return copy;
}

Node* without_child(const Node& node, uint32_t byte) {
    Bits children = node.children;
    children.clear(byte);
    Node* copy = make_node(node.prefixes, children);
    copy_around(node, *copy, node.leaves + children.rank(byte));
    return copy;
}

}  // namespace skep::maps::lpm
