// SPDX-License-Identifier: Apache-2.0
#include "kernel/doctor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"

namespace skep::cli {

namespace {

using kernel::Answer;
using kernel::Finding;
using kernel::Section;

struct Options {
    std::vector<std::string> features;
    bool helpers = false;
    bool all = false;
    bool json = false;
};

std::string painted(Answer answer, const Terminal& terminal) {
    const Style style = answer == Answer::Yes  ? Style::Green
                        : answer == Answer::No ? Style::Red
                                               : Style::Yellow;
    const std::string text =
        fmt::format("{:<3}", answer == Answer::Unknown ? "?" : to_string(answer));
    return terminal.paint(style, text);
}

/// Words at most 96 columns wide, indented.
std::string wrapped(std::string_view text, size_t indent) {
    std::string out;
    size_t column = indent;
    for (const std::string_view word : split(text, ' ')) {
        if (column > indent && column + 1 + word.size() > 96) {
            out += '\n' + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            out += ' ';
            column++;
        }
        out += word;
        column += word.size();
    }
    return out;
}

void put_row(std::string& out, const Finding& finding, size_t width, const Terminal& terminal) {
    const size_t indent = 6 + width + 2;
    out += fmt::format("  {} {:<{}}", painted(finding.answer, terminal), finding.name, width);
    if (!finding.detail.empty()) out += "  " + wrapped(finding.detail, indent);
    while (out.ends_with(' ')) out.pop_back();
    out += '\n';
    if (!finding.remedy.empty())
        out += fmt::format("{}{}\n", std::string(indent, ' '),
                           terminal.paint(Style::Cyan, wrapped("-> " + finding.remedy, indent)));
}

size_t name_width(const std::vector<const Finding*>& rows) {
    size_t width = 0;
    for (const Finding* row : rows) width = std::max(width, row->name.size());
    return std::min<size_t>(width, 32);
}

/// "each loaded and attached"
std::string how(const Section& section) {
    std::set<std::string_view> ways;
    for (const Finding& finding : section.findings) ways.insert(finding.basis);
    ways.erase("read");
    std::string text;
    for (const std::string_view way : ways)
        text += fmt::format("{}{}", text.empty() ? "" : ", ", way);
    return text.empty() ? text : " (" + text + ")";
}

/// A row for several findings at once: their names, and what they have in common.
void put_names(std::string& out, Answer answer, const std::vector<const Finding*>& rows,
               const Terminal& terminal) {
    constexpr size_t kMany = 64;
    std::string names;
    for (const Finding* row : rows) names += (names.empty() ? "" : " ") + row->name;
    if (rows.size() > kMany) names = fmt::format("{} of them", rows.size());
    out += fmt::format("  {} {}\n", painted(answer, terminal), wrapped(names, 6));
}

/// Every row, or a paragraph of what works, one of what cannot be seen for the same reason, and a
/// row for everything else.
void put_section(std::string& out, const Section& section, bool every_row,
                 const Terminal& terminal) {
    std::string title = section.name;
    std::ranges::transform(title, title.begin(), [](char c) { return char(std::toupper(c)); });
    out += terminal.paint(Style::Bold, title) + how(section) + '\n';
    std::vector<const Finding*> rows, works, unseen, absent;
    const auto same = [](const Finding* a, const Finding& b) { return a->detail == b.detail; };
    for (const Finding& finding : section.findings) {
        if (every_row)
            rows.push_back(&finding);
        else if (finding.answer == Answer::Yes)
            works.push_back(&finding);
        else if (finding.answer == Answer::Unknown &&
                 (unseen.empty() || same(unseen.front(), finding)))
            unseen.push_back(&finding);
        else if (finding.answer == Answer::No && finding.remedy.empty() &&
                 finding.basis == "derived")  // of a long list: names will do
            absent.push_back(&finding);
        else
            rows.push_back(&finding);
    }
    if (!works.empty()) put_names(out, Answer::Yes, works, terminal);
    if (!absent.empty()) put_names(out, Answer::No, absent, terminal);
    if (!unseen.empty()) {
        put_names(out, Answer::Unknown, unseen, terminal);
        out += fmt::format("      {}\n", unseen.front()->detail);
    }
    const size_t width = name_width(rows);
    for (const Finding* row : rows) put_row(out, *row, width, terminal);
    out += '\n';
}

void put_json(JsonWriter& json, const std::vector<Section>& sections) {
    json.begin_object();
    for (const Section& section : sections) {
        std::string key = section.name;
        std::ranges::replace(key, ' ', '_');
        json.key(key).begin_array();
        for (const Finding& finding : section.findings) {
            json.begin_object().key("name").value(finding.name);
            json.key("answer").value(to_string(finding.answer));
            json.key("basis").value(finding.basis);
            if (!finding.detail.empty()) json.key("detail").value(finding.detail);
            if (!finding.remedy.empty()) json.key("remedy").value(finding.remedy);
            json.end_object();
        }
        json.end_array();
    }
    json.end_object();
}

Error unknown_feature(const std::vector<Section>& sections, const std::string& feature) {
    std::vector<std::string_view> names;
    for (const Section& section : sections)
        for (const Finding& finding : section.findings) names.push_back(finding.name);
    Error error{ErrorCode::Usage, fmt::format("nothing here is called '{}'", printable(feature)),
                "skep doctor --all lists all names", 0};
    if (const auto meant = closest(feature, names))
        error.hint = fmt::format("did you mean '{}'?", *meant);
    return error;
}

Result<int> doctor(const Options& options, Context& context) {
    const std::vector<Section> all = kernel::examine({.each_helper = options.helpers});
    std::vector<Section> shown = options.features.empty() ? all : std::vector<Section>();
    bool missing = false;
    for (const std::string& feature : options.features) {
        std::vector<Section> found = kernel::findings_of(all, feature);
        if (found.empty()) return std::unexpected(unknown_feature(all, feature));
        missing |= !kernel::is_there(found);
        for (Section& section : found) {
            const auto there = std::ranges::find(shown, section.name, &Section::name);
            if (there == shown.end())
                shown.push_back(std::move(section));
            else
                std::ranges::move(section.findings, std::back_inserter(there->findings));
        }
    }
    std::string out;
    if (options.json) {
        JsonWriter json;
        put_json(json, shown);
        out = json.text() + '\n';
    } else {
        for (const Section& section : shown)
            put_section(out, section,
                        options.all || !options.features.empty() || section.name == "system" ||
                            section.name == "commands",
                        context.terminal);
        out.pop_back();
    }
    SKEP_TRY(context.terminal.print(out));
    return missing ? 3 : kDone;
}

Action declare(Arguments& args) {
    auto options = std::make_shared<Options>();
    args.operand("FEATURE", options->features,
                 "only this: a command (run, pin), a hook (xdp, kprobe), a program or map type, a "
                 "helper or kernel function; exit code 3 where it is missing");
    args.flag("--all", options->all, "a row for everything, also for what works");
    args.flag("--helpers", options->helpers,
              "try each helper in each program type (thousands of loads), in place of concluding "
              "it from the kernel's types");
    args.flag("--json", options->json, "one JSON object");
    return [options](Context& context) { return doctor(*options, context); };
}

}  // namespace

const Command kDoctor = {
    .name = "doctor",
    .summary = "what this kernel and this user can do, and what is missing",
    .description =
        "Mounts, sysctls, capabilities, program types, map types, hooks, helpers and\n"
        "kernel functions; what each command of skep can do here, and what would mend\n"
        "the rest. It asks by doing: programs that do nothing are loaded and attached\n"
        "where they meet no traffic, and are gone at the end. What is concluded from\n"
        "something else is marked \"derived\". An ordinary user learns what cannot be seen.",
    .examples =
        "skep doctor\n"
        "skep doctor xdp                  # may I use XDP? 0 yes, 3 no\n"
        "skep doctor run bpf_loop ringbuf\n"
        "sudo skep doctor --json | jq '.hooks[] | select(.answer == \"no\")'\n",
    .declare = declare,
};

}  // namespace skep::cli
