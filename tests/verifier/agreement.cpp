// SPDX-License-Identifier: Apache-2.0
#include "verifier/agreement.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/file.hpp"
#include "base/table.hpp"
#include "base/text.hpp"
#include "kernel/kernel_object.hpp"
#include "object/read.hpp"
#include "object/settle.hpp"
#include "verifier/foreign_object.hpp"
#include "verifier/verify.hpp"

namespace skep::verifier_test {

namespace {

constexpr uint32_t kStrictAlignment = 1u << 0, kTestStateFreq = 1u << 3, kSleepable = 1u << 4,
                   kFrags = 1u << 5, kRegInvariants = 1u << 7;

/// The object with each program settled that can be; why not, for the others.
struct Settled {
    object::ObjectSpec object;
    std::map<std::string, std::string> problems;
};

std::optional<std::string> any_kconfig(std::string_view name) {
    return name == "LINUX_KERNEL_VERSION" ? "0x061200" : "1";
}

/// The types of another object that lies beside this one.
std::shared_ptr<const btf::Btf> types_beside(const std::string& path, const std::string& other) {
    const auto where =
        std::filesystem::path(path).parent_path() / std::filesystem::path(other).filename();
    const auto bytes = read_file(where.string());
    if (!bytes) return nullptr;
    const auto object = object::read_object(*bytes, other);
    return object ? object->btf : nullptr;
}

Settled settle_each(const object::ObjectSpec& object, const std::string& path,
                    const btf::Btf& kernel) {
    Settled out{.object = object, .problems = {}};
    object::ObjectSpec one = object;
    for (object::ProgSpec& prog : out.object.progs) {
        one.progs = {prog};
        const auto annotation = read_annotation(object, prog);
        const auto other = annotation && !annotation->btf_path.empty()
                               ? types_beside(path, annotation->btf_path)
                               : nullptr;
        auto settled =
            object::settle(one, {.btf = other ? other.get() : &kernel, .kconfig = any_kconfig});
        if (!settled) {
            out.problems.emplace(prog.name, settled.error().message);
            continue;
        }
        prog = std::move(settled->progs[0]);
        out.object.maps = std::move(settled->maps);
    }
    return out;
}

Answer from_kernel(kernel_test::LoadAnswer loaded) {
    Answer answer;
    answer.nanoseconds = loaded.nanoseconds;
    if (!loaded.unanswered.empty()) {
        answer.reason = std::move(loaded.unanswered);
        return answer;
    }
    if (loaded.accepted()) {
        answer.kind = Answer::Kind::Accepted;
        return answer;
    }
    answer.reason = reason_in(loaded.log);
    // EPERM with nothing said is not the verifier: this kernel does not let the type in at all.
    if (answer.reason.empty()) {
        answer.reason = std::strerror(loaded.error);
        if (loaded.error == EPERM || loaded.error == ENOTSUP || loaded.error == 524) return answer;
    }
    answer.kind = Answer::Kind::Refused;
    answer.log = std::move(loaded.log);
    return answer;
}

Answer ask_kernel(kernel_test::KernelObject& kernel, const object::ProgSpec& prog,
                  kernel_test::LoadOptions options) {
    auto loaded = kernel.load(prog, options);
    const uint64_t nanoseconds = loaded.nanoseconds;
    if (!loaded.accepted() && loaded.unanswered.empty()) {
        options.log_level = 1;
        loaded = kernel.load(prog, options);
    }
    Answer answer = from_kernel(std::move(loaded));
    answer.nanoseconds = nanoseconds;
    return answer;
}

Answer ask_skep(const object::ObjectSpec& object, const object::ProgSpec& prog,
                const platform::Platform& platform, const verifier::Options& options) {
    const auto before = std::chrono::steady_clock::now();
    auto verdict = verifier::verify(object, prog, platform, options);
    const auto took = std::chrono::steady_clock::now() - before;
    Answer answer;
    answer.nanoseconds =
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count());
    answer.kind = verdict && verdict->accepted ? Answer::Kind::Accepted : Answer::Kind::Refused;
    if (!verdict) {
        answer.reason = verdict.error().message;
        return answer;
    }
    answer.reason = fmt::format("{}: {}", verdict->insn, verdict->reason);
    if (verdict->accepted) answer.reason.clear();
    answer.log = std::move(verdict->log);
    answer.insns_visited = verdict->insns_visited;
    answer.peak_bytes = verdict->peak_bytes;
    return answer;
}

/// The answer of the shortest of some rounds.
template <typename Ask>
Answer shortest(int rounds, const Ask& ask) {
    Answer best = ask();
    for (int i = 1; i < rounds; i++)
        if (Answer next = ask(); next.nanoseconds < best.nanoseconds) best = std::move(next);
    return best;
}

std::string verdict_text(const Answer& answer) {
    switch (answer.kind) {
        case Answer::Kind::Accepted: return "accepted";
        case Answer::Kind::Refused: return "refused: " + answer.reason;
        case Answer::Kind::None: break;
    }
    return answer.reason.empty() ? "not asked" : "no answer: " + answer.reason;
}

}  // namespace

const platform::Platform& running_platform() {
    utsname name{};
    uname(&name);
    int major = 0, minor = 0;
    std::sscanf(name.release, "%d.%d", &major, &minor);
    for (const platform::Platform* known : platform::platforms())
        if (known->name.starts_with("linux-") &&
            known->version <= platform::KernelVersion(major, minor))
            return *known;
    return platform::linux_5_15();
}

std::string Case::name() const {
    return fmt::format("{}/{}{}", file, prog, privileged ? "" : "@unpriv");
}

std::optional<bool> Case::truth() const {
    if (kernel.given()) return kernel.accepted();
    if (expected) return expected->accepted;
    return std::nullopt;
}

bool Case::annotated_otherwise() const {
    return expected && kernel.given() && kernel.accepted() != expected->accepted;
}

bool Case::unsafe() const {
    return skep.accepted() && truth() == std::optional(false);
}

bool Case::too_strict() const {
    return skep.refused() && truth() == std::optional(true);
}

Result<void> Agreement::add(const std::string& path) {
    const object::ObjectSpec raw = SKEP_TRY(read_any_object(path));
    const Settled settled = settle_each(raw, path, *kernel_);
    kernel_test::KernelObject in_kernel(settled.object, *kernel_);
    for (const object::ProgSpec& original : settled.object.progs) {
        const auto annotation = read_annotation(raw, original);
        if (options_.annotated_only && !annotation) continue;
        if (annotation && (annotation->auxiliary || annotation->other_arch)) continue;
        if (original.name.find(options_.only_prog) == std::string::npos) continue;
        object::ProgSpec prog = original;
        const uint32_t flags = annotation ? annotation->flags : 0;
        prog.sleepable |= (flags & kSleepable) != 0;
        prog.multi_buffer |= (flags & kFrags) != 0;
        for (const bool privileged : {true, false}) {
            if (!privileged && !(options_.unprivileged && annotation)) continue;
            const auto expected = !annotation  ? std::nullopt
                                  : privileged ? annotation->privileged
                                               : annotation->unprivileged;
            if (annotation && !expected) continue;
            Case result{.file = raw.name,
                        .prog = prog.name,
                        .path = path,
                        .section = prog.section,
                        .type = prog.type,
                        .privileged = privileged,
                        .expected = expected,
                        .kernel = {},
                        .skep = {}};
            if (const auto problem = settled.problems.find(prog.name);
                problem != settled.problems.end()) {
                result.kernel.reason = result.skep.reason = problem->second;
                cases_.push_back(std::move(result));
                continue;
            }
            const verifier::Options how{
                .privileged = privileged,
                .strict_alignment = (flags & kStrictAlignment) != 0,
                .test_state_freq = (flags & kTestStateFreq) != 0,
                .reg_invariants = (flags & kRegInvariants) != 0,
                .kernel_btf = kernel_.get(),
            };
            if (options_.ask_kernel && privileged)
                result.kernel = shortest(
                    options_.rounds, [&] { return ask_kernel(in_kernel, prog, {.flags = flags}); });
            if (options_.ask_skep)
                result.skep = shortest(options_.rounds, [&] {
                    return ask_skep(settled.object, prog, *options_.platform, how);
                });
            cases_.push_back(std::move(result));
        }
    }
    return {};
}

std::string Agreement::share(size_t part, size_t whole) {
    return fmt::format("{} of {} ({:.1f}%)", part, whole,
                       whole ? 100.0 * double(part) / double(whole) : 100.0);
}

std::string Agreement::table(bool by_type) const {
    struct Row {
        size_t programs = 0, annotated = 0, kernel_as_annotated = 0, asked = 0, agree = 0,
               unsafe = 0, strict = 0;
        void add(const Case& item) {
            programs++;
            if (item.expected && item.kernel.given()) {
                annotated++;
                kernel_as_annotated += !item.annotated_otherwise();
            }
            if (!item.skep.given() || !item.truth()) return;
            asked++;
            agree += item.skep.accepted() == *item.truth();
            unsafe += item.unsafe();
            strict += item.too_strict();
        }
    };
    std::map<std::string, Row> rows;
    Row total;
    for (const Case& item : cases_) {
        rows[by_type ? std::string(to_string(item.type)) : item.file].add(item);
        total.add(item);
    }
    Table table({by_type ? "TYPE" : "FILE", ">PROGRAMS", ">KERNEL=NOTE", ">SKEP=KERNEL", ">UNSAFE",
                 ">TOO STRICT"});
    const auto put = [&](const std::string& name, const Row& row) {
        table.row({name, std::to_string(row.programs),
                   fmt::format("{}/{}", row.kernel_as_annotated, row.annotated),
                   fmt::format("{}/{}", row.agree, row.asked), std::to_string(row.unsafe),
                   std::to_string(row.strict)});
    };
    for (const auto& [name, row] : rows) put(name, row);
    put("total", total);
    return table.to_string() +
           fmt::format("the kernel agrees with the annotations on {}; skep with the kernel on {}\n",
                       share(total.kernel_as_annotated, total.annotated),
                       share(total.agree, total.asked));
}

std::string Agreement::disagreements() const {
    std::string out;
    for (const Case& item : cases_) {
        if (!item.unsafe() && !item.too_strict()) continue;
        out += fmt::format("{} {}\n", item.unsafe() ? "UNSAFE    " : "TOO STRICT", item.name());
        if (item.expected)
            out +=
                fmt::format("    expected {} {}\n", item.expected->accepted ? "success" : "failure",
                            item.expected->messages.empty() ? "" : item.expected->messages.front());
        out += fmt::format("    kernel   {}\n    skep     {}\n", verdict_text(item.kernel),
                           verdict_text(item.skep));
    }
    return out;
}

std::string Agreement::outdated() const {
    std::string out;
    for (const Case& item : cases_)
        if (item.annotated_otherwise())
            out +=
                fmt::format("{}\n    expected {} {}\n    kernel   {}\n", item.name(),
                            item.expected->accepted ? "success" : "failure",
                            fmt::join(item.expected->messages, " / "), verdict_text(item.kernel));
    return out;
}

std::string reason_in(std::string_view log) {
    std::string_view reason;
    for (const std::string_view line : split(log, '\n')) {
        if (line.starts_with("processed ") || line.starts_with("verification time") ||
            line.starts_with("stack depth"))
            break;
        if (!trim(line).empty()) reason = trim(line);
    }
    return std::string(reason);
}

std::vector<std::string> objects_below(const std::string& directory) {
    std::vector<std::string> paths;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error))
        if (entry.path().extension() == ".o") paths.push_back(entry.path().string());
    std::ranges::sort(paths);
    return paths;
}

}  // namespace skep::verifier_test
