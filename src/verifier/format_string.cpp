// SPDX-License-Identifier: Apache-2.0
// Formats that bpf_snprintf() takes (bpf_bprintf_prepare() of Linux 6.18): a part of printk's.
#include <cctype>

#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

class Format {
  public:
    explicit Format(std::string_view text) : text_(text) {}

    bool valid(uint64_t args) {
        uint64_t used = 0;
        for (; at_ < text_.size(); ++at_) {
            const auto c = static_cast<unsigned char>(text_[at_]);
            if (c < 0x80 && !std::isprint(c) && !std::isspace(c)) return false;
            if (c != '%') continue;
            if (peek(1) == '%') {
                ++at_;
                continue;
            }
            if (used++ >= args) return false;
            ++at_;
            if (static_cast<unsigned char>(peek(0)) >= 0x80 || !conversion()) return false;
        }
        return true;
    }

  private:
    char peek(size_t ahead) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    static bool ends_word(char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte == 0 || std::isspace(byte) || std::ispunct(byte);
    }

    // Leaves at_ on the last character of the conversion.
    bool conversion() {
        while (peek(0) == '0' || peek(0) == '+' || peek(0) == '-' || peek(0) == ' ') ++at_;
        while (std::isdigit(static_cast<unsigned char>(peek(0)))) ++at_;
        if (peek(0) == 'p') return pointer();
        if (peek(0) == 's') return ends_word(peek(1));
        if (peek(0) == 'c') return true;
        for (int i = 0; i < 2 && peek(0) == 'l'; ++i) ++at_;
        return std::string_view("iduxX").find(peek(0)) != std::string_view::npos && peek(0) != 0;
    }
    bool pointer() {
        const char kind = peek(1);
        if (ends_word(kind)) return true;
        if ((kind == 'k' || kind == 'u') && peek(2) == 's') {
            at_ += 2;
            return ends_word(peek(1));
        }
        if (std::string_view("KxsSB").find(kind) != std::string_view::npos) {
            ++at_;
            return true;
        }
        if ((kind != 'i' && kind != 'I') || (peek(2) != '4' && peek(2) != '6')) return false;
        at_ += 2;
        return true;
    }

    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace

bool valid_format(std::string_view format, uint64_t args) {
    return Format(format).valid(args);
}

}  // namespace skep::verifier
