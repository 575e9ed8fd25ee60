// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"

namespace skep::cli {

namespace {

std::string to_number(const std::string& text, uint64_t& target) {
    const auto number = parse_uint(text);
    if (!number) return fmt::format("'{}' is not a number", printable(text));
    target = *number;
    return {};
}

std::string check_choice(const Arguments::Option& option, const std::string& given) {
    if (option.choices.empty() || std::ranges::find(option.choices, given) != option.choices.end())
        return {};
    return fmt::format("'{}' is none of {}", printable(given), fmt::join(option.choices, ", "));
}

}  // namespace

Arguments::Option& Arguments::push(std::string_view names, std::string_view value,
                                   std::string_view help) {
    Option option = {.value = std::string(value), .help = std::string(help)};
    if (!names.empty())
        for (const std::string_view name : split(names, ',')) option.names.emplace_back(name);
    return options_.emplace_back(std::move(option));
}

Arguments::Option& Arguments::flag(std::string_view names, bool& target, std::string_view help) {
    Option& option = push(names, {}, help);
    option.assign = [&target](const auto&) { return target = true, std::string(); };
    return option;
}

Arguments::Option& Arguments::count(std::string_view names, unsigned& target,
                                    std::string_view help) {
    Option& option = push(names, {}, help);
    option.repeated = true;
    option.assign = [&target](const auto& given) {
        return target = unsigned(given.size()), std::string();
    };
    return option;
}

Arguments::Option& Arguments::add(std::string_view names, std::string_view value,
                                  std::string& target, std::string_view help) {
    Option& option = push(names, value, help);
    option.required = option.operand();
    option.assign = [&target](const auto& given) { return target = given.front(), std::string(); };
    return option;
}

Arguments::Option& Arguments::add(std::string_view names, std::string_view value,
                                  std::optional<std::string>& target, std::string_view help) {
    Option& option = push(names, value, help);
    option.assign = [&target](const auto& given) { return target = given.front(), std::string(); };
    return option;
}

Arguments::Option& Arguments::add(std::string_view names, std::string_view value,
                                  std::vector<std::string>& target, std::string_view help) {
    Option& option = push(names, value, help);
    option.repeated = true;
    option.assign = [&target](const auto& given) { return target = given, std::string(); };
    return option;
}

Arguments::Option& Arguments::add(std::string_view names, std::string_view value, uint64_t& target,
                                  std::string_view help) {
    Option& option = push(names, value, help);
    option.required = option.operand();
    option.assign = [&target](const auto& given) { return to_number(given.front(), target); };
    return option;
}

Arguments::Option& Arguments::add(std::string_view names, std::string_view value,
                                  std::optional<uint64_t>& target, std::string_view help) {
    Option& option = push(names, value, help);
    option.assign = [&target](const auto& given) {
        return to_number(given.front(), target.emplace());
    };
    return option;
}

const Arguments::Option* Arguments::find(std::string_view name) const {
    for (const Option& option : options_)
        if (std::ranges::find(option.names, name) != option.names.end()) return &option;
    return nullptr;
}

Error Arguments::unknown(std::string_view name) const {
    std::vector<std::string_view> known = {"--help", "--color"};
    for (const Option& option : options_)
        known.insert(known.end(), option.names.begin(), option.names.end());
    Error error = {ErrorCode::Usage, fmt::format("unknown option {}", printable(name)), {}, 0};
    if (const auto meant = closest(name, known))
        error.hint = fmt::format("did you mean {}?", *meant);
    return error;
}

/// What was given for each option, in the order of options_.
class Arguments::Reader {
  public:
    Reader(const Arguments& args, const std::vector<std::string>& words)
        : args_(args), words_(words), given_(args.options_.size()) {}

    Result<std::vector<std::vector<std::string>>> run() {
        bool only_operands = false;
        for (; next_ < words_.size(); next_++) {
            const std::string& word = words_[next_];
            if (only_operands || !word.starts_with('-') || word == "-" || is_number(word))
                SKEP_TRY(operand(word));
            else if (word == "--")
                only_operands = true;
            else if (word.starts_with("--"))
                SKEP_TRY(long_option(word));
            else
                SKEP_TRY(short_options(word));
        }
        return std::move(given_);
    }

  private:
    std::vector<std::string>& given(const Option& option) {
        return given_[size_t(&option - args_.options_.data())];
    }

    /// "-5", where no option is called -5.
    bool is_number(const std::string& word) const {
        return word.size() > 1 && word[1] >= '0' && word[1] <= '9' &&
               !args_.find(word.substr(0, 2));
    }

    Result<void> operand(const std::string& word) {
        for (const Option& option : args_.options_) {
            if (!option.operand() || (!option.repeated && !given(option).empty())) continue;
            given(option).push_back(word);
            return {};
        }
        return fail(ErrorCode::Usage, "unexpected argument '{}'", printable(word));
    }

    /// "--name", "--name=value", "--name value"
    Result<void> long_option(const std::string& word) {
        const size_t equals = word.find('=');
        const std::string name = word.substr(0, equals);
        const Option* option = args_.find(name);
        if (!option) return std::unexpected(args_.unknown(name));
        if (equals == std::string::npos) return take(*option, name, {});
        if (option->flag()) return fail(ErrorCode::Usage, "{} takes no value", name);
        return take(*option, name, word.substr(equals + 1));
    }

    /// "-a", "-ab", "-o value", "-ovalue"
    Result<void> short_options(const std::string& word) {
        for (size_t i = 1; i < word.size(); i++) {
            const std::string name = {'-', word[i]};
            const Option* option = args_.find(name);
            if (!option) return std::unexpected(args_.unknown(i == 1 ? word : name));
            if (option->flag()) {
                SKEP_TRY(take(*option, name, {}));
                continue;
            }
            if (i + 1 == word.size()) return take(*option, name, {});
            return take(*option, name, word.substr(i + 1));
        }
        return {};
    }

    /// `value` is what stands in the option's own word; else an option that needs one takes the
    /// next word.
    Result<void> take(const Option& option, const std::string& name,
                      std::optional<std::string> value) {
        if (option.flag()) value = "true";
        if (!value) {
            if (next_ + 1 == words_.size())
                return fail(ErrorCode::Usage, "{}: {} is missing", name, option.value);
            value = words_[++next_];
        }
        if (!given(option).empty() && !option.repeated && !option.flag())
            return fail(ErrorCode::Usage, "{} is given more than once", name);
        given(option).push_back(std::move(*value));
        return {};
    }

    const Arguments& args_;
    const std::vector<std::string>& words_;
    std::vector<std::vector<std::string>> given_;
    size_t next_ = 0;
};

Result<void> Arguments::parse(const std::vector<std::string>& words) {
    const auto given = SKEP_TRY(Reader(*this, words).run());
    for (size_t i = 0; i < options_.size(); i++) {
        const Option& option = options_[i];
        const std::string& name = option.operand() ? option.value : option.names.back();
        if (given[i].empty()) {
            if (option.required) return fail(ErrorCode::Usage, "{} is missing", name);
            continue;
        }
        std::string problem;
        for (const std::string& value : given[i])
            if (problem.empty()) problem = check_choice(option, value);
        if (problem.empty()) problem = option.assign(given[i]);
        if (!problem.empty()) return fail(ErrorCode::Usage, "{}: {}", name, problem);
    }
    return {};
}

}  // namespace skep::cli
