// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "skep/events.hpp"
#include "skep/map.hpp"
#include "skep/program.hpp"
#include "skep/result.hpp"
#include "skep/types.hpp"

// Runs compiled eBPF objects, in this process or in the Linux kernel, through one interface:
//
//     skep::Runtime runtime = SKEP_TRY(skep::Runtime::open(skep::Place::Embedded));
//     skep::Object object = SKEP_TRY(runtime.load_file("policy.bpf.o"));
//     skep::Program policy = SKEP_TRY(object.program("policy"));
//     skep::Map counts = SKEP_TRY(object.map("counts"));
//
// The embedded runtime needs no privilege and no kernel: a program is verified by skep, as Linux
// 6.18 would with the helpers and types that this process has, and runs here, on the events of
// hook.hpp and source.hpp. The kernel runtime loads the same bytes through bpf(2) and attaches to
// the kernel's hooks; it needs CAP_BPF, and more by the hook (`skep doctor` tells).
//
// A Runtime, and an Object, is a handle; copies are the same. What was made with it keeps what it
// needs alive. Thread-safety: load() one thread at a time; else any.

namespace skep {

namespace runtime {
class ObjectBackend;
class RuntimeBackend;
}  // namespace runtime

enum class Place : uint8_t {
    Embedded,  ///< this process
    Kernel,    ///< the running Linux kernel
};

/// What the embedded runtime asks of a program before it runs it. The kernel always verifies.
enum class Verify : uint8_t {
    Required,  ///< accepted by the verifier, or load() fails with its explanation
    Checked,   ///< not asked: it runs with each access checked, and is stopped where one is wrong
};

/// How the embedded runtime runs what its verifier has accepted.
enum class Jit : uint8_t {
    Auto,        ///< the best there is: as machine code, where this machine allows it
    Off,         ///< interpreted
    Baseline,    ///< as machine code that is made while the program is loaded
    Optimising,  ///< by LLVM, which takes milliseconds to load; as Baseline where it is not there
};

struct RuntimeOptions {
    /// bpf_printk(): a line without its newline. Embedded: called on the thread that runs the
    /// program. Kernel: by Events::poll(), with the lines of every program of the machine.
    std::function<void(std::string_view line)> printk = {};
    /// Embedded: nanoseconds for bpf_ktime_get_*(); empty: the machine's clocks.
    std::function<uint64_t()> clock = {};
    /// Where pins without a slash go; empty: /sys/fs/bpf, or for the embedded runtime
    /// $XDG_RUNTIME_DIR/skep.
    std::string pin_directory = {};
};

struct LoadOptions {
    /// Only these programs (and what they can tail-call); empty: all but those of `?section`.
    std::vector<std::string> progs = {};
    Verify verify = Verify::Required;
    Jit jit = Jit::Auto;  ///< embedded
    /// Values of global variables before programs are verified, `const volatile` ones included:
    /// name and bytes, of the variable's size.
    std::vector<std::pair<std::string, std::vector<uint8_t>>> globals = {};
    /// Other sizes for maps: name and max_entries.
    std::vector<std::pair<std::string, uint32_t>> max_entries = {};
    /// Maps that exist already and take the place of the object's own: name and map, which must
    /// have the same definition.
    std::vector<std::pair<std::string, Map>> maps = {};
};

/// A map without an object.
struct MapDef {
    std::string name = {};
    MapType type{};
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    uint32_t max_entries = 0;
    uint32_t flags = 0;
    uint64_t extra = 0;
    std::optional<Map> inner = {};  ///< of a map of maps: one like those that it will hold
};

class Object {
  public:
    const std::string& name() const;
    std::vector<Program> programs() const;  ///< those that are loaded
    std::vector<Map> maps() const;          ///< those that exist
    /// Usage where there is none of that name; the error lists those that there are.
    Result<Program> program(std::string_view name) const;
    Result<Map> map(std::string_view name) const;

    /// Registers the struct of a struct_ops map (a TCP congestion control, say) until the link
    /// goes. The kernel's alone; before Linux 6.4 it stays until nothing has the map any more.
    Result<Link> attach_struct_ops(std::string_view map) const;

    /// Of all its ring buffers and perf event arrays; one at a time.
    Result<Events> events(RecordSink sink) const;

    explicit Object(std::shared_ptr<runtime::ObjectBackend> backend)
        : backend_(std::move(backend)) {}
    const std::shared_ptr<runtime::ObjectBackend>& backend() const { return backend_; }

  private:
    std::shared_ptr<runtime::ObjectBackend> backend_;
};

class Runtime {
  public:
    /// Unsupported, with what is missing, where this machine or this user cannot.
    static Result<Runtime> open(Place place, RuntimeOptions options = {});

    Place place() const;

    /// A compiled object (ELF). Malformed where it is broken; Unsupported where this place does not
    /// have what it needs; Failed where the verifier refuses a program: the message has its reason,
    /// the hint the explanation (and, from the kernel, the last lines of its log).
    Result<Object> load(std::span<const uint8_t> elf, const std::string& name,
                        const LoadOptions& options = {}) const;
    Result<Object> load_file(const std::string& path, const LoadOptions& options = {}) const;

    Result<Map> create_map(const MapDef& def) const;
    /// What Map::pin() has put there, perhaps in another process.
    Result<Map> pinned_map(const std::string& name) const;
    const std::string& pin_directory() const;

    /// Whether ProgramStats::ns counts; costs two readings of the clock a run. In the kernel for
    /// all programs of the machine, as long as the runtime lives.
    Result<void> enable_stats(bool on) const;

    explicit Runtime(std::shared_ptr<runtime::RuntimeBackend> backend)
        : backend_(std::move(backend)) {}
    const std::shared_ptr<runtime::RuntimeBackend>& backend() const { return backend_; }

  private:
    std::shared_ptr<runtime::RuntimeBackend> backend_;
};

}  // namespace skep
