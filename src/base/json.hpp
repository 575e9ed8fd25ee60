// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace skep {

// Writes one JSON value piece by piece into a string: compact, keys in the order written, so that
// output is stable and a line of it is one object.
//
//     JsonWriter json;
//     json.begin_object().key("prog").value("hello").key("events").value(3).end_object();
//     puts(json.text().c_str());            // {"prog":"hello","events":3}
//
// The caller keeps the nesting right; commas are inserted here. Text that is not UTF-8 is written
// with each offending byte as U+FFFD, so the output always parses.
class JsonWriter {
  public:
    JsonWriter& begin_object() { return open('{'); }
    JsonWriter& end_object() { return close('}'); }
    JsonWriter& begin_array() { return open('['); }
    JsonWriter& end_array() { return close(']'); }
    JsonWriter& key(std::string_view name);

    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(bool flag) { return raw(flag ? "true" : "false"); }
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    JsonWriter& value(T number) {
        return raw(std::to_string(number));
    }
    /// NaN and infinities, which JSON lacks, become null.
    JsonWriter& value(double number);
    JsonWriter& null() { return raw("null"); }

    /// Inserts text that is already JSON.
    JsonWriter& raw(std::string_view json);

    const std::string& text() const { return text_; }

  private:
    JsonWriter& open(char bracket);
    JsonWriter& close(char bracket);
    void separate();

    std::string text_;
};

}  // namespace skep
