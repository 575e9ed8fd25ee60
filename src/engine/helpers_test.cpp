// SPDX-License-Identifier: Apache-2.0
// Helpers whose results depend on who calls them, and what hostile programs do with them. Those
// that the kernel can be asked about are in tests/helpers.
#include "engine/helpers.hpp"

#include <cstring>

#include "engine/testing.hpp"
#include "maps/perf_event_array.hpp"
#include "maps/ringbuf.hpp"
#include "platform/helpers.hpp"

namespace skep::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A process with one page of memory, and a kernel struct of 16 bytes.
class FakeTask final : public Task {
  public:
    static constexpr uint64_t kPage = 0x7000;

    FakeTask() { std::memcpy(page_.data() + 4090, "abcde", 6); }
    uint64_t pid_tgid() override { return 7ull << 32 | 8; }
    uint64_t uid_gid() override { return 100ull << 32 | 1000; }
    std::array<char, 16> comm() override { return {"fifteen letters"}; }
    uint64_t cgroup_id() override { return 77; }
    int read_user(void* to, size_t size, uint64_t address) override {
        if (address < kPage || address - kPage > page_.size() - size) return -EFAULT;
        std::memcpy(to, page_.data() + (address - kPage), size);
        return 0;
    }
    int64_t read_user_string(char* to, size_t size, uint64_t address) override {
        for (size_t i = 0; i < size; ++i) {
            if (read_user(to + i, 1, address + i)) return -EFAULT;
            if (!to[i]) return static_cast<int64_t>(i) + 1;
        }
        if (size) to[size - 1] = 0;
        return static_cast<int64_t>(size);
    }
    int write_user(uint64_t address, const void* from, size_t size) override {
        if (address < kPage || address - kPage > page_.size() - size) return -EFAULT;
        std::memcpy(page_.data() + (address - kPage), from, size);
        return 0;
    }
    uint64_t task_struct() override { return reinterpret_cast<uint64_t>(kernel_.data()); }
    bool kernel_readable(uint64_t address, size_t size) override {
        const uint64_t offset = address - task_struct();
        return offset <= kernel_.size() && size <= kernel_.size() - offset;
    }

    std::array<uint8_t, 4096> page_{};
    std::array<char, 16> kernel_ = {"kernel"};
    std::array<char, 64> beyond_{};  // the test's own memory comes after that
};

std::optional<int32_t> helper_number(std::string_view name) {
    const auto* helper = platform::find_helper(name);
    return helper ? std::optional(static_cast<int32_t>(helper->id)) : std::nullopt;
}

struct Ran {
    uint64_t r0 = 0;
    std::optional<Fault> fault = {};
    std::vector<uint64_t> ctx = {};  // what the program left in its arguments
    std::vector<std::string> lines = {};
};

class Helpers : public ::testing::Test {
  protected:
    /// `ld_pseudo rX, 0x1, N` is the map `maps[N]`.
    void load(const std::string& text, std::vector<object::MapSpec> maps = {}) {
        auto assembly = isa::assemble(text, helper_number);
        ASSERT_TRUE(assembly) << text << (assembly ? "" : assembly.error().message);
        object::ObjectSpec spec{.name = "test", .license = "GPL", .maps = std::move(maps)};
        object::ProgSpec prog{
            .name = "test", .type = ProgType::RawTracepoint, .insns = assembly->insns};
        prog.subprogs = {{.name = "test", .insn = 0}};
        for (const isa::AsmFunction& function : assembly->functions)
            if (function.insn)
                prog.subprogs.push_back({.name = function.name, .insn = function.insn});
        for (uint32_t i = 0; i < assembly->insns.size(); ++i) {
            const isa::Insn& insn = assembly->insns[i];
            if (insn.opcode == 0x18 && insn.src == isa::kPseudoMapFd)
                prog.references.push_back({.kind = object::Reference::Kind::Map,
                                           .insn = i,
                                           .index = static_cast<uint32_t>(insn.imm)});
        }
        spec.progs.push_back(std::move(prog));
        env_.printk = [this](std::string_view line) { lines_.emplace_back(line); };
        auto loaded = Object::load(spec, env_);
        ASSERT_TRUE(loaded) << text << (loaded ? "" : loaded.error().to_string());
        object_ = std::move(*loaded);
    }
    Outcome run() {
        if (!object_) return {};
        auto execution = Execution::create(env_);
        EXPECT_TRUE(execution);
        (*execution)->budget = 1'000'000;
        Event event{.ctx = reinterpret_cast<uint8_t*>(args_.data()),
                    .ctx_size = sizeof args_,
                    .task = &task_,
                    .registers = 0x1234};
        return object_->find_prog("test")->run(**execution, event);
    }
    uint64_t result(const std::string& text, std::vector<object::MapSpec> maps = {}) {
        load(text, std::move(maps));
        const Outcome outcome = run();
        EXPECT_FALSE(outcome.fault) << text << "\n" << outcome.fault->to_string();
        return outcome.r0;
    }
    std::string fault(const std::string& text, std::vector<object::MapSpec> maps = {}) {
        load(text, std::move(maps));
        const Outcome outcome = run();
        EXPECT_TRUE(outcome.fault) << text;
        return outcome.fault ? outcome.fault->message : "";
    }

    Env env_;
    FakeTask task_;
    std::array<uint64_t, 4> args_{};
    std::vector<std::string> lines_;
    std::unique_ptr<Object> object_;
};

object::MapSpec map_of(MapType type, uint32_t key, uint32_t value, uint32_t entries) {
    object::MapSpec map;
    map.name = "map";
    map.type = type;
    map.key_size = key;
    map.value_size = value;
    map.max_entries = entries;
    return map;
}
const object::MapSpec kRing = map_of(MapType::Ringbuf, 0, 0, 4096);

TEST_F(Helpers, WhoIsRunning) {
    EXPECT_EQ(result("call get_current_pid_tgid\nexit"), task_.pid_tgid());
    EXPECT_EQ(result("call get_current_uid_gid\nexit"), task_.uid_gid());
    EXPECT_EQ(result("call get_current_cgroup_id\nexit"), 77u);
    EXPECT_EQ(result("call get_current_task\nexit"), task_.task_struct());
    EXPECT_EQ(result("call get_current_task_btf\nr1 = r0\ncall task_pt_regs\nexit"), 0x1234u);
    // Cut, and still with an end.
    EXPECT_EQ(
        result("r1 = r10\nr1 += -8\nr2 = 8\ncall get_current_comm\nr0 = *(u64 *)(r10 - 8)\nexit"),
        0x006e6565'74666966u);  // "fifteen"
}

TEST_F(Helpers, ProbeReads) {
    const auto read = [&](const char* helper, uint64_t address, int size) {
        return result(
            fmt::format("r6 = -1\n*(u64 *)(r10 - 8) = r6\nr1 = r10\nr1 += -8\nr2 = {}\n"
                        "r3 = {:#x} ll\ncall {}\nr1 = *(u64 *)(r10 - 8)\n"
                        "if r0 != 0 goto +1\nr0 = r1\nexit\n",
                        size, address, helper));
    };
    const uint64_t kernel = task_.task_struct(), user = FakeTask::kPage + 4090;
    EXPECT_EQ(read("probe_read_user", user, 4), 0xffffffff'64636261u);
    EXPECT_EQ(read("probe_read_user", kernel, 4), uint64_t(-EFAULT));
    EXPECT_EQ(read("probe_read_user", user, 7), uint64_t(-EFAULT));
    EXPECT_EQ(read("probe_read_kernel", kernel, 4), 0xffffffff'6e72656bu);
    EXPECT_EQ(read("probe_read_kernel", user, 4), uint64_t(-EFAULT));
    EXPECT_EQ(read("probe_read_kernel", kernel + 12, 8), uint64_t(-EFAULT));
    EXPECT_EQ(read("probe_read_kernel", 0, 8), uint64_t(-EFAULT));
    EXPECT_EQ(read("probe_read", kernel, 4), 0xffffffff'6e72656bu);  // told by what it can read
    EXPECT_EQ(read("probe_read", user, 4), 0xffffffff'64636261u);
    EXPECT_EQ(read("probe_read_user_str", user, 8), 6u);
    EXPECT_EQ(read("probe_read_user_str", user, 3), 3u);
    EXPECT_EQ(read("probe_read_kernel_str", kernel + 2, 8), 5u);
    EXPECT_EQ(read("probe_read_kernel_str", kernel + 16, 8), uint64_t(-EFAULT));
    EXPECT_EQ(read("probe_read_str", user, 8), 6u);
    EXPECT_EQ(result("*(u64 *)(r10 - 8) = r10\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\n"
                     "call probe_read_kernel\nr0 = *(u64 *)(r10 - 8)\nexit"),
              0u);  // a failed read leaves zeros
    EXPECT_EQ(result(fmt::format("r1 = 0x41\n*(u64 *)(r10 - 8) = r1\nr1 = {}\nr2 = r10\nr2 += -8\n"
                                 "r3 = 1\ncall probe_write_user\nexit",
                                 FakeTask::kPage)),
              0u);
    EXPECT_EQ(task_.page_[0], 'A');
}

TEST_F(Helpers, ProbeReadsSeeTheProgramsOwnMemory) {
    args_[1] = 42;
    EXPECT_EQ(result("r3 = r1\nr3 += 8\nr1 = r10\nr1 += -8\nr2 = 8\ncall probe_read_kernel\n"
                     "r0 = *(u64 *)(r10 - 8)\nexit"),
              42u);
}

TEST_F(Helpers, Printk) {
    const std::string text =
        "r1 = 0x0a7525  ll\n*(u64 *)(r10 - 8) = r1\nr1 = r10\nr1 += -8\n";  // "%u\n"
    EXPECT_EQ(result(text + "r2 = 4\nr3 = 123\ncall trace_printk\nexit"), 4u);
    EXPECT_THAT(lines_, ElementsAre("123"));
    EXPECT_EQ(result(text + "r2 = 3\nr3 = 123\ncall trace_printk\nexit"), uint64_t(-EINVAL));
    EXPECT_EQ(result(text + "r2 = 8\nr3 = 0\nr4 = 0\ncall trace_vprintk\nexit"), uint64_t(-EINVAL));
    EXPECT_EQ(result(text + "r2 = 8\nr3 = r10\nr3 += -8\nr4 = 7\ncall trace_vprintk\nexit"),
              uint64_t(-EINVAL));
    EXPECT_EQ(lines_.size(), 1u);
}

TEST_F(Helpers, NullIsMemoryOfNoBytes) {
    const std::string rest =
        "*(u64 *)(r10 - 8) = 0\nr1 = 0\nr3 = r10\nr3 += -8\nr4 = 0\nr5 = 0\n"
        "call snprintf\nexit";
    EXPECT_EQ(result("r2 = 0\n" + rest), 1u);
    EXPECT_THAT(fault("r2 = 8\n" + rest), HasSubstr("argument 1"));
}

TEST_F(Helpers, RingBufferRecords) {
    const std::string reserve =
        "ld_pseudo r1, 0x1, 0\nr2 = 8\nr3 = 0\ncall ringbuf_reserve\nr6 = r0\n";
    EXPECT_EQ(result(reserve + "r1 = 5\n*(u64 *)(r6 + 0) = r1\nr1 = r6\nr2 = 0\n"
                               "call ringbuf_submit\nr0 = 0\nexit",
                     {kRing}),
              0u);
    uint64_t seen = 0;
    auto* ring = object_->find_map("map")->as<maps::Ringbuf>();
    ring->consume([&](std::span<const uint8_t> bytes) {
        std::memcpy(&seen, bytes.data(), 8);
        return false;
    });
    EXPECT_EQ(seen, 5u);
    EXPECT_THAT(fault(reserve + "r0 = 0\nexit", {kRing}), HasSubstr("neither submitted"));
    const std::string submit = "r1 = r6\nr2 = 0\ncall ringbuf_submit\n";
    fault(reserve + submit + submit + "r0 = 0\nexit", {kRing});
    fault(reserve + submit + "r1 = 0\n*(u64 *)(r6 + 0) = r1\nr0 = 0\nexit", {kRing});
    fault(reserve + "r1 = r6\nr1 += 8\nr2 = 0\ncall ringbuf_submit\nr0 = 0\nexit", {kRing});
    fault(reserve + "r1 = r10\nr1 += -8\nr2 = 0\ncall ringbuf_submit\nr0 = 0\nexit", {kRing});
    EXPECT_EQ(
        result("ld_pseudo r1, 0x1, 0\nr2 = 5000\nr3 = 0\ncall ringbuf_reserve\nexit", {kRing}), 0u);
}

TEST_F(Helpers, RingBufferDynptrs) {
    const std::string reserve =
        "ld_pseudo r1, 0x1, 0\nr2 = 16\nr3 = 0\nr4 = r10\nr4 += -16\ncall ringbuf_reserve_dynptr\n";
    const std::string write =
        "r1 = r10\nr1 += -16\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 8\nr5 = 0\n"
        "call dynptr_write\n";
    const std::string submit = "r1 = r10\nr1 += -16\nr2 = 0\ncall ringbuf_submit_dynptr\n";
    EXPECT_EQ(result(reserve + write + "r6 = r0\n" + submit + "r0 = r6\nexit", {kRing}), 0u);
    // Null afterwards, so submitting it again does nothing, and writing is refused.
    EXPECT_EQ(result(reserve + submit + submit + write + "exit", {kRing}), uint64_t(-EINVAL));
    fault(reserve + "r0 = 0\nexit", {kRing});
}

TEST_F(Helpers, ForgedDynptrsGainNothing) {
    // Local dynptrs (type 1) of 8 bytes at an address that is not the program's.
    const std::string forge = fmt::format(
        "r1 = {:#x} ll\n*(u64 *)(r10 - 16) = r1\nr1 = {:#x} ll\n*(u64 *)(r10 - 8) = r1\n",
        reinterpret_cast<uint64_t>(&args_) + 4096, uint64_t{1u << 28 | 8});
    fault(forge +
          "r1 = r10\nr1 += -24\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 0\nr5 = 0\n"
          "call dynptr_read\nexit");
    fault(forge +
          "r1 = r10\nr1 += -16\nr2 = 0\nr3 = r10\nr3 += -16\nr4 = 8\nr5 = 0\n"
          "call dynptr_write\nexit");
    fault(forge + "r1 = r10\nr1 += -16\nr2 = 0\nr3 = 8\ncall dynptr_data\nexit");
    fault(forge + "r1 = r10\nr1 += -16\nr2 = 0\ncall ringbuf_submit_dynptr\nr0 = 0\nexit");
    // A packet where there is none.
    const std::string packet = fmt::format(
        "r1 = 1\n*(u64 *)(r10 - 16) = r1\nr1 = {:#x} ll\n*(u64 *)(r10 - 8) = r1\n"
        "r1 = r10\nr1 += -24\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 0\nr5 = 0\ncall dynptr_read\nexit",
        uint64_t{3u << 28 | 8});
    EXPECT_EQ(result(packet), uint64_t(-EFAULT));
}

TEST_F(Helpers, PerfEvents) {
    object::MapSpec map = map_of(MapType::PerfEventArray, 4, 4, 0);
    const std::string output =
        "r6 = r1\nr2 = 7\n*(u64 *)(r10 - 8) = r2\nr1 = r6\nld_pseudo r2, 0x1, 0\n"
        "r3 = {:#x} ll\nr4 = r10\nr4 += -8\nr5 = 8\ncall perf_event_output\nexit";
    EXPECT_EQ(result(fmt::format(fmt::runtime(output), 0xffffffff), {map}), 0u);
    size_t records = 0;
    object_->find_map("map")->as<maps::PerfEventArray>()->consume(
        [&](uint32_t, std::span<const uint8_t> bytes) {
            records += bytes.size() == 8 && bytes[0] == 7;
            return false;
        });
    EXPECT_EQ(records, 1u);
    // Only programs on packets can ask for bytes of theirs.
    EXPECT_EQ(result(fmt::format(fmt::runtime(output), 8ull << 32 | 0xffffffff), {map}),
              uint64_t(-EINVAL));
    EXPECT_EQ(result(fmt::format(fmt::runtime(output), 100000), {map}), uint64_t(-E2BIG));
}

TEST_F(Helpers, DrainingAUserRingBuffer) {
    load(R"(
            r2 = 0
            *(u64 *)(r10 - 8) = r2
            ld_pseudo r1, 0x1, 0
            r2 = sample ll
            r3 = r10
            r3 += -8
            r4 = 0
            call user_ringbuf_drain
            r1 = *(u64 *)(r10 - 8)
            r0 <<= 32
            r0 |= r1
            exit
        sample:
            r6 = r2
            r3 = r1
            r1 = r10
            r1 += -8
            r2 = 8
            r4 = 0
            r5 = 0
            call dynptr_read
            r1 = *(u64 *)(r10 - 8)
            r2 = *(u64 *)(r6 + 0)
            r2 += r1
            *(u64 *)(r6 + 0) = r2
            r0 = 0
            exit
    )",
         {map_of(MapType::UserRingbuf, 0, 0, 4096)});
    ASSERT_TRUE(object_);
    auto* ring = object_->find_map("map")->as<maps::UserRingbuf>();
    for (const uint64_t value : {3, 4, 5}) {
        void* sample = ring->reserve(8);
        ASSERT_TRUE(sample);
        std::memcpy(sample, &value, 8);
        EXPECT_TRUE(ring->submit(sample));
    }
    const Outcome outcome = run();
    EXPECT_FALSE(outcome.fault) << outcome.fault->to_string();
    EXPECT_EQ(outcome.r0, 3ull << 32 | 12);
}

}  // namespace
}  // namespace skep::engine
