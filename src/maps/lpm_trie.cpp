// SPDX-License-Identifier: Apache-2.0
#include "maps/lpm_trie.hpp"

#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/bytes.hpp"
#include "maps/lpm_node.hpp"
#include "maps/memory.hpp"
#include "maps/rcu.hpp"

namespace skep::maps {

using namespace lpm;

namespace {

/// A key of a caller: struct bpf_lpm_trie_key, unaligned.
struct Prefix {
    uint32_t length;
    const uint8_t* data;

    explicit Prefix(const void* key) : data(static_cast<const uint8_t*>(key) + sizeof length) {
        std::memcpy(&length, key, sizeof length);
    }
    explicit Prefix(const Leaf& leaf) : length(leaf.length), data(leaf.data()) {}

    /// How many of its bits lie in byte `depth` or behind it.
    uint32_t left(uint32_t depth) const { return length - 8 * depth; }
    /// Byte `depth`, bits beyond the prefix as ones: what orders prefixes as next_key() does.
    uint32_t last_byte(uint32_t depth) const {
        if (length <= 8 * depth) return 0xff;
        const uint32_t bits = std::min(left(depth), 8U);
        return data[depth] | 0xffU >> bits;
    }
};

/// Whether `outer` contains `inner`; bytes before `depth` are known to agree.
bool contains(const Prefix& outer, const Prefix& inner, uint32_t depth) {
    if (outer.length > inner.length) return false;
    uint32_t at = depth;
    for (; at < outer.length / 8; ++at)
        if (outer.data[at] != inner.data[at]) return false;
    const uint32_t rest = outer.length % 8;
    return rest == 0 || (outer.data[at] ^ inner.data[at]) >> (8 - rest) == 0;
}

bool same(const Prefix& a, const Prefix& b, uint32_t depth) {
    return a.length == b.length && contains(a, b, depth);
}

/// Leaves: memory that stays while the map, or a leaf on its way to be recycled, lives.
class Leaves {
  public:
    static Result<std::shared_ptr<Leaves>> create(const MapDef& def) {
        auto leaves = std::make_shared<Leaves>();
        leaves->value_offset_ = static_cast<uint32_t>(align_up(def.key_size, 8));
        leaves->stride_ = leaves->value_offset_ + align_up(def.value_size, 8);
        leaves->value_size_ = def.value_size;
        // Twice the entries: some wait for a grace period.
        leaves->capacity_ = 2 * uint64_t{def.max_entries} + 4096;
        leaves->memory_ = SKEP_TRY(Reserved::create(leaves->stride_ * leaves->capacity_));
        leaves->memory_.prefer_huge_pages();
        return leaves;
    }

    Leaf* take() {
        const std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            Leaf* leaf = free_.back();
            free_.pop_back();
            return leaf;
        }
        if (used_ == capacity_) return nullptr;
        return reinterpret_cast<Leaf*>(memory_.data() + stride_ * used_++);
    }
    void give(Leaf* leaf) {
        const std::lock_guard lock(mutex_);
        free_.push_back(leaf);
    }
    uint8_t* value(const Leaf* leaf) const {
        return reinterpret_cast<uint8_t*>(const_cast<Leaf*>(leaf)) + value_offset_;
    }
    std::span<uint8_t> value_at(const void* address, size_t size) const {
        const uint64_t offset = static_cast<const uint8_t*>(address) - memory_.data();
        if (offset >= stride_ * capacity_) return {};
        const uint64_t inside = offset % stride_ - value_offset_;
        if (inside > value_size_ || size > value_size_ - inside) return {};
        return {memory_.data() + (offset - inside), value_size_};
    }

  private:
    Reserved memory_;
    uint64_t capacity_ = 0, used_ = 0, stride_ = 0;
    uint32_t value_offset_ = 0, value_size_ = 0;
    std::mutex mutex_;
    std::vector<Leaf*> free_;
};

void retire_node(Node* node) {
    rcu::retire(std::shared_ptr<const void>(
        node, [](const void* old) { free_node(static_cast<Node*>(const_cast<void*>(old))); }));
}

void free_subtree(Node* node) {
    for (uint32_t i = 0; i < node->children.count(); ++i)
        if (const Ref ref = node->item(i); !ref.is_leaf()) free_subtree(ref.node());
    free_node(node);
}

/// A node at `depth` that holds two different prefixes, which agree in all bytes before it.
Node* join(const Leaf* one, const Leaf* other, uint32_t depth) {
    Bits prefixes, children;
    const Leaf* both[] = {one, other};
    uint32_t number[2] = {};  // within this byte, or 0 where the prefix goes on
    for (int i = 0; i < 2; ++i) {
        const Prefix prefix(*both[i]);
        if (prefix.left(depth) < 8) {
            number[i] =
                prefix_number(prefix.left(depth) ? prefix.data[depth] : 0, prefix.left(depth));
            prefixes.set(number[i]);
        } else {
            children.set(prefix.data[depth]);
        }
    }
    Node* node = make_node(prefixes, children);
    if (node->count() == 1) {
        Node* below = join(one, other, depth + 1);
        node->items()[0].store(Ref(below), std::memory_order_relaxed);
        return node;
    }
    for (int i = 0; i < 2; ++i) {
        std::atomic<Ref>& slot =
            number[i] ? node->prefix_slot(number[i]) : node->child_slot(both[i]->data()[depth]);
        slot.store(Ref(both[i]), std::memory_order_relaxed);
    }
    return node;
}

/// The first prefix after `key` in the order of next_key(), in the subtree of `node`. `beside`: the
/// subtree lies behind `key` as a whole.
const Leaf* first_after(const Node& node, uint32_t depth, const Prefix* key, bool beside) {
    const auto behind = [&](const Leaf* leaf) {
        if (beside) return true;
        // Same bytes so far: by the rest of the bytes, then the longer one first.
        const Prefix prefix(*leaf);
        const uint32_t bytes = (std::max(prefix.length, key->length) + 7) / 8;
        for (uint32_t at = depth; at < bytes; ++at)
            if (prefix.last_byte(at) != key->last_byte(at))
                return prefix.last_byte(at) > key->last_byte(at);
        return prefix.length < key->length;
    };
    const uint32_t start = beside ? 0 : key->last_byte(depth);
    for (uint32_t byte = start; byte < 256; ++byte) {
        if (node.children.has(byte)) {
            const Ref ref = node.child(byte);
            const Leaf* found =
                ref.is_leaf() ? (behind(ref.leaf()) ? ref.leaf() : nullptr)
                              : first_after(*ref.node(), depth + 1, key, beside || byte > start);
            if (found) return found;
        }
        // Prefixes that end with this byte value, from long to short.
        for (uint32_t length = 8; length-- > 0;) {
            if ((byte + 1) % (1U << (8 - length)) != 0) break;
            const uint32_t number = prefix_number(static_cast<uint8_t>(byte), length);
            if (!node.prefixes.has(number)) continue;
            const Leaf* leaf = node.prefix(number).leaf();
            if (behind(leaf)) return leaf;
        }
    }
    return nullptr;
}

}  // namespace

struct LpmTrie::Impl {
    explicit Impl(const MapDef& def, std::shared_ptr<Leaves> made)
        : bytes(def.key_size - sizeof(uint32_t)), leaves(std::move(made)) {
        root.store(Ref(make_node({}, {})));
    }
    ~Impl() { free_subtree(root.load().node()); }

    /// Where a prefix is or belongs: the way down to the node, and what of the node it is.
    struct Way {
        std::vector<std::atomic<Ref>*> slots;  ///< that refer to the nodes, from the root
        uint32_t number = 0;                   ///< of the prefix within the last node, or 0
        uint32_t byte = 0;                     ///< else: of the child
        std::atomic<Ref>* place = nullptr;     ///< of the leaf that is there, if there is one
        const Leaf* leaf = nullptr;            ///< which may be another prefix's

        Node& node() const { return *slots.back()->load(std::memory_order_relaxed).node(); }
        uint32_t depth() const { return static_cast<uint32_t>(slots.size()) - 1; }
    };
    Way find(const Prefix& prefix);
    const Leaf* find_leaf(const Prefix& prefix);
    const Leaf* longest(const Prefix& key) const;
    void insert(const Way& way, const Leaf* leaf);
    void remove(Way way);
    void retire_leaf(const Leaf* leaf);

    uint32_t bytes;  ///< of data in a key
    std::shared_ptr<Leaves> leaves;
    std::atomic<Ref> root;
    std::mutex mutex;  ///< writers
    uint32_t entries = 0;
};

// -- reading ------------------------------------------------------------------------------------

const Leaf* LpmTrie::Impl::longest(const Prefix& key) const {
    const Node* way[257];
    const Node* node = root.load(std::memory_order_acquire).node();
    uint32_t depth = 0;
    for (;; ++depth) {
        way[depth] = node;
        if (key.left(depth) < 8) break;
        const uint8_t byte = key.data[depth];
        if (!node->children.has(byte)) break;
        const Ref ref = node->child(byte);
        if (ref.is_leaf()) {
            if (contains(Prefix(*ref.leaf()), key, depth)) return ref.leaf();
            break;
        }
        node = ref.node();
        __builtin_prefetch(node->items());  // most nodes are small: the line that comes next
    }
    // Mostly the deepest node knows; otherwise back to the one before it.
    for (;; --depth) {
        const uint32_t left = std::min(key.left(depth), 8U);
        const uint32_t number = longest_prefix(*way[depth], left ? key.data[depth] : 0, left);
        if (number) return way[depth]->prefix(number).leaf();
        if (depth == 0) return nullptr;
    }
}

void* LpmTrie::lookup(const void* key, uint32_t) {
    const Prefix wanted(key);
    if (wanted.length > 8 * impl_->bytes) return nullptr;
    const rcu::ReadGuard guard;
    const Leaf* leaf = impl_->longest(wanted);
    return leaf ? impl_->leaves->value(leaf) : nullptr;
}

int LpmTrie::read_out(const void* key, void* value, uint64_t flags) {
    const rcu::ReadGuard guard;  // the leaf is not recycled while we copy
    return Map::read_out(key, value, flags);
}

int LpmTrie::next(const void* key, void* next) {
    const std::lock_guard lock(impl_->mutex);
    const Node& root = *impl_->root.load(std::memory_order_relaxed).node();
    const Leaf* leaf = nullptr;
    const bool known =
        key && Prefix(key).length <= 8 * impl_->bytes && impl_->find_leaf(Prefix(key));
    if (known) {
        const Prefix current(key);
        leaf = first_after(root, 0, &current, false);
    } else {
        leaf = first_after(root, 0, nullptr, true);
    }
    if (!leaf) return -ENOENT;
    std::memcpy(next, leaf, def_.key_size);
    return 0;
}

std::span<uint8_t> LpmTrie::value_at(const void* address, size_t size) {
    return impl_->leaves->value_at(address, size);
}

// -- writing, under the mutex -------------------------------------------------------------------

LpmTrie::Impl::Way LpmTrie::Impl::find(const Prefix& prefix) {
    Way way;
    way.slots.push_back(&root);
    for (uint32_t depth = 0;; ++depth) {
        Node& node = way.node();
        if (const uint32_t left = prefix.left(depth); left < 8) {
            way.number = prefix_number(left ? prefix.data[depth] : 0, left);
            if (node.prefixes.has(way.number)) way.place = &node.prefix_slot(way.number);
            break;
        }
        way.byte = prefix.data[depth];
        if (!node.children.has(way.byte)) break;
        std::atomic<Ref>& slot = node.child_slot(way.byte);
        if (slot.load(std::memory_order_relaxed).is_leaf()) {
            way.place = &slot;
            break;
        }
        way.slots.push_back(&slot);
    }
    if (way.place) way.leaf = way.place->load(std::memory_order_relaxed).leaf();
    return way;
}

const Leaf* LpmTrie::Impl::find_leaf(const Prefix& prefix) {
    const Way way = find(prefix);
    return way.leaf && same(Prefix(*way.leaf), prefix, way.depth()) ? way.leaf : nullptr;
}

void LpmTrie::Impl::insert(const Way& way, const Leaf* leaf) {
    if (way.leaf) {
        // A single other prefix stands where ours must go down: a node for both.
        Node* node = join(way.leaf, leaf, way.depth() + 1);
        way.place->store(Ref(node), std::memory_order_release);
        return;
    }
    Node& old = way.node();
    Node* grown =
        way.number ? with_prefix(old, way.number, Ref(leaf)) : with_child(old, way.byte, Ref(leaf));
    way.slots.back()->store(Ref(grown), std::memory_order_release);
    retire_node(&old);
}

void LpmTrie::Impl::remove(Way way) {
    Node* old = &way.node();
    Node* left = way.number ? without_prefix(*old, way.number) : without_child(*old, way.byte);
    // A node with one leaf left is that leaf, and so on upwards; the root stays a node.
    while (way.slots.size() > 1 && left->count() == 1 && left->item(0).is_leaf()) {
        const Ref last = left->item(0);
        free_node(left);
        way.slots.back()->store(last, std::memory_order_release);
        retire_node(old);
        way.slots.pop_back();
        old = &way.node();
        if (old->count() != 1 || way.slots.size() == 1) return;
        left = make_node(old->prefixes, old->children);
        left->items()[0].store(last, std::memory_order_relaxed);
    }
    way.slots.back()->store(Ref(left), std::memory_order_release);
    retire_node(old);
}

void LpmTrie::Impl::retire_leaf(const Leaf* leaf) {
    rcu::retire(std::shared_ptr<const void>(leaf, [pool = leaves](const void* old) {
        pool->give(static_cast<Leaf*>(const_cast<void*>(old)));
    }));
}

int LpmTrie::update(const void* key, const void* value, uint64_t flags, uint32_t) {
    const Prefix prefix(key);
    if (flags > BPF_EXIST || prefix.length > 8 * impl_->bytes) return -EINVAL;
    const std::lock_guard lock(impl_->mutex);
    const Impl::Way way = impl_->find(prefix);
    const bool exists = way.leaf && same(Prefix(*way.leaf), prefix, way.depth());
    if (exists && flags == BPF_NOEXIST) return -EEXIST;
    if (!exists && flags == BPF_EXIST) return -ENOENT;
    if (!exists && impl_->entries == def_.max_entries) return -ENOSPC;

    Leaf* leaf = impl_->leaves->take();
    if (!leaf && !rcu::reading()) {
        rcu::barrier();  // all that wait to be recycled now are
        leaf = impl_->leaves->take();
    }
    if (!leaf) return -ENOMEM;
    std::memcpy(leaf, key, def_.key_size);
    layout_.copy(impl_->leaves->value(leaf), value);
    if (exists) {
        way.place->store(Ref(leaf), std::memory_order_release);
        impl_->retire_leaf(way.leaf);
    } else {
        impl_->insert(way, leaf);
        ++impl_->entries;
    }
    return 0;
}

int LpmTrie::erase(const void* key) {
    const Prefix prefix(key);
    if (prefix.length > 8 * impl_->bytes) return -EINVAL;
    const std::lock_guard lock(impl_->mutex);
    Impl::Way way = impl_->find(prefix);
    if (!way.leaf || !same(Prefix(*way.leaf), prefix, way.depth())) return -ENOENT;
    const Leaf* leaf = way.leaf;
    impl_->remove(std::move(way));
    impl_->retire_leaf(leaf);
    --impl_->entries;
    return 0;
}

Result<std::unique_ptr<Map>> LpmTrie::create(const MapDef& def) {
    std::shared_ptr<Leaves> leaves = SKEP_TRY(Leaves::create(def));
    return std::unique_ptr<Map>(new LpmTrie(def, std::make_unique<Impl>(def, std::move(leaves))));
}

LpmTrie::LpmTrie(const MapDef& def, std::unique_ptr<Impl> impl)
    : Map(def), impl_(std::move(impl)) {}

LpmTrie::~LpmTrie() = default;

}  // namespace skep::maps
