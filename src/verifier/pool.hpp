// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

// Memory for the parts of verifier states. States are copied at every branch and kept at every
// place where paths meet, and a copy differs from its original in a register or two; so the parts
// (frames, spilled registers) are shared until one of the owners writes.
//
//     Pool<FuncState> pool;
//     Cow<FuncState> frame = pool.make();
//     Cow<FuncState> copy = frame;          // one counter up
//     copy.write().regs[0].type = kScalar;  // now they are two
//
// A pool must outlive what it made. Not for sharing between threads.

namespace skep::verifier {

/// Bytes that pools of one verifier run have taken from the system.
struct MemoryUse {
    size_t bytes = 0;
};

template <typename T>
class Cow;

template <typename T>
class Pool {
  public:
    explicit Pool(MemoryUse& use) : use_(use) {}
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    template <typename... Args>
    Cow<T> make(Args&&... args);

  private:
    friend class Cow<T>;
    struct Node {
        union {
            Node* next_free;
            Pool* pool;
        };
        uint32_t owners;
        alignas(T) std::byte storage[sizeof(T)];
        T& value() { return *std::launder(reinterpret_cast<T*>(storage)); }
    };
    static constexpr size_t kBlockNodes = sizeof(T) > 1024 ? 32 : 256;

    Node* take() {
        if (!free_) grow();
        Node* node = free_;
        free_ = node->next_free;
        node->pool = this;
        node->owners = 1;
        return node;
    }
    void give_back(Node* node) {
        node->value().~T();
        node->next_free = free_;
        free_ = node;
    }
    void grow() {
        blocks_.push_back(std::make_unique_for_overwrite<Node[]>(kBlockNodes));
        use_.bytes += kBlockNodes * sizeof(Node);
        Node* block = blocks_.back().get();
        for (size_t i = kBlockNodes; i-- > 0;) {
            block[i].next_free = free_;
            free_ = &block[i];
        }
    }

    MemoryUse& use_;
    Node* free_ = nullptr;
    std::vector<std::unique_ptr<Node[]>> blocks_;
};

/// A shared value that is copied when one of several owners writes to it; or null.
template <typename T>
class Cow {
  public:
    Cow() = default;
    Cow(const Cow& other) : node_(other.node_) {
        if (node_) ++node_->owners;
    }
    Cow(Cow&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    Cow& operator=(const Cow& other) {
        Cow copy(other);
        std::swap(node_, copy.node_);
        return *this;
    }
    Cow& operator=(Cow&& other) noexcept {
        std::swap(node_, other.node_);
        return *this;
    }
    ~Cow() { reset(); }

    void reset() {
        if (node_ && --node_->owners == 0) node_->pool->give_back(node_);
        node_ = nullptr;
    }
    explicit operator bool() const { return node_; }
    const T& operator*() const { return node_->value(); }
    const T* operator->() const { return &node_->value(); }
    /// The value, this owner's own from now on.
    T& write() {
        if (node_->owners > 1) [[unlikely]] {
            auto* own = node_->pool->take();
            new (own->storage) T(node_->value());
            --node_->owners;
            node_ = own;
        }
        return node_->value();
    }
    bool same_as(const Cow& other) const { return node_ == other.node_; }

  private:
    friend class Pool<T>;
    typename Pool<T>::Node* node_ = nullptr;
};

template <typename T>
template <typename... Args>
Cow<T> Pool<T>::make(Args&&... args) {
    Cow<T> result;
    result.node_ = take();
    new (result.node_->storage) T(std::forward<Args>(args)...);
    return result;
}

}  // namespace skep::verifier
