// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "btf/btf.hpp"
#include "kernel/kernel_probe.hpp"
#include "object/spec.hpp"

// An object offered to the running kernel, program by program: what skep's verifier is compared
// with. Maps are made when the first program asks for them; nothing is attached or pinned, and all
// is gone with the KernelObject.
//
//     KernelObject in_kernel(settled, *kernel_btf);
//     LoadAnswer answer = in_kernel.load(settled.progs[0]);
//
// Plain bpf(2), as in kernel_probe.hpp: the call that is timed is BPF_PROG_LOAD and nothing else.

namespace skep::kernel_test {

struct LoadOptions {
    uint32_t flags = 0;      ///< BPF_F_* besides those that the section's name asks for
    uint32_t log_level = 0;  ///< 1 to have the reason of a refusal, 2 for all states, 4 for counts
    bool privileged = true;  ///< false: without BTF, which only privileged users may load
};

struct LoadAnswer {
    UniqueFd prog;
    /// Before the verifier looked: a map, a type or an attach target that cannot be had here.
    std::string unanswered;
    int error = 0;
    std::string log;
    uint64_t nanoseconds = 0;  ///< of the system call

    bool accepted() const { return static_cast<bool>(prog); }
};

class KernelObject {
  public:
    /// Both must outlive it. `object` is settled for the running kernel.
    KernelObject(const object::ObjectSpec& object, const btf::Btf& kernel)
        : object_(object), kernel_(kernel) {}
    KernelObject(const KernelObject&) = delete;
    KernelObject& operator=(const KernelObject&) = delete;
    ~KernelObject();

    LoadAnswer load(const object::ProgSpec& prog, const LoadOptions& options = {});

    /// The kernel's map, made if it is not there yet.
    Result<int> map_fd(uint32_t index, bool with_btf = true);

  private:
    Result<UniqueFd> create(const object::MapSpec& map, bool with_btf);
    Result<void> fill(const object::MapSpec& map, int fd);
    int btf_fd();

    const object::ObjectSpec& object_;
    const btf::Btf& kernel_;
    std::map<uint32_t, UniqueFd> maps_;
    UniqueFd btf_;
    bool btf_tried_ = false;
    std::vector<std::pair<void*, size_t>> arenas_;
};

/// What a program attaches to, as BPF_PROG_LOAD wants it; the attach type of a struct_ops program
/// is the number of the member that it implements.
struct AttachTarget {
    uint32_t btf_id = 0;
    uint32_t attach_type = 0;
};
Result<AttachTarget> attach_target(const object::ObjectSpec& object, const object::ProgSpec& prog,
                                   const btf::Btf& kernel);

/// The object's BTF as the kernel takes it: it knows no extern variables or functions, and a global
/// function that is verified with its caller is called static (libbpf does the same).
Bytes loadable_btf(const object::ObjectSpec& object);

}  // namespace skep::kernel_test
