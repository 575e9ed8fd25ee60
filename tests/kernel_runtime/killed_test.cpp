// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>

#include "kernel/bpf.hpp"
#include "kernel/listing.hpp"
#include "kernel/tracefs.hpp"
#include "kernel_runtime/sandbox.hpp"
#include "kernel_runtime/traffic.hpp"

// SIGKILL of `skep run --in kernel` at any moment, from its first instruction to long after it has
// attached: no program, map, link, pin or trace instance of it stays, but what it pins on purpose;
// and the next run finds that again.

namespace skep::kernel_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kKills = 50;
constexpr std::string_view kOurs = "skep_kill_";
constexpr const char* kPins = "/sys/fs/bpf";
constexpr const char* kKept = "/sys/fs/bpf/skep_kill_kept";

/// What the kernel has of our object, by the names of programs and maps.
struct Left {
    std::vector<std::string> progs, maps;
    bool any() const { return !progs.empty() || !maps.empty(); }
};

Left find_left() {
    Left left;
    for (const uint32_t id : must(kernel::all_ids(kernel::ObjectKind::Prog))) {
        const auto fd = kernel::fd_by_id(kernel::ObjectKind::Prog, id);
        const auto info = fd ? kernel::prog_info(fd->get()) : Result<bpf_prog_info>();
        if (fd && info && std::string_view(info->name).starts_with(kOurs))
            left.progs.emplace_back(info->name);
    }
    for (const uint32_t id : must(kernel::all_ids(kernel::ObjectKind::Map))) {
        const auto fd = kernel::fd_by_id(kernel::ObjectKind::Map, id);
        const auto info = fd ? kernel::map_info(fd->get()) : Result<bpf_map_info>();
        if (fd && info && std::string_view(info->name).starts_with(kOurs) &&
            info->name != std::string_view("skep_kill_kept"))
            left.maps.emplace_back(info->name);
    }
    return left;
}

/// The kernel lets go of objects a little after their last descriptor.
Left wait_until_gone() {
    Left left = find_left();
    for (int tries = 0; tries < 250 && left.any(); tries++) {
        usleep(20'000);
        left = find_left();
    }
    return left;
}

class Killed : public ::testing::Test {
  protected:
    void SetUp() override {
        NEEDS_KERNEL();
        if (const auto why = Cgroup::why_none()) SKEP_SKIP(*why);
        wire_.emplace();
        cgroup_.emplace();
        bpffs();  // a mount namespace of our own, in which skep's default place is a mount of ours
        ASSERT_EQ(mount(bpffs().c_str(), kPins, nullptr, MS_BIND, nullptr), 0) << strerror(errno);
    }
    void TearDown() override {
        unlink(kKept);
        umount2(kPins, MNT_DETACH);
    }

    pid_t start(const std::vector<std::string>& more = {}) const {
        std::vector<std::string> words = {testing::binary_dir() / "skep",
                                          "run",
                                          fmt::format("{}/killed.bpf.o", SKEP_KERNEL_PROGRAMS),
                                          "--in",
                                          "kernel",
                                          "--interface",
                                          "right0",
                                          "--cgroup",
                                          cgroup_->path()};
        words.insert(words.end(), more.begin(), more.end());
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        fflush(nullptr);
        const pid_t pid = fork();
        if (pid != 0) return pid;
        const auto inside = kernel::NetnsScope::enter(wire_->right());
        const int out = open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        if (inside) execv(argv[0], argv.data());
        _exit(126);
    }

    bool xdp_is_there() const {
        const auto inside = must(kernel::NetnsScope::enter(wire_->right()));
        return std::ranges::any_of(kernel::find_interface_hooks(), [](const kernel::Hooked& hook) {
            return hook.at.target == "right0";
        });
    }

    uint64_t kept() const {
        const auto fd = kernel::open_pinned(kKept);
        uint64_t value = 0;
        if (fd)
            must(kernel::map_lookup(fd->get(), bytes_of(uint32_t{0}),
                                    {reinterpret_cast<uint8_t*>(&value), sizeof value}));
        return value;
    }

    /// Names in the directory, but the kernel's own iterators.
    static std::vector<std::string> pins() {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(kPins))
            if (entry.path().extension() != ".debug") names.push_back(entry.path().filename());
        return names;
    }

    testing::ScratchDir scratch_;
    std::string output_ = scratch_.file("output");
    std::optional<Wire> wire_;
    std::optional<Cgroup> cgroup_;
};

TEST_F(Killed, AtAnyMomentLeavesNothingButWhatIsPinned) {
    // How long it takes until all hooks have their programs: kills are to come before and after.
    const auto begin = steady_clock::now();
    pid_t pid = start();
    while (!xdp_is_there() && steady_clock::now() - begin < std::chrono::seconds(20)) usleep(5'000);
    const auto startup = steady_clock::now() - begin;
    ASSERT_TRUE(xdp_is_there()) << must(read_file(output_)).size();
    const auto horizon = std::max<milliseconds>(
        std::chrono::duration_cast<milliseconds>(startup * 3 / 2), milliseconds(30));

    std::minstd_rand random(4);
    int before = 0, between = 0, attached = 0;
    uint64_t last = 0;
    std::vector<pid_t> killed;
    for (int i = 0; i < kKills; i++) {
        const auto until =
            steady_clock::now() +
            std::chrono::microseconds(random() % (1000 * static_cast<uint64_t>(horizon.count())));
        while (steady_clock::now() < until) {
            syscall(SYS_getppid);  // what the tracepoint counts
            usleep(200);
        }
        const bool loaded = find_left().any(), there = xdp_is_there();
        (there ? attached : loaded ? between : before)++;
        ASSERT_EQ(kill(pid, SIGKILL), 0);
        ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
        killed.push_back(pid);

        const Left left = wait_until_gone();
        EXPECT_THAT(left.progs, ::testing::IsEmpty()) << "kill " << i;
        EXPECT_THAT(left.maps, ::testing::IsEmpty()) << "kill " << i;
        EXPECT_FALSE(xdp_is_there());
        EXPECT_THAT(pins(), ::testing::AnyOf(::testing::IsEmpty(),
                                             ::testing::ElementsAre("skep_kill_kept")));
        EXPECT_GE(kept(), last) << "what was pinned has been lost or begun anew";
        last = kept();
        if (HasFailure()) return;
        if (i + 1 < kKills) pid = start();
    }
    fmt::print(
        "{} kills: {} before anything was loaded, {} between, {} with all attached; {} system "
        "calls in the pinned map\n",
        kKills, before, between, attached, last);
    EXPECT_GT(attached, 0);
    EXPECT_GT(before + between, 0);

    // Nothing is in the way of packets and connections.
    const UniqueFd from = udp_socket(wire_->left(), Wire::kLeft, 0);
    const UniqueFd to = udp_socket(wire_->right(), Wire::kRight, 7777);
    send_datagrams(from.get(), Wire::kRight, 7777, 50);
    EXPECT_EQ(count_datagrams(to.get()), 50);
    EXPECT_EQ(cgroup_->run([&] {
        const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const sockaddr_in where = address("127.0.0.1", 9);
        return connect(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) ? errno
                                                                                          : 0;
    }),
              0);

    // The next run goes on with the pinned map, and sweeps up the trace instances of the dead.
    const pid_t again = start({"--duration", "1", "--show-map", "skep_kill_kept"});
    for (int i = 0; i < 100 && kept() == last; i++) {
        syscall(SYS_getppid);
        usleep(20'000);
    }
    EXPECT_GT(kept(), last);
    int status = 0;
    ASSERT_EQ(waitpid(again, &status, 0), again);
    EXPECT_EQ(status, 0);
    const Bytes shown = must(read_file(output_));
    EXPECT_THAT(std::string(shown.begin(), shown.end()),
                ::testing::HasSubstr(fmt::to_string(kept())));
    const Output instances =
        run_command(fmt::format("ls /proc/{}/fd/{}/instances", getpid(), must(kernel::tracefs())));
    EXPECT_TRUE(instances.good) << instances.text;
    for (const pid_t dead : killed)
        EXPECT_THAT(instances.text,
                    ::testing::Not(::testing::HasSubstr(fmt::format("skep-{}-", dead))));
    EXPECT_FALSE(wait_until_gone().any());
    EXPECT_THAT(pins(), ::testing::ElementsAre("skep_kill_kept"));
}

}  // namespace
}  // namespace skep::kernel_test
