// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

// The options of one command, declared once: the parser, --help, the manual page and the shell
// completions all read this table.
//
//     Arguments args;
//     args.operand("FILE", options.file, "compiled object");
//     args.option("--prog", "NAME", options.prog, "only this program");
//     args.flag("--json", options.json, "one JSON object instead of tables");
//     SKEP_TRY(args.parse({"hello.bpf.o", "--json"}));
//
// The type of the variable says what is allowed: std::string and uint64_t once, an operand of
// these is required; std::optional once or not at all; std::vector any number of times. The usual
// spellings are read: --name=value, --name value, -n value, -nvalue, -abc for -a -b -c, and "--",
// behind which everything is an operand.

namespace skep::cli {

class Arguments {
  public:
    struct Option {
        std::vector<std::string> names = {};  ///< "-o", "--output"; empty for an operand
        std::string value = {};               ///< what help calls its value; empty for a flag
        std::string help = {};
        std::vector<std::string> choices = {};  ///< where only these values are allowed
        bool required = false;
        bool repeated = false;
        /// Takes what was given for it: of a flag, one "true" for each time. Returns what is wrong.
        std::function<std::string(const std::vector<std::string>&)> assign = {};

        bool operand() const { return names.empty(); }
        bool flag() const { return value.empty(); }
    };

    Arguments() = default;
    Arguments(const Arguments&) = delete;
    Arguments& operator=(const Arguments&) = delete;

    /// `names` are separated by commas: "-o,--output".
    Option& flag(std::string_view names, bool& target, std::string_view help);
    /// A flag that counts: -d, -dd, -ddd.
    Option& count(std::string_view names, unsigned& target, std::string_view help);

    template <typename T>
    Option& option(std::string_view names, std::string_view value, T& target,
                   std::string_view help) {
        return add(names, value, target, help);
    }
    template <typename T>
    Option& operand(std::string_view name, T& target, std::string_view help) {
        return add({}, name, target, help);
    }

    /// All of a command line behind the command's name. An Error is of ErrorCode::Usage.
    Result<void> parse(const std::vector<std::string>& words);

    const std::vector<Option>& options() const { return options_; }

  private:
    Option& add(std::string_view names, std::string_view value, std::string& target,
                std::string_view help);
    Option& add(std::string_view names, std::string_view value, std::optional<std::string>& target,
                std::string_view help);
    Option& add(std::string_view names, std::string_view value, std::vector<std::string>& target,
                std::string_view help);
    Option& add(std::string_view names, std::string_view value, uint64_t& target,
                std::string_view help);
    Option& add(std::string_view names, std::string_view value, std::optional<uint64_t>& target,
                std::string_view help);
    Option& push(std::string_view names, std::string_view value, std::string_view help);
    const Option* find(std::string_view name) const;
    Error unknown(std::string_view name) const;
    class Reader;

    std::vector<Option> options_;
};

}  // namespace skep::cli
