// SPDX-License-Identifier: Apache-2.0
#include "apps/test/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <sstream>

#include "base/text.hpp"

namespace skep::test {

namespace {

/// Bounds of what one text may become: aliases of aliases double with each line.
constexpr size_t kMostNodes = 50'000;
constexpr size_t kDeepest = 64;

struct Stop : std::exception {
    explicit Stop(Error why) : error(std::move(why)) {}
    Error error;
};

bool equal(const Yaml& a, const Yaml& b) {
    return a.kind == b.kind && a.text == b.text && std::ranges::equal(a.keys, b.keys, equal) &&
           std::ranges::equal(a.items, b.items, equal);
}

size_t count(const Yaml& node) {
    size_t sum = 1;
    for (const Yaml& key : node.keys) sum += count(key);
    for (const Yaml& item : node.items) sum += count(item);
    return sum;
}

// Builds the tree from the parser's events.
class Builder final : public YAML::EventHandler {
  public:
    explicit Builder(std::string_view file) : file_(file) {}

    bool seen() const { return root_.has_value(); }
    Yaml take() { return root_ ? std::move(*root_) : Yaml{.file = file_}; }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (root_) throw Stop(at(mark, Yaml::Kind::Null).error("a second document; one is read"));
        anchors_.clear();
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        put(at(mark, Yaml::Kind::Null), anchor);
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        Yaml node = at(mark, Yaml::Kind::Scalar);
        node.quoted = tag != "?";
        node.text = value;
        put(std::move(node), anchor);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end())
            throw Stop(at(mark, Yaml::Kind::Null).error("an alias of what it is part of"));
        Yaml copy = found->second;
        nodes_ += count(copy);
        put(std::move(copy), 0);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(at(mark, Yaml::Kind::List), anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(at(mark, Yaml::Kind::Map), anchor);
    }
    void OnMapEnd() override { close(); }

  private:
    struct Level {
        Yaml node;
        YAML::anchor_t anchor;
    };

    Yaml at(const YAML::Mark& mark, Yaml::Kind kind) const {
        return {.kind = kind, .line = mark.line + 1, .column = mark.column + 1, .file = file_};
    }

    void open(Yaml node, YAML::anchor_t anchor) {
        if (levels_.size() >= kDeepest) throw Stop(node.error("nested too deep"));
        levels_.push_back({std::move(node), anchor});
    }
    void close() {
        Level level = std::move(levels_.back());
        levels_.pop_back();
        put(std::move(level.node), level.anchor);
    }

    void put(Yaml node, YAML::anchor_t anchor) {
        if (++nodes_ > kMostNodes) throw Stop(node.error("more than this reader takes"));
        if (anchor != 0) anchors_[anchor] = node;
        if (levels_.empty()) {
            root_ = std::move(node);
            return;
        }
        Yaml& parent = levels_.back().node;
        if (parent.is_map() && parent.keys.size() == parent.items.size()) {
            for (const Yaml& key : parent.keys)
                if (equal(key, node))
                    throw Stop(
                        node.error(fmt::format("the key {} stands here twice; the first "
                                               "is in line {}",
                                               node.to_string(), key.line)));
            parent.keys.push_back(std::move(node));
        } else {
            parent.items.push_back(std::move(node));
        }
    }

    std::string_view file_;
    std::optional<Yaml> root_;
    std::vector<Level> levels_;
    std::map<YAML::anchor_t, Yaml> anchors_;
    size_t nodes_ = 0;
};

}  // namespace

const Yaml* Yaml::find(std::string_view key) const {
    for (size_t i = 0; i < keys.size(); i++)
        if (keys[i].is_scalar() && keys[i].text == key) return &items[i];
    return nullptr;
}

std::string Yaml::place() const {
    return fmt::format("{}:{}:{}", file, line, column);
}

Error Yaml::error(std::string_view message, std::string hint) const {
    return {ErrorCode::Malformed, fmt::format("{}: {}", place(), message), std::move(hint), 0};
}

std::string Yaml::describe() const {
    switch (kind) {
        case Kind::Null: return "nothing";
        case Kind::List: return "a list";
        case Kind::Map: return "a mapping";
        case Kind::Scalar: break;
    }
    return fmt::format("'{}'", printable(text.substr(0, 60)));
}

std::string Yaml::to_string() const {
    switch (kind) {
        case Kind::Null: return "~";
        case Kind::Scalar: return quoted ? fmt::format("\"{}\"", printable(text)) : printable(text);
        default: break;
    }
    std::string out = is_map() ? "{" : "[";
    for (size_t i = 0; i < items.size(); i++) {
        if (i > 0) out += ", ";
        if (is_map()) out += keys[i].to_string() + ": ";
        out += items[i].to_string();
    }
    return out + (is_map() ? "}" : "]");
}

Result<Yaml> parse_yaml(std::string_view text, std::string_view file) {
    const Yaml start{.file = file};
    if (text.size() > size_t{4} << 20) return std::unexpected(start.error("more than 4 MiB"));
    if (text.find('\0') != text.npos)
        return std::unexpected(start.error("it is no text: there are NUL bytes in it"));
    Builder builder(file);
    try {
        std::istringstream in{std::string(text)};
        YAML::Parser parser(in);
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const Stop& stop) {
        return std::unexpected(stop.error);
    } catch (const YAML::Exception& wrong) {
        Yaml where = start;
        if (!wrong.mark.is_null()) {
            where.line = wrong.mark.line + 1;
            where.column = wrong.mark.column + 1;
        }
        return std::unexpected(where.error(fmt::format("no YAML: {}", printable(wrong.msg))));
    } catch (const std::exception& wrong) {
        return std::unexpected(start.error(fmt::format("no YAML: {}", printable(wrong.what()))));
    }
    return builder.take();
}

}  // namespace skep::test
