// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

// Keys of the hash tables: how a key of 4, 8, 16 or any number of bytes is hashed, stored and
// compared. A stored key is padded with zeros to whole 64-bit words, which are read and written
// atomically; only a key of more than one word can be seen half written (kOneWord says which).

namespace skep::maps {

inline uint64_t load_u64(const uint8_t* from) {
    uint64_t value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
inline uint64_t load_u32(const uint8_t* from) {
    uint32_t value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

/// The two halves of a 128-bit product, folded: one multiplication that every input bit reaches.
inline uint64_t fold(uint64_t a, uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const auto product = static_cast<Wide>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline constexpr uint64_t kOdd1 = 0x9e3779b97f4a7c15;  // fractions of the golden ratio, of
inline constexpr uint64_t kOdd2 = 0xc2b2ae3d27d4eb4f;  // primes' roots: any odd random-looking
                                                       // numbers do

inline uint64_t hash_word(uint64_t word, uint64_t seed) {
    return fold(word ^ seed, kOdd1);
}

inline uint64_t hash_bytes(const uint8_t* bytes, size_t size, uint64_t seed) {
    uint64_t a, b;
    if (size >= 8) {
        for (size_t done = 0; size - done > 16; done += 16)
            seed = fold(load_u64(bytes + done) ^ kOdd1, load_u64(bytes + done + 8) ^ seed);
        a = size >= 16 ? load_u64(bytes + size - 16) : load_u64(bytes);
        b = load_u64(bytes + size - 8);
    } else if (size >= 4) {
        a = load_u32(bytes);
        b = load_u32(bytes + size - 4);
    } else {
        a = size ? uint64_t{bytes[0]} << 16 | uint64_t{bytes[size / 2]} << 8 | bytes[size - 1] : 0;
        b = 0;
    }
    return fold(fold(a ^ kOdd2, b ^ seed), kOdd1 ^ size);
}

inline uint64_t stored_word(const uint8_t* stored) {
    return __atomic_load_n(reinterpret_cast<const uint64_t*>(stored), __ATOMIC_ACQUIRE);
}
inline void store_word(uint8_t* stored, uint64_t word) {
    __atomic_store_n(reinterpret_cast<uint64_t*>(stored), word, __ATOMIC_RELEASE);
}

/// A key of 4 or 8 bytes.
template <typename Word>
class WordKey {
  public:
    using Key = uint64_t;
    static constexpr bool kOneWord = true;

    explicit WordKey(uint32_t) {}
    uint32_t stored_size() const { return 8; }

    Key load(const void* key) const {
        Word word;
        std::memcpy(&word, key, sizeof word);
        return word;
    }
    uint64_t hash(Key key, uint64_t seed) const { return hash_word(key, seed); }
    bool equals(const uint8_t* stored, Key key) const { return stored_word(stored) == key; }
    void store(uint8_t* stored, Key key) const { store_word(stored, key); }
    void copy_out(const uint8_t* stored, void* key) const {
        const auto word = static_cast<Word>(stored_word(stored));
        std::memcpy(key, &word, sizeof word);
    }
};

/// A key of 16 bytes: an IPv6 address, a flow.
class PairKey {
  public:
    struct Key {
        uint64_t first, second;
    };
    static constexpr bool kOneWord = false;

    explicit PairKey(uint32_t) {}
    uint32_t stored_size() const { return 16; }

    Key load(const void* key) const {
        const auto* bytes = static_cast<const uint8_t*>(key);
        return {load_u64(bytes), load_u64(bytes + 8)};
    }
    uint64_t hash(Key key, uint64_t seed) const {
        return fold(fold(key.first ^ kOdd2, key.second ^ seed), kOdd1);
    }
    bool equals(const uint8_t* stored, Key key) const {
        return stored_word(stored) == key.first && stored_word(stored + 8) == key.second;
    }
    void store(uint8_t* stored, Key key) const {
        store_word(stored, key.first);
        store_word(stored + 8, key.second);
    }
    void copy_out(const uint8_t* stored, void* key) const {
        const uint64_t words[2] = {stored_word(stored), stored_word(stored + 8)};
        std::memcpy(key, words, sizeof words);
    }
};

/// A key of any number of bytes.
class BytesKey {
  public:
    using Key = const uint8_t*;
    static constexpr bool kOneWord = false;

    explicit BytesKey(uint32_t size) : size_(size) {}
    uint32_t stored_size() const { return (size_ + 7) & ~7U; }

    Key load(const void* key) const { return static_cast<const uint8_t*>(key); }
    uint64_t hash(Key key, uint64_t seed) const { return hash_bytes(key, size_, seed); }
    bool equals(const uint8_t* stored, Key key) const {
        uint32_t done = 0;
        for (; size_ - done >= 8; done += 8)
            if (stored_word(stored + done) != load_u64(key + done)) return false;
        return done == size_ || stored_word(stored + done) == tail(key + done, size_ - done);
    }
    void store(uint8_t* stored, Key key) const {
        uint32_t done = 0;
        for (; size_ - done >= 8; done += 8) store_word(stored + done, load_u64(key + done));
        if (done < size_) store_word(stored + done, tail(key + done, size_ - done));
    }
    void copy_out(const uint8_t* stored, void* key) const {
        auto* out = static_cast<uint8_t*>(key);
        for (uint32_t done = 0; done < size_; done += 8) {
            const uint64_t word = stored_word(stored + done);
            std::memcpy(out + done, &word, size_ - done < 8 ? size_ - done : 8);
        }
    }

  private:
    /// Fewer than eight bytes as a word, zeros behind them.
    static uint64_t tail(const uint8_t* bytes, uint32_t size) {
        uint64_t word = 0;
        uint32_t done = 0;
        if (size & 4) {
            word = load_u32(bytes);
            done = 4;
        }
        if (size & 2) {
            word |= uint64_t{bytes[done]} << (8 * done);
            word |= uint64_t{bytes[done + 1]} << (8 * done + 8);
            done += 2;
        }
        if (size & 1) word |= uint64_t{bytes[done]} << (8 * done);
        return word;
    }

    uint32_t size_;
};

}  // namespace skep::maps
