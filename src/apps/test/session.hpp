// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/test/test_file.hpp"
#include "base/bytes.hpp"
#include "engine/fault.hpp"
#include "object/spec.hpp"

// An object that is loaded for one test, in this process or in the kernel: what a step does to it,
// and what can be asked of it afterwards. Two classes have it, EmbeddedSession and KernelSession.
//
//     auto session = SKEP_TRY(load_embedded(spec, file, test, options));
//     const Ran ran = SKEP_TRY(session->run(step, prog));
//     const auto value = SKEP_TRY(session->lookup(map, key));

namespace skep::test {

/// Where a redirect helper has sent the packet.
struct RedirectSeen {
    uint32_t ifindex = 0;  ///< 0: by a map, whose entry is not resolved
    std::string map = {};
    uint32_t key = 0;
};

/// What a run of the program came to.
struct Ran {
    uint64_t r0 = 0;
    std::string verdict = {};  ///< its name, or the number
    std::optional<engine::Fault> fault = {};
    bool is_packet = false;
    Bytes given = {};   ///< of a packet: the frame as the program got it
    Bytes packet = {};  ///< and as it has left it
    Bytes ctx = {};     ///< the context afterwards
    std::optional<RedirectSeen> redirect = {};
};

struct Record {
    size_t map = 0;
    Bytes bytes = {};
};

/// What could not be done here, but is no fault of the test: the test is skipped with this reason.
struct Cannot {
    std::string reason;
};

class Session {
  public:
    virtual ~Session() = default;

    virtual const object::ObjectSpec& spec() const = 0;
    virtual Result<Ran> run(const Step& step, const object::ProgSpec& prog) = 0;

    /// All per-CPU copies; nothing where there is no such key. 0 or an errno otherwise.
    virtual Result<std::optional<Bytes>> lookup(size_t map, ByteView key) = 0;
    virtual Result<std::vector<Bytes>> keys(size_t map) = 0;
    /// In a per-CPU map: the copy of the CPU that programs run on; the others become zero. An empty
    /// key pushes to a queue or stack. 0 or an errno.
    virtual int update(size_t map, ByteView key, ByteView value) = 0;
    /// The first of a queue or stack, which is then gone.
    virtual std::optional<Bytes> pop(size_t map) = 0;
    /// Puts a program into a slot of a prog array. 0 or an errno.
    virtual int set_prog(size_t map, uint32_t slot, size_t prog) = 0;

    /// What has come out of ring buffers and perf event arrays since the last call.
    virtual std::vector<Record> records() = 0;
    /// The lines of bpf_printk() since the last call.
    virtual std::vector<std::string> printk() = 0;
};

/// Whether a map of this type has a copy of each value for each CPU.
bool is_per_cpu(MapType type);
/// Bytes from one copy to the next.
inline size_t copy_step(uint32_t value_size) {
    return align_up(value_size, 8);
}

/// The object with the globals of the test in its initial values.
Result<object::ObjectSpec> with_globals(object::ObjectSpec spec, const Test& test);

/// The programs that its steps name, and those that may be put into prog arrays by name.
Result<const object::ProgSpec*> find_prog(const object::ObjectSpec& spec, const Step& step);
std::vector<std::string> progs_of(const object::ObjectSpec& spec, const Test& test);

}  // namespace skep::test
