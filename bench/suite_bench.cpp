// SPDX-License-Identifier: Apache-2.0
// suite_bench DIRECTORY: programs that compute on a packet, in every way that there is to run them,
// beside the same C text as native code (clang -O2): the interpreter, machine code of both tiers,
// the kernel's JIT (as root; less what its test run costs for a program that only returns), and
// ubpf's where SKEP_UBPF names its shared library. bench/suite.sh prepares the directory. In turns
// in one process; the least of several rounds, in CPU time.
#include <dlfcn.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>

#include "base/file.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/testing.hpp"
#include "kernel/object.hpp"
#include "object/read.hpp"
#include "timing.hpp"
#include "ubpf.hpp"

#include <sys/mman.h>  // last: its MAP_TYPE is the name of a macro of ours

namespace {

using namespace skep;
using namespace skep::engine;

constexpr int kRounds = 60;
constexpr double kTurn = 60'000;    // ns of each turn, about
constexpr double kShortest = 50;    // ns natively: below, the beginning of a run is all there is
constexpr size_t kResultBytes = 8;  // in front of the input: where programs leave their result

/// One way to run a program, with what making it ready cost.
struct Way {
    std::string name;
    std::function<uint64_t()> run = {};   ///< returns what the program computed
    std::function<double()> own_ns = {};  ///< of a way that measures itself, instead of `run`
    double load_ns = 0;
    size_t code_bytes = 0;
    double best = INFINITY;
};

/// The packet and its context below 4 GiB, where the 32 bits of the context's fields can point to
/// it: for those who run programs without rewriting what they read of the context.
class LowPacket {
  public:
    explicit LowPacket(ByteView frame, bool xdp) : xdp_(xdp), size_(kPage + frame.size()) {
        base_ = static_cast<uint8_t*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
        if (base_ == MAP_FAILED) std::abort();
        std::memcpy(base_ + kPage, frame.data(), frame.size());
        const auto data = uint32_t(reinterpret_cast<uintptr_t>(base_ + kPage));
        const auto end = uint32_t(data + frame.size());
        if (xdp) {
            auto* ctx = reinterpret_cast<xdp_md*>(base_);
            ctx->data = data;
            ctx->data_end = end;
        } else {
            auto* ctx = reinterpret_cast<__sk_buff*>(base_);
            ctx->len = uint32_t(frame.size());
            ctx->data = data;
            ctx->data_end = end;
        }
    }
    LowPacket(const LowPacket&) = delete;
    LowPacket& operator=(const LowPacket&) = delete;
    ~LowPacket() { munmap(base_, size_); }

    std::span<uint8_t> memory() { return {base_, size_}; }
    void* ctx() { return base_; }
    uint64_t result() const {
        uint64_t result = 0;
        std::memcpy(&result, xdp_ ? base_ + kPage : base_ + offsetof(__sk_buff, cb), sizeof result);
        return result;
    }

  private:
    static constexpr size_t kPage = 4096;
    bool xdp_;
    size_t size_;
    uint8_t* base_;
};

/// A program in this process.
class Here {
  public:
    Here(const object::ObjectSpec& spec, const Env& env, Execution& execution, Jit jit,
         ByteView frame)
        : execution_(execution) {
        const double begin = bench::cpu_ns();
        auto object = Object::load(spec, env, {.jit = jit});
        load_ns_ = bench::cpu_ns() - begin;
        if (!object) return;
        object_ = std::move(*object);
        prog_ = object_->progs()[0];
        xdp_ = spec.progs[0].type == ProgType::Xdp;
        const bool started = xdp_ ? packet_.start_xdp(frame, {})
                                  : packet_.start_skb(frame, {.from_network = spec.progs[0].type ==
                                                                              ProgType::CgroupSkb});
        if (started) packet_.attach(event_);
    }

    /// Nothing to run where `jit` is not what it has become.
    Way way(std::string name, Jit jit) {
        Way way{.name = std::move(name), .load_ns = load_ns_};
        const bool compiled = jit != Jit::Off;
        if (!prog_ || !event_.ctx || (compiled && !prog_->native()) ||
            (jit == Jit::Optimising && !prog_->optimised()))
            return way;
        if (compiled) way.code_bytes = prog_->native()->bytes().size();
        way.run = [this] { return run(); };
        return way;
    }

  private:
    uint64_t run() {
        (void)prog_->run(execution_, event_);
        uint64_t result = 0;
        std::memcpy(&result, xdp_ ? event_.data : event_.ctx + offsetof(__sk_buff, cb),
                    sizeof result);
        return result;
    }

    double load_ns_ = 0;
    std::shared_ptr<const Object> object_;
    std::shared_ptr<const Prog> prog_;
    Execution& execution_;
    bool xdp_ = true;
    PacketBuffer packet_;
    NoTask task_;
    Event event_{.task = &task_};
};

/// The same text as machine code of the compiler's.
class Native {
  public:
    Native(const std::string& library, const std::string& prog, ByteView frame, bool xdp)
        : packet_(frame, xdp) {
        void* opened = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (opened) function_ = reinterpret_cast<int (*)(void*)>(dlsym(opened, prog.c_str()));
    }
    bool ready() const { return function_; }
    uint64_t run() {
        function_(packet_.ctx());
        return packet_.result();
    }

  private:
    LowPacket packet_;
    int (*function_)(void*) = nullptr;
};

/// The kernel's JIT, which is asked for the time that one run took.
class InKernel {
  public:
    InKernel(ByteView elf, const std::string& file, const std::string& prog, ByteView frame)
        : frame_(frame.begin(), frame.end()) {
        const double begin = bench::cpu_ns();
        auto object = kernel::Object::load(elf, file);
        load_ns = bench::cpu_ns() - begin;
        if (!object) return;
        object_ = std::move(*object);
        if (auto loaded = object_->prog(prog)) prog_ = std::move(*loaded);
    }
    bool ready() const { return prog_.has_value(); }
    double ns(uint32_t repeat) const {
        const auto run = prog_->test_run({.data = frame_, .repeat = repeat});
        return run ? run->duration : INFINITY;
    }

    double load_ns = 0;

  private:
    Bytes frame_;
    std::optional<kernel::Object> object_;
    std::optional<kernel::Prog> prog_;
};

struct Case {
    std::string name;
    Bytes elf;
    object::ObjectSpec spec;
    Bytes packet;  ///< as programs see it: room for the result, then the input
};

Result<Case> read_case(const std::filesystem::path& object) {
    Case result;
    result.name = object.filename().string();
    result.name.resize(result.name.size() - std::strlen(".bpf.o"));
    result.elf = SKEP_TRY(read_file(object));
    result.spec = SKEP_TRY(object::read_object(result.elf, object.string()));
    result.packet.resize(kResultBytes);
    const Bytes input = SKEP_TRY(read_file(object.parent_path() / (result.name + ".mem")));
    result.packet.insert(result.packet.end(), input.begin(), input.end());
    return result;
}

std::vector<Case> read_cases(const std::string& directory) {
    std::vector<Case> cases;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
        if (!entry.path().string().ends_with(".bpf.o")) continue;
        if (auto one = read_case(entry.path()))
            cases.push_back(std::move(*one));
        else
            fmt::print(stderr, "{}\n", one.error().to_string());
    }
    std::ranges::sort(cases, {}, &Case::name);
    return cases;
}

class Suite {
  public:
    Suite(std::string directory, const bench::Ubpf* ubpf)
        : directory_(std::move(directory)), ubpf_(ubpf) {}

    void header() const {
        fmt::print("{:<28} {:>10}", "program", "native ns");
        for (const std::string& name : names()) fmt::print(" {:>12}", name);
        fmt::print("\n");
    }

    /// False where a way is missing or computes something else.
    bool measure(const Case& c) {
        const object::ProgSpec& prog = c.spec.progs[0];
        const bool xdp = prog.type == ProgType::Xdp;
        // A program on a control group sees the packet without its Ethernet header.
        Bytes frame(prog.type == ProgType::CgroupSkb ? 14 : 0);
        frame.insert(frame.end(), c.packet.begin(), c.packet.end());

        Native native(directory_ + "/" + c.name + ".so", prog.name, c.packet, xdp);
        if (!native.ready()) return fmt::print("{:<28} no native code\n", c.name), false;
        std::vector<Way> ways;
        ways.push_back({.name = "native", .run = [&] { return native.run(); }});

        std::vector<std::unique_ptr<Here>> here;
        for (const auto& [name, jit] : kModes) {
            here.push_back(std::make_unique<Here>(c.spec, env_, *execution_, jit, frame));
            ways.push_back(here.back()->way(name, jit));
        }
        LowPacket low(c.packet, xdp);
        std::unique_ptr<bench::Ubpf::Prog> peer;
        if (ubpf_) {
            Way& way = ways.emplace_back(Way{.name = "ubpf"});
            const double begin = bench::cpu_ns();
            peer = ubpf_->load(prog.insns);
            const auto code = peer ? peer->compile() : nullptr;
            way.load_ns = bench::cpu_ns() - begin;
            if (code)
                way.run = [&low, code] {
                    (void)code(low.ctx(), low.memory().size());
                    return low.result();
                };
        }
        std::optional<InKernel> kernel;
        if (is_root_) {
            kernel.emplace(c.elf, c.name, prog.name, frame);
            Way& way = ways.emplace_back(Way{.name = "kernel", .load_ns = kernel->load_ns});
            if (kernel->ready()) way.own_ns = [&] { return kernel->ns(repeat_) - floor_; };
        }
        return take_turns(c.name, ways);
    }

    /// What the kernel's test run costs for a program that only returns.
    void find_floor(const Case& simple) {
        if (!is_root_) return;
        const InKernel kernel(simple.elf, simple.name, simple.spec.progs[0].name, simple.packet);
        floor_ = kernel.ready() ? INFINITY : 0;
        for (int round = 0; kernel.ready() && round < 20; round++)
            floor_ = std::min(floor_, kernel.ns(10'000));
        fmt::print("the kernel's test run: {} ns a run, taken off\n", floor_);
    }

    /// The geometric means of the programs that are not over before they have begun.
    void summary() const {
        size_t long_enough = 0;
        std::map<std::string, Total> totals;
        for (const std::vector<Way>& ways : rows_) {
            const double native = ways[0].best;
            long_enough += native >= kShortest;
            for (const Way& way : std::span(ways).subspan(1)) totals[way.name].add(way, native);
        }
        fmt::print(
            "\n{} programs, {} of them of {} ns and more\n\n{:<12} {:>8} {:>8} {:>8} {:>12} {:>12} "
            "{:>10}\n",
            rows_.size(), long_enough, kShortest, "way", "programs", "ratio", "worst", "load us",
            "worst us", "code bytes");
        for (const std::string& name : names()) totals[name].print(name);
    }

  private:
    static constexpr std::pair<const char*, Jit> kModes[] = {
        {"interpreter", Jit::Off}, {"baseline", Jit::Baseline}, {"optimising", Jit::Optimising}};

    struct Total {
        double logarithms = 0, worst = 0;
        size_t count = 0;
        std::vector<double> loads, sizes;

        void add(const Way& way, double native) {
            if (!std::isfinite(way.best)) return;
            loads.push_back(way.load_ns / 1000);
            sizes.push_back(double(way.code_bytes));
            if (native < kShortest) return;
            count++;
            logarithms += std::log(way.best / native);
            worst = std::max(worst, way.best / native);
        }
        static double median(std::vector<double> values) {
            if (values.empty()) return 0;
            std::ranges::sort(values);
            return values[values.size() / 2];
        }
        void print(const std::string& name) const {
            if (count == 0) return;
            fmt::print("{:<12} {:>8} {:>8.2f} {:>8.2f} {:>12.1f} {:>12.1f} {:>10.0f}\n", name,
                       count, std::exp(logarithms / double(count)), worst, median(loads),
                       std::ranges::max(loads), median(sizes));
        }
    };

    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& mode : kModes) names.emplace_back(mode.first);
        if (ubpf_) names.emplace_back("ubpf");
        if (is_root_) names.emplace_back("kernel");
        return names;
    }

    bool take_turns(const std::string& name, std::vector<Way>& ways) {
        const uint64_t expected = ways[0].run();
        const double once = bench::ns_per_call(ways[0].run, 10);
        const int calls = std::clamp(int(kTurn / std::max(once, 5.0)), 1, 100'000);
        repeat_ = uint32_t(calls);
        bool equal = true;
        for (int round = 0; round < kRounds; round++)
            for (Way& way : ways) {
                if (way.run) {
                    if (round == 0) equal &= way.run() == expected;
                    // The interpreter would take all day.
                    const int some = way.name == "interpreter" ? std::max(calls / 20, 1) : calls;
                    way.best = std::min(way.best, bench::ns_per_call(way.run, some));
                } else if (way.own_ns) {
                    way.best = std::min(way.best, std::max(way.own_ns(), 0.5));
                }
            }
        fmt::print("{:<28} {:>10.1f}", name, ways[0].best);
        for (const Way& way : std::span(ways).subspan(1)) {
            const double ratio = way.best / ways[0].best;
            fmt::print(" {:>12}", std::isfinite(ratio) ? fmt::format("{:.2f}", ratio) : "-");
        }
        fmt::print("{}\n", equal ? "" : "   RESULTS DIFFER");
        rows_.push_back(std::move(ways));
        for (Way& way : rows_.back()) way.run = {}, way.own_ns = {};
        return equal;
    }

    std::string directory_;
    const bench::Ubpf* ubpf_;
    const bool is_root_ = geteuid() == 0;
    const Env env_;
    const std::unique_ptr<Execution> execution_ = std::move(*Execution::create(env_));
    uint32_t repeat_ = 1;
    double floor_ = 0;
    std::vector<std::vector<Way>> rows_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print("suite_bench is left out: it takes a directory that bench/suite.sh prepares\n");
        return argc == 1 ? 0 : 2;
    }
    const std::vector<Case> cases = read_cases(argv[1]);
    if (cases.empty())
        return fmt::print(stderr, "{}: no NAME.bpf.o with its NAME.mem\n", argv[1]), 2;
    const char* library = std::getenv("SKEP_UBPF");
    const auto ubpf = library ? bench::Ubpf::open(library) : nullptr;
    if (!library) fmt::print("ubpf is left out: set SKEP_UBPF to its libubpf.so\n");
    Suite suite(argv[1], ubpf.get());
    if (const auto simple = std::ranges::find(cases, "simple", &Case::name); simple != cases.end())
        suite.find_floor(*simple);
    suite.header();
    bool good = true;
    for (const Case& c : cases) good &= suite.measure(c);
    suite.summary();
    return good ? 0 : 1;
}
