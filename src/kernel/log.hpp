// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

// What libbpf says, kept for our errors instead of printed. libbpf has one print callback for the
// whole process; it hands each thread's lines to the innermost LogCapture of that thread, and drops
// them where there is none.
//
//     LogCapture log;
//     if (bpf_object__load(object) != 0) return std::unexpected(explain(log.text()));

namespace skep::kernel {

class LogCapture {
  public:
    LogCapture();
    ~LogCapture();
    LogCapture(const LogCapture&) = delete;
    LogCapture& operator=(const LogCapture&) = delete;

    /// Everything so far, warnings and information.
    const std::string& text() const { return text_; }
    /// The last line that is a warning, without "libbpf: "; empty where there was none.
    std::string last_warning() const;

  private:
    friend struct LogSink;
    std::string text_;
    std::string warnings_;
    LogCapture* outer_;
};

/// The verifier's log of one program out of what libbpf printed while loading, or empty.
std::string_view verifier_log(std::string_view text, std::string_view prog);

/// The last `lines` lines, with a first line that says how many were left out.
std::string last_lines(std::string_view text, size_t lines);

}  // namespace skep::kernel
