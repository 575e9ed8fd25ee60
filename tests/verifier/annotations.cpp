// SPDX-License-Identifier: Apache-2.0
#include "verifier/annotations.hpp"

#include <array>
#include <regex>

#include "base/text.hpp"

namespace skep::verifier_test {

namespace {

constexpr std::string_view kPrefix = "comment:test_";

struct Flag {
    std::string_view name;
    uint32_t bit;
};
constexpr std::array kFlags = {
    Flag{"BPF_F_STRICT_ALIGNMENT", 1u << 0},    Flag{"BPF_F_ANY_ALIGNMENT", 1u << 1},
    Flag{"BPF_F_TEST_RND_HI32", 1u << 2},       Flag{"BPF_F_TEST_STATE_FREQ", 1u << 3},
    Flag{"BPF_F_SLEEPABLE", 1u << 4},           Flag{"BPF_F_XDP_HAS_FRAGS", 1u << 5},
    Flag{"BPF_F_TEST_REG_INVARIANTS", 1u << 7},
};

/// What stands behind `prefix`, or nothing.
std::optional<std::string_view> after(std::string_view text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return std::nullopt;
    return text.substr(prefix.size());
}

std::optional<int> parse_retval(std::string_view text) {
    if (text == "INT_MIN") return INT32_MIN;
    if (text == "TEST_DATA_LEN") return 64;
    const auto value = parse_int(text);  // POINTER_VALUE: any will do
    return value ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

class Reader {
  public:
    /// `tag` without kPrefix.
    void read(std::string_view tag) {
        if (tag == "expect_success") priv().accepted = true;
        if (tag == "expect_failure") priv().accepted = false;
        if (tag == "expect_success_unpriv") unpriv_verdict(true);
        if (tag == "expect_failure_unpriv") unpriv_verdict(false);
        if (tag == "auxiliary" || tag == "auxiliary_unpriv") out.auxiliary = true;
        if (const auto text = after(tag, "expect_msg=")) priv().messages.push_back(numbered(*text));
        if (const auto text = after(tag, "expect_msg_unpriv="))
            unpriv().messages.push_back(numbered(*text));
        if (const auto text = after(tag, "retval=")) priv().retval = parse_retval(*text);
        if (const auto text = after(tag, "retval_unpriv=")) unpriv().retval = parse_retval(*text);
        if (const auto text = after(tag, "prog_flags=")) read_flag(*text);
        if (const auto text = after(tag, "arch=")) {
            has_arch_ = true;
            here_ |= *text == "X86_64";
        }
        if (const auto text = after(tag, "btf_path=")) out.btf_path = *text;
    }

    Annotation finish() {
        if (!out.privileged && !out.unprivileged) priv();
        out.other_arch = has_arch_ && !here_;
        if (out.unprivileged && out.privileged) {
            if (!unpriv_says_) out.unprivileged->accepted = out.privileged->accepted;
            if (out.unprivileged->messages.empty())
                out.unprivileged->messages = out.privileged->messages;
        }
        return std::move(out);
    }

    Annotation out;

  private:
    Expectation& priv() { return out.privileged ? *out.privileged : out.privileged.emplace(); }
    Expectation& unpriv() {
        return out.unprivileged ? *out.unprivileged : out.unprivileged.emplace();
    }
    void unpriv_verdict(bool accepted) {
        unpriv().accepted = accepted;
        unpriv_says_ = true;
    }

    /// "7=the message": the compiler drops equal tags, so each has a number.
    static std::string numbered(std::string_view text) {
        return std::string(text.substr(text.find('=') + 1));
    }

    void read_flag(std::string_view text) {
        const bool clear = text.starts_with('!');
        if (clear) text.remove_prefix(1);
        uint32_t bit = static_cast<uint32_t>(parse_uint(text).value_or(0));
        for (const Flag& flag : kFlags)
            if (flag.name == text) bit = flag.bit;
        out.flags = clear ? out.flags & ~bit : out.flags | bit;
    }

    bool has_arch_ = false;
    bool here_ = false;
    bool unpriv_says_ = false;
};

/// The parts outside "{{" and "}}" stand for themselves.
std::string as_regex(std::string_view message) {
    std::string pattern;
    bool verbatim = true;
    for (size_t i = 0; i < message.size(); i++) {
        const std::string_view two = message.substr(i, 2);
        if (two == (verbatim ? "{{" : "}}")) {
            verbatim = !verbatim;
            i++;
            continue;
        }
        if (verbatim && std::string_view(".[]\\()*+?{}|^$").find(message[i]) != std::string::npos)
            pattern += '\\';
        pattern += message[i];
    }
    return pattern;
}

}  // namespace

std::optional<Annotation> read_annotation(const object::ObjectSpec& object,
                                          const object::ProgSpec& prog) {
    if (!object.btf || prog.subprogs.empty()) return std::nullopt;
    const uint32_t function = prog.subprogs[0].btf_type_id;
    Reader reader;
    bool any = false;
    for (uint32_t id = 1; id < object.btf->type_count(); id++) {
        const btf::Type tag = object.btf->type(id);
        if (tag.kind() != btf::Kind::DeclTag || tag.ref() != function || tag.component() != -1)
            continue;
        const auto text = after(tag.name(), kPrefix);
        if (!text) continue;
        any = true;
        reader.read(*text);
    }
    if (!any) return std::nullopt;
    return reader.finish();
}

bool log_matches(std::string_view log, const std::vector<std::string>& messages) {
    for (const std::string& message : messages) {
        if (message.find("{{") == std::string::npos) {
            const size_t at = log.find(message);
            if (at == std::string_view::npos) return false;
            log.remove_prefix(at + message.size());
            continue;
        }
        const std::regex pattern(as_regex(message), std::regex::extended);
        std::cmatch match;
        if (!std::regex_search(log.data(), log.data() + log.size(), match, pattern)) return false;
        log.remove_prefix(static_cast<size_t>(match.position() + match.length()));
    }
    return true;
}

}  // namespace skep::verifier_test
