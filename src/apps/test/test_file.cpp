// SPDX-License-Identifier: Apache-2.0
#include "apps/test/test_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "apps/test/mocks.hpp"
#include "apps/test/values.hpp"
#include "base/file.hpp"
#include "base/hex.hpp"
#include "base/text.hpp"
#include "packet/build.hpp"
#include "packet/capture_reader.hpp"
#include "packet/packet_text.hpp"

namespace skep::test {

namespace {

using platform::HelperId;

constexpr uint64_t kMostRepeats = 1'000'000;

Result<std::string> read_text(const Yaml& node, std::string_view what) {
    if (!node.is_scalar())
        return std::unexpected(
            node.error(fmt::format("{} stands where {} should", node.describe(), what)));
    return node.text;
}

/// Reads one key of a mapping into `to`, if it is there.
template <typename T>
Result<void> number_of(const Yaml& node, std::string_view key, T& to) {
    if (const Yaml* value = node.find(key)) to = T(SKEP_TRY(read_number(*value, sizeof(to))));
    return {};
}

Result<void> must_be_map(const Yaml& node, std::string_view what) {
    if (node.is_map()) return {};
    return std::unexpected(
        node.error(fmt::format("{} stands where {} should, as a mapping", node.describe(), what)));
}

constexpr std::string_view kEventKeys[] = {"packet", "ctx", "syscall", "fork", "exec", "exit"};

Result<Expect> read_expect(const Yaml& node, bool of_step) {
    SKEP_TRY(must_be_map(node, "what is expected"));
    SKEP_TRY(check_keys(node, {"verdict", "packet", "ctx", "redirect", "fault", "maps", "globals",
                               "events", "printk"}));
    Expect expect;
    expect.verdict = node.find("verdict");
    expect.packet = node.find("packet");
    expect.ctx = node.find("ctx");
    expect.redirect = node.find("redirect");
    expect.fault = node.find("fault");
    expect.maps = node.find("maps");
    expect.globals = node.find("globals");
    expect.events = node.find("events");
    expect.printk = node.find("printk");
    for (const Yaml* map : {expect.maps, expect.globals, expect.events, expect.ctx})
        if (map) SKEP_TRY(must_be_map(*map, "values by name"));
    if (!of_step)
        for (size_t i = 0; i < node.keys.size(); i++) {
            const std::string& key = node.keys[i].text;
            if (key == "maps" || key == "globals" || key == "events" || key == "printk") continue;
            return std::unexpected(node.keys[i].error(
                fmt::format("'{}' is of one step, and this test has several", key),
                "put it under 'expect' of the step"));
        }
    return expect;
}

Result<void> read_step_keys(const Yaml& node, Step& step) {
    step.at = &node;
    step.packet = node.find("packet");
    step.ctx = node.find("ctx");
    step.syscall = node.find("syscall");
    step.fork = node.find("fork");
    step.exec = node.find("exec");
    step.exit = node.find("exit");
    const Yaml* events[] = {step.packet, step.syscall, step.fork, step.exec, step.exit};
    const Yaml* first = nullptr;
    for (const Yaml* event : events) {
        if (first && event)
            return std::unexpected(event->error("a second event; each step has one"));
        if (event) first = event;
    }
    if (const Yaml* prog = node.find("program"))
        step.prog = SKEP_TRY(read_text(*prog, "the name of a program"));
    if (const Yaml* time = node.find("time")) step.time = SKEP_TRY(read_time(*time));
    if (const Yaml* repeat = node.find("repeat")) {
        step.repeat = SKEP_TRY(read_number(*repeat, 4));
        if (step.repeat == 0 || step.repeat > kMostRepeats)
            return std::unexpected(
                repeat->error(fmt::format("a step is repeated 1 to {} times", kMostRepeats)));
    }
    return {};
}

Result<HelperId> read_helper(const Yaml& key) {
    std::string_view name = key.text;
    if (name.starts_with("bpf_")) name.remove_prefix(4);
    if (const platform::HelperInfo* helper = platform::find_helper(name); helper && key.is_scalar())
        return helper->id;
    std::vector<std::string_view> names;
    for (const platform::HelperInfo& helper : platform::helpers()) names.push_back(helper.name);
    const auto meant = closest(name, names);
    return std::unexpected(key.error(fmt::format("there is no helper {}", key.describe()),
                                     meant ? fmt::format("did you mean 'bpf_{}'?", *meant) : ""));
}

Result<Mock> read_mock(const Yaml& key, const Yaml& node) {
    Mock mock {
        .helper = SKEP_TRY(read_helper(key))
    };
    if (mock.helper == HelperId::tail_call)
        return std::unexpected(key.error("tail calls are made by the interpreter, not by a helper",
                                         "put other programs into the prog array instead"));
    const Yaml* returns = &node;
    if (node.is_map()) {
        SKEP_TRY(check_keys(node, {"returns", "text", "bytes"}));
        returns = node.find("returns");
        const Yaml *text = node.find("text"), *bytes = node.find("bytes");
        if (text && bytes) return std::unexpected(bytes->error("there is 'text' already"));
        if (text) {
            const std::string what = SKEP_TRY(read_text(*text, "text"));
            mock.writes = Bytes(what.begin(), what.end());
            mock.is_text = true;
        }
        if (bytes) mock.writes = SKEP_TRY(read_bytes(*bytes));
        if (mock.writes && written_argument(mock.helper) < 0)
            return std::unexpected(node.error("this helper writes to no memory of the program"));
        if (!returns && !mock.writes)
            return std::unexpected(node.error("it says neither what to return nor what to write"));
    }
    if (!returns) return mock;
    if (returns->is_list()) {
        for (const Yaml& item : returns->items)
            mock.returns.push_back(SKEP_TRY(read_number(item, 8)));
        if (mock.returns.empty()) return std::unexpected(returns->error("no result is listed"));
    } else {
        mock.returns.push_back(SKEP_TRY(read_number(*returns, 8)));
    }
    return mock;
}

Result<void> read_mocks(const Yaml& node, std::vector<Mock>& mocks) {
    SKEP_TRY(must_be_map(node, "helpers and their results"));
    for (size_t i = 0; i < node.keys.size(); i++) {
        Mock mock = SKEP_TRY(read_mock(node.keys[i], node.items[i]));
        std::erase_if(mocks, [&](const Mock& other) { return other.helper == mock.helper; });
        mocks.push_back(std::move(mock));
    }
    return {};
}

Result<std::string> read_comm(const Yaml& node) {
    std::string comm = SKEP_TRY(read_text(node, "the name of a process"));
    if (comm.size() > 15)
        return std::unexpected(node.error(
            fmt::format("a process's name has at most 15 bytes, and this {}", comm.size())));
    return comm;
}

Result<TaskSpec> read_task(const Yaml& node) {
    SKEP_TRY(must_be_map(node, "what is known of a process"));
    SKEP_TRY(check_keys(node, {"pid", "tid", "uid", "gid", "comm", "cgroup", "parent", "memory"}));
    TaskSpec task;
    SKEP_TRY(number_of(node, "pid", task.pid));
    SKEP_TRY(number_of(node, "uid", task.uid));
    SKEP_TRY(number_of(node, "gid", task.gid));
    SKEP_TRY(number_of(node, "cgroup", task.cgroup));
    if (const Yaml* tid = node.find("tid")) task.tid = uint32_t(SKEP_TRY(read_number(*tid, 4)));
    if (const Yaml* comm = node.find("comm")) task.comm = SKEP_TRY(read_comm(*comm));
    if (const Yaml* parent = node.find("parent")) {
        SKEP_TRY(must_be_map(*parent, "a process"));
        SKEP_TRY(check_keys(*parent, {"pid", "comm"}));
        SKEP_TRY(number_of(*parent, "pid", task.parent.pid));
        if (const Yaml* comm = parent->find("comm")) task.parent.comm = SKEP_TRY(read_comm(*comm));
    }
    if (const Yaml* memory = node.find("memory")) {
        SKEP_TRY(must_be_map(*memory, "bytes by address"));
        for (size_t i = 0; i < memory->keys.size(); i++) {
            Bytes bytes = SKEP_TRY(read_bytes(memory->items[i]));
            if (memory->items[i].is_scalar() && memory->items[i].quoted) bytes.push_back(0);
            task.memory.emplace_back(SKEP_TRY(read_number(memory->keys[i], 8)), std::move(bytes));
        }
    }
    return task;
}

Result<void> read_random(const Yaml& node, Test& test) {
    test.has_random = true;
    if (!node.is_list()) {
        test.seed = SKEP_TRY(read_number(node, 8));
        test.random.clear();
        return {};
    }
    test.random.clear();
    for (const Yaml& item : node.items) test.random.push_back(SKEP_TRY(read_number(item, 4)));
    if (test.random.empty()) return std::unexpected(node.error("no number is listed"));
    return {};
}

/// What a file says for all of its tests, and a test for itself.
Result<void> read_common(const Yaml& node, Test& test, std::string& prog) {
    if (const Yaml* name = node.find("program"))
        prog = SKEP_TRY(read_text(*name, "the name of a program"));
    for (const auto& [key, list] :
         {std::pair{"maps", &test.maps}, std::pair{"globals", &test.globals}})
        if (const Yaml* values = node.find(key)) {
            SKEP_TRY(must_be_map(*values, "values by name"));
            list->push_back(values);
        }
    if (const Yaml* helpers = node.find("helpers")) SKEP_TRY(read_mocks(*helpers, test.mocks));
    if (const Yaml* task = node.find("task")) test.task = SKEP_TRY(read_task(*task));
    if (const Yaml* time = node.find("time")) test.time = SKEP_TRY(read_time(*time));
    if (const Yaml* random = node.find("random")) SKEP_TRY(read_random(*random, test));
    if (const Yaml* types = node.find("event_types")) {
        SKEP_TRY(must_be_map(*types, "structs by map"));
        test.event_types = types;
    }
    if (const Yaml* in = node.find("in")) {
        test.only_embedded = in->text == "embedded";
        test.only_kernel = in->text == "kernel";
        if (!test.only_embedded && !test.only_kernel)
            return std::unexpected(in->error("it is 'embedded' or 'kernel'"));
    }
    return {};
}

Result<Test> read_test(const Yaml& node, const Test& common, const std::string& common_prog) {
    SKEP_TRY(must_be_map(node, "a test"));
    SKEP_TRY(check_keys(
        node, {"name",   "skip",   "program", "maps",  "globals", "helpers", "task",
               "time",   "random", "in",      "steps", "expect",  "repeat",  "event_types",
               "packet", "ctx",    "syscall", "fork",  "exec",    "exit"}));
    Test test = common;
    test.at = &node;
    const Yaml* name = node.find("name");
    if (!name)
        return std::unexpected(node.error("this test has no name", "give it one: 'name: ...'"));
    test.name = SKEP_TRY(read_text(*name, "the test's name"));
    if (const Yaml* skip = node.find("skip")) test.skip = SKEP_TRY(read_text(*skip, "a reason"));
    std::string prog = common_prog;
    SKEP_TRY(read_common(node, test, prog));

    const Yaml* expect = node.find("expect");
    const Yaml* steps = node.find("steps");
    if (!steps) {
        Step step;
        SKEP_TRY(read_step_keys(node, step));
        step.time.reset();  // that of the test
        step.prog = prog;
        if (!expect) return std::unexpected(node.error("this test expects nothing"));
        step.expect = SKEP_TRY(read_expect(*expect, true));
        test.steps.push_back(step);
        return test;
    }
    for (const std::string_view key : kEventKeys)
        if (const Yaml* event = node.find(key))
            return std::unexpected(
                event->error(fmt::format("there are 'steps': '{}' belongs into one of them", key)));
    if (const Yaml* repeat = node.find("repeat"))
        return std::unexpected(repeat->error("there are 'steps': each has its own 'repeat'"));
    if (!steps->is_list() || steps->items.empty())
        return std::unexpected(steps->error("a list of steps should stand here"));
    for (const Yaml& item : steps->items) {
        SKEP_TRY(must_be_map(item, "a step"));
        SKEP_TRY(check_keys(item, {"program", "packet", "ctx", "syscall", "fork", "exec", "exit",
                                   "time", "repeat", "expect"}));
        Step step{.prog = prog};
        SKEP_TRY(read_step_keys(item, step));
        if (const Yaml* wanted = item.find("expect"))
            step.expect = SKEP_TRY(read_expect(*wanted, true));
        test.steps.push_back(step);
    }
    if (expect) test.expect = SKEP_TRY(read_expect(*expect, false));
    return test;
}

}  // namespace

Result<void> check_keys(const Yaml& node, std::initializer_list<std::string_view> known) {
    for (const Yaml& key : node.keys) {
        if (key.is_scalar() && std::ranges::find(known, key.text) != known.end()) continue;
        const auto meant = closest(key.text, std::vector<std::string_view>(known));
        return std::unexpected(key.error(fmt::format("there is no key {} here", key.describe()),
                                         meant
                                             ? fmt::format("did you mean '{}'?", *meant)
                                             : fmt::format("keys are {}", fmt::join(known, ", "))));
    }
    return {};
}

Result<Instant> read_time(const Yaml& node) {
    constexpr std::pair<std::string_view, uint64_t> kUnits[] = {
        {"ns", 1}, {"us", 1000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};
    std::string_view text = node.text;
    Instant instant;
    if (text.starts_with('+')) {
        instant.relative = true;
        text.remove_prefix(1);
    }
    uint64_t scale = 1;
    for (const auto& [unit, factor] : kUnits)
        if (text.ends_with(unit)) {
            text = trim(text.substr(0, text.size() - unit.size()));
            scale = factor;
            break;
        }
    const auto number = parse_uint(text);
    if (!node.is_scalar() || !number || __builtin_mul_overflow(*number, scale, &instant.ns))
        return std::unexpected(
            node.error(fmt::format("{} is no time", node.describe()),
                       "nanoseconds, or a number with ns, us, ms or s; +5s is 5 s after the last"));
    return instant;
}

Result<TestFile> TestFile::read(const std::string& path) {
    const Bytes bytes = SKEP_TRY(read_file(path));
    return parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

Result<TestFile> TestFile::parse(std::string_view text, const std::string& path) {
    TestFile file;
    file.path = path;
    file.name = std::make_unique<const std::string>(path);
    file.root = std::make_unique<const Yaml>(SKEP_TRY(parse_yaml(text, *file.name)));
    const Yaml& root = *file.root;
    SKEP_TRY(must_be_map(root, "a test file"));
    SKEP_TRY(check_keys(root, {"object", "program", "maps", "globals", "helpers", "task", "time",
                               "random", "in", "event_types", "tests"}));
    const Yaml* object = root.find("object");
    if (!object)
        return std::unexpected(
            root.error("no 'object' is named", "object: NAME.bpf.o, or the NAME.bpf.c to compile"));
    file.object_as = SKEP_TRY(read_text(*object, "the path of an object"));
    file.object = file.resolve(file.object_as);
    Test common;
    std::string prog;
    SKEP_TRY(read_common(root, common, prog));
    const Yaml* tests = root.find("tests");
    if (!tests || !tests->is_list() || tests->items.empty())
        return std::unexpected(
            (tests ? *tests : root).error("there are no tests: 'tests' is a list of them"));
    for (const Yaml& item : tests->items) {
        Test test = SKEP_TRY(read_test(item, common, prog));
        for (const Test& other : file.tests)
            if (other.name == test.name)
                return std::unexpected(item.error(
                    fmt::format("a second test with the name '{}'; the first is in line {}",
                                printable(test.name), other.at->line)));
        file.tests.push_back(std::move(test));
    }
    return file;
}

std::string TestFile::resolve(std::string_view named) const {
    const std::filesystem::path given(named);
    if (given.is_absolute()) return given.string();
    return (std::filesystem::path(path).parent_path() / given).lexically_normal().string();
}

namespace {

Result<PacketInput> from_capture(const TestFile& file, const Yaml& node) {
    SKEP_TRY(check_keys(node, {"pcap", "number"}));
    const std::string path =
        file.resolve(SKEP_TRY(read_text(*node.find("pcap"), "the path of a capture")));
    uint64_t number = 1;
    SKEP_TRY(number_of(node, "number", number));
    auto reader = packet::CaptureReader::open(path);
    if (!reader) return std::unexpected(std::move(reader).error().in(node.place()));
    for (uint64_t i = 1;; i++) {
        const auto packet = reader->next();
        if (!packet) return std::unexpected(Error(packet.error()).in(node.place()));
        if (!*packet)
            return std::unexpected(node.error(fmt::format("{} has {} packets, and no packet {}",
                                                          printable(path), i - 1, number)));
        if (i == number)
            return PacketInput{.bytes = Bytes((*packet)->data.begin(), (*packet)->data.end()),
                               .link_type = (*packet)->link_type,
                               .length = (*packet)->length};
    }
}

Result<PacketInput> plain(Bytes bytes) {
    const auto length = uint32_t(bytes.size());
    return PacketInput{.bytes = std::move(bytes), .length = length};
}

Result<PacketInput> from_layers(const Yaml& node) {
    const auto layers = packet::parse_packet_text(node.text);
    if (!layers) return std::unexpected(node.error(layers.error().message, layers.error().hint));
    return plain(packet::build_packet(*layers));
}

}  // namespace

Result<PacketInput> read_packet(const TestFile& file, const Yaml& node) {
    if (node.is_map()) {
        if (node.find("pcap")) return from_capture(file, node);
        SKEP_TRY(check_keys(node, {"pcap", "number", "hex", "layers"}));
        if (const Yaml* hex = node.find("hex")) {
            const auto bytes = from_hex(hex->text);
            if (!bytes)
                return std::unexpected(
                    hex->error(fmt::format("{} are no hex digits", hex->describe())));
            return plain(*bytes);
        }
        if (const Yaml* layers = node.find("layers")) return from_layers(*layers);
        return std::unexpected(node.error("no packet", "it has 'hex', 'layers' or 'pcap'"));
    }
    if (!node.is_scalar())
        return std::unexpected(
            node.error(fmt::format("{} stands where a packet should", node.describe()),
                       "hex digits, layers (eth/ipv4/udp(dst=53)), or {pcap: FILE, number: N}"));
    if (const auto bytes = from_hex(node.text); bytes && !bytes->empty()) return plain(*bytes);
    return from_layers(node);
}

}  // namespace skep::test
