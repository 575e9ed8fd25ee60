// SPDX-License-Identifier: Apache-2.0
#include "kernel_runtime/sandbox.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "kernel/bpf.hpp"
#include "kernel_runtime/traffic.hpp"

namespace skep::kernel_test {

std::optional<std::string> why_no_kernel() {
    static const std::optional<std::string> why = []() -> std::optional<std::string> {
        constexpr isa::Insn kZero[] = {{.opcode = isa::kAlu64 | isa::kMov},
                                       {.opcode = isa::kJmp | isa::kExit}};
        const auto prog = kernel::prog_load({.type = ProgType::Kprobe, .insns = kZero});
        if (!prog) return "programs cannot be loaded here: " + prog.error().message;
        if (geteuid() != 0) return "hooks are attached as root";
        return std::nullopt;
    }();
    return why;
}

Bytes object_bytes(const std::string& name) {
    const std::string mine = fmt::format("{}/{}.bpf.o", SKEP_KERNEL_PROGRAMS, name);
    const std::string example = fmt::format("{}/{}.bpf.o", SKEP_EXAMPLES, name);
    return must(read_file(std::filesystem::exists(mine) ? mine : example));
}

kernel::Object load(const std::string& name, const kernel::LoadOptions& options) {
    return must(kernel::Object::load(object_bytes(name), name + ".bpf.o", options));
}

namespace {

struct Variable {
    const object::MapSpec* map;
    uint32_t offset;
    uint32_t size;
};

Variable find_variable(const object::ObjectSpec& spec, const std::string& name) {
    for (const object::MapSpec& map : spec.maps) {
        if (map.origin == object::MapSpec::Origin::Declared || map.value_type_id == 0) continue;
        const btf::Type section = spec.btf->type(map.value_type_id);
        if (section.kind() != btf::Kind::Datasec) continue;
        for (const btf::SectionVar variable : section.variables())
            if (spec.btf->type(variable.type).name() == name)
                return {&map, variable.offset, variable.size};
    }
    throw std::runtime_error("no variable " + name);
}

}  // namespace

uint64_t global(const kernel::Object& object, const std::string& name) {
    const Variable variable = find_variable(object.spec(), name);
    const kernel::Map map = must(object.map(variable.map->name));
    const Bytes value = must(map.lookup(bytes_of(uint32_t{0}))).value();
    uint64_t out = 0;
    std::memcpy(&out, value.data() + variable.offset, std::min<size_t>(variable.size, sizeof out));
    return out;
}

void set_constant(kernel::Object& object, const std::string& name, uint32_t value) {
    const Variable variable = find_variable(object.spec(), name);
    Bytes bytes = variable.map->initial_value;
    bytes.resize(variable.map->value_size);
    std::memcpy(bytes.data() + variable.offset, &value, sizeof value);
    must(object.set_initial_value(variable.map->name, bytes));
}

kernel::Object load_for_me(const std::string& name, const kernel::LoadOptions& options) {
    kernel::Object object =
        must(kernel::Object::open(object_bytes(name), name + ".bpf.o", options));
    set_constant(object, "wanted", static_cast<uint32_t>(getpid()));
    must(object.load());
    return object;
}

int in_child(const std::function<int()>& body) {
    fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) _exit(body());
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Output run_command(const std::string& command) {
    Output output;
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    if (!pipe) return output;
    std::array<char, 4096> buffer;
    for (size_t got; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        output.text.append(buffer.data(), got);
    output.good = pclose(pipe) == 0;
    return output;
}

Wire::Wire(uint32_t mtu) {
    // A thread's namespace lives as long as its descriptor, and needs no name.
    const auto make = [](UniqueFd& fd) {
        std::thread([&fd] {
            if (unshare(CLONE_NEWNET) == 0) fd = must(kernel::current_netns());
        }).join();
        return fmt::format("/proc/{}/fd/{}", getpid(), fd.get());
    };
    left_path_ = make(left_);
    right_path_ = make(right_);
    const int result = in_left(fmt::format(
        "ip link add left0 type veth peer name right0 netns {} && "
        "ip link set lo up && ip addr add {}/24 dev left0 && ip addr add fd09::1/64 dev left0 "
        "nodad && ip link set left0 mtu {} up",
        right_path_, kLeft, mtu));
    const int other = in_right(fmt::format(
        "ip link set lo up && ip addr add {}/24 dev right0 && ip addr add fd09::2/64 dev right0 "
        "nodad && ip link set right0 mtu {} up",
        kRight, mtu));
    if (result != 0 || other != 0) {
        ADD_FAILURE() << "no veth";
        throw std::runtime_error("no veth");
    }
    {
        const auto inside = must(kernel::NetnsScope::enter(right_path_));
        right_index_ = if_nametoindex("right0");
    }
    // A link that is up carries packets a moment later.
    const UniqueFd from = udp_socket(left_path_, kLeft, 0);
    const UniqueFd to = udp_socket(right_path_, "0.0.0.0", 9);
    for (int tries = 0; tries < 50; tries++) {
        send_datagrams(from.get(), kRight, 9, 1);
        if (count_datagrams(to.get()) > 0) return;
    }
    ADD_FAILURE() << "nothing gets through the veth";
}

int Wire::run(const std::string& netns, const std::string& command) {
    // Not "ip netns exec": that remounts /sys, and hides bpffs.
    const Output output = run_command(fmt::format("nsenter --net={} sh -c '{}'", netns, command));
    if (!output.good) fmt::print("{}\n{}", command, output.text);
    return output.good ? 0 : 1;
}

namespace {

std::string cgroup_root() {
    std::ifstream mounts("/proc/mounts");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string what, where, type;
        words >> what >> where >> type;
        if (type == "cgroup2") return where;
    }
    return {};
}

}  // namespace

std::optional<std::string> Cgroup::why_none() {
    if (cgroup_root().empty()) return "no cgroup v2 hierarchy is mounted";
    return std::nullopt;
}

Cgroup::Cgroup() {
    static int count = 0;
    const std::string root = cgroup_root();
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
        const std::string name = entry.path().filename();
        int pid = 0;
        if (std::sscanf(name.c_str(), "skep-test-%d-", &pid) == 1 && kill(pid, 0) != 0)
            rmdir(entry.path().c_str());  // a killed test's
    }
    path_ = fmt::format("{}/skep-test-{}-{}", root, getpid(), count++);
    if (mkdir(path_.c_str(), 0755) != 0) throw std::runtime_error("mkdir " + path_);
}

Cgroup::~Cgroup() {
    // Its last process may not have been reaped everywhere yet.
    for (int tries = 0; tries < 50 && rmdir(path_.c_str()) != 0; tries++) usleep(20'000);
}

int Cgroup::run(const std::function<int()>& body) const {
    return in_child([&] {
        std::ofstream(path_ + "/cgroup.procs") << getpid() << std::flush;
        return body();
    });
}

namespace {
/// Mounted in a mount namespace of this process alone.
struct OwnBpffs {
    OwnBpffs() : path(scratch.path()) {
        if (unshare(CLONE_NEWNS) != 0 ||
            mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            mount("bpf", path.c_str(), "bpf", 0, nullptr) != 0)
            throw std::runtime_error("no bpf file system of our own");
    }
    ~OwnBpffs() { umount2(path.c_str(), MNT_DETACH); }
    testing::ScratchDir scratch;
    std::string path;
};
}  // namespace

const std::string& bpffs() {
    static const OwnBpffs mounted;
    return mounted.path;
}

}  // namespace skep::kernel_test
