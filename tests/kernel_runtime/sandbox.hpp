// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/testing.hpp"
#include "kernel/attach.hpp"
#include "kernel/netns.hpp"
#include "kernel/object.hpp"

// Where tests may attach: network namespaces, cgroups and a bpf file system that are the test's
// own. Namespaces have no name and mounts are this process's alone, so nothing of either is left
// even by a killed test; cgroups are swept by the next one.

namespace skep::kernel_test {

/// Why programs cannot be loaded here (not root, or a kernel without BPF); nothing where they can.
std::optional<std::string> why_no_kernel();

/// Skips the test unless programs can be loaded.
#define NEEDS_KERNEL() \
    if (const auto why = ::skep::kernel_test::why_no_kernel()) SKEP_SKIP(*why)

/// The value, or a failure of the test that names the error; and the test ends.
template <typename T>
T must(Result<T> result) {
    if (!result) {
        ADD_FAILURE() << result.error().to_string();
        throw std::runtime_error(result.error().message);
    }
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// A compiled program of this folder, loaded: "net" -> net.bpf.o.
kernel::Object load(const std::string& name, const kernel::LoadOptions& options = {});
Bytes object_bytes(const std::string& name);

/// A global variable of a loaded object.
uint64_t global(const kernel::Object& object, const std::string& variable);
/// Before loading: sets a constant variable of four bytes.
void set_constant(kernel::Object& object, const std::string& variable, uint32_t value);
/// The object with its constant `wanted` set to this process's id, and loaded.
kernel::Object load_for_me(const std::string& name, const kernel::LoadOptions& options = {});

/// Two network namespaces and a veth between them: left (10.9.1.1, fd09::1 on "left0") and right
/// (10.9.1.2, fd09::2 on "right0").
class Wire {
  public:
    explicit Wire(uint32_t mtu = 1500);

    const std::string& left() const { return left_path_; }  ///< a path for NetnsScope
    const std::string& right() const { return right_path_; }
    uint32_t right_index() const { return right_index_; }
    /// Runs a command in the namespace; its exit code.
    int in_left(const std::string& command) const { return run(left_path_, command); }
    int in_right(const std::string& command) const { return run(right_path_, command); }

    static constexpr const char* kLeft = "10.9.1.1";
    static constexpr const char* kRight = "10.9.1.2";

  private:
    static int run(const std::string& netns, const std::string& command);
    UniqueFd left_, right_;
    std::string left_path_, right_path_;
    uint32_t right_index_ = 0;
};

/// A cgroup of version 2 for one test.
class Cgroup {
  public:
    Cgroup();
    ~Cgroup();
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;

    static std::optional<std::string> why_none();
    const std::string& path() const { return path_; }
    /// Runs it in a child process inside the cgroup; what it returns (0 to 255).
    int run(const std::function<int()>& body) const;

  private:
    std::string path_;
};

/// A bpf file system that only this process sees.
const std::string& bpffs();

/// Runs it in a child process; what it returns.
int in_child(const std::function<int()>& body);

/// The output of a command, and whether it ended with 0.
struct Output {
    bool good = false;
    std::string text;
};
Output run_command(const std::string& command);

}  // namespace skep::kernel_test
