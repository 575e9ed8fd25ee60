// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "kernel/map.hpp"
#include "kernel/prog.hpp"
#include "object/spec.hpp"

struct bpf_object;

// A compiled object in the running kernel: libbpf loads it, skep chooses what of it.
//
//     kernel::Object object = SKEP_TRY(kernel::Object::load(elf, "hello.bpf.o", {}));
//     kernel::Prog hello = SKEP_TRY(object.prog("hello"));
//     auto link = SKEP_TRY(kernel::attach(hello));                     // kernel/attach.hpp
//
// Or in two steps, where something must be set between reading and loading (const variables):
//
//     kernel::Object object = SKEP_TRY(kernel::Object::open(elf, "hello.bpf.o", options));
//     SKEP_TRY(object.set_initial_value("hello.rodata", bytes));
//     SKEP_TRY(object.load());
//
// A program that the kernel refuses is an Error with the kernel's last words, and with what skep's
// verifier says about the same program.

namespace skep::kernel {

struct LoadOptions {
    /// Programs to load; empty: those that the object loads by itself (not "?section").
    std::vector<std::string> progs = {};
    /// Types of programs whose section name says nothing, by program.
    std::map<std::string, ProgType> types = {};
    /// The function of a tracing or LSM program, the target of an ext program: by program.
    std::map<std::string, std::string> attach_targets = {};
    /// Where maps with LIBBPF_PIN_BY_NAME are pinned and found again.
    std::string pin_root = "/sys/fs/bpf";
    /// More entries, or fewer, than the object says: by map.
    std::map<std::string, uint32_t> max_entries = {};
    /// Maps to share instead of making new ones: by map. Borrowed for the call of load().
    std::map<std::string, const Map*> reuse = {};
    /// With whose interface device-bound XDP metadata programs are loaded; 0: none.
    uint32_t device = 0;
};

class Object {
  public:
    static Result<Object> open(ByteView elf, const std::string& name,
                               const LoadOptions& options = {});
    /// open() and load().
    static Result<Object> load(ByteView elf, const std::string& name,
                               const LoadOptions& options = {});

    Result<void> load();

    const object::ObjectSpec& spec() const { return *spec_; }
    bool loaded() const { return loaded_; }

    /// A loaded program. The error lists what there is.
    Result<Prog> prog(const std::string& name) const;
    std::vector<Prog> progs() const;
    /// A map with a descriptor of its own, by the name that the object gives it ("hello.bss").
    Result<Map> map(const std::string& name) const;
    /// All that were made.
    Result<std::vector<std::pair<std::string, Map>>> maps() const;

    /// Before load(): bytes of .rodata, .data or .bss. The size must be the map's.
    Result<void> set_initial_value(const std::string& map, ByteView value);

    bpf_object* libbpf() const { return libbpf_.get(); }
    /// libbpf's object, for what must not outlive it.
    std::shared_ptr<bpf_object> share() const { return libbpf_; }

  private:
    Object() = default;
    Result<void> choose(const LoadOptions& options);
    Prog make_prog(bpf_program* prog) const;

    std::shared_ptr<bpf_object> libbpf_;
    std::shared_ptr<const object::ObjectSpec> spec_;
    std::string file_;  ///< what errors call it
    bool loaded_ = false;
};

/// Why the kernel did not take this program: its last words, and skep's explanation.
std::string explain_refusal(const object::ObjectSpec& object, const object::ProgSpec& prog,
                            std::string_view kernel_log);

}  // namespace skep::kernel
