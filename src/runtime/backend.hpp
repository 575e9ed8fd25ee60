// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "object/spec.hpp"
#include "skep/skep.hpp"

// What is behind the handles of include/skep: one interface for each, two implementations,
// embedded_* and kernel_*. The handles check nothing that their backend checks; sizes of keys and
// values are checked in map.cpp, for both.

namespace skep::runtime {

class ProgramBackend;

class MapBackend {
  public:
    virtual ~MapBackend() = default;
    virtual const MapInfo& info() const = 0;
    virtual size_t value_bytes() const = 0;

    virtual Result<bool> lookup(Map::Key key, std::span<uint8_t> value, uint64_t flags) = 0;
    virtual Result<void> update(Map::Key key, Map::Key value, uint64_t flags) = 0;
    virtual Result<bool> erase(Map::Key key) = 0;
    virtual Result<bool> take(Map::Key key, std::span<uint8_t> value) = 0;
    virtual Result<bool> next_key(Map::Key key, std::span<uint8_t> next) = 0;
    virtual Result<std::vector<Element>> elements() = 0;
    virtual Result<size_t> update_all(std::span<const Element> elements, uint64_t flags) = 0;
    virtual Result<size_t> erase_all(std::span<const Element> elements) = 0;

    virtual Result<void> set_prog(uint32_t index, const ProgramBackend& prog) = 0;
    virtual Result<void> set_map(Map::Key key, const MapBackend& inner, uint64_t flags) = 0;
    virtual Result<void> freeze() = 0;
    virtual Result<void> pin(const std::string& name) = 0;
    virtual Result<void> unpin() = 0;
    virtual Result<void> sync() = 0;
};

class LinkBackend {
  public:
    virtual ~LinkBackend() = default;  ///< detaches, unless pinned
    virtual Result<void> update(const std::shared_ptr<ProgramBackend>& prog) = 0;
    virtual Result<void> detach() = 0;
    virtual Result<void> pin(const std::string& path) = 0;
    virtual Result<void> unpin() = 0;
    virtual bool attached() const = 0;
    virtual std::string describe() const = 0;
    virtual uint32_t id() const = 0;
    /// Of iterators.
    virtual Result<std::string> read() const {
        return fail(ErrorCode::Unsupported, "{} is no iterator", describe());
    }
};

class ProgramBackend {
  public:
    virtual ~ProgramBackend() = default;
    virtual Place place() const = 0;
    virtual const object::ProgSpec& spec() const = 0;
    virtual uint32_t id() const = 0;
    virtual bool verified() const = 0;
    virtual bool native() const = 0;
    virtual Result<TestResult> test_run(const TestRun& run) = 0;
    virtual Result<ProgramStats> stats() = 0;
    /// Runs a syscall program on `ctx`, in place.
    virtual Result<uint64_t> call(std::span<uint8_t> ctx) = 0;
    /// Where nothing of this process (hook, source) is meant.
    virtual Result<std::unique_ptr<LinkBackend>> attach(const AttachOptions& options) = 0;
};

class EventsBackend {
  public:
    virtual ~EventsBackend() = default;
    virtual Result<size_t> poll(std::chrono::milliseconds timeout) = 0;
    virtual uint64_t lost() const = 0;
};

class ObjectBackend {
  public:
    virtual ~ObjectBackend() = default;
    virtual const object::ObjectSpec& spec() const = 0;
    virtual std::vector<std::shared_ptr<ProgramBackend>> programs() const = 0;
    /// In the order of spec().maps; null for one that does not exist.
    virtual const std::vector<std::shared_ptr<MapBackend>>& maps() const = 0;
    virtual Result<std::unique_ptr<EventsBackend>> events(RecordSink sink) = 0;
    virtual Result<std::unique_ptr<LinkBackend>> attach_struct_ops(const std::string& map) {
        return unsupported("struct '{}': only the kernel has struct_ops", printable(map));
    }
};

class RuntimeBackend {
  public:
    virtual ~RuntimeBackend() = default;
    virtual Place place() const = 0;
    virtual const std::string& pin_directory() const = 0;
    virtual Result<std::shared_ptr<ObjectBackend>> load(std::span<const uint8_t> elf,
                                                        const std::string& name,
                                                        const LoadOptions& options) = 0;
    virtual Result<std::shared_ptr<MapBackend>> create_map(const MapDef& def) = 0;
    virtual Result<std::shared_ptr<MapBackend>> pinned_map(const std::string& name) = 0;
    virtual Result<void> enable_stats(bool on) = 0;
};

Result<std::shared_ptr<RuntimeBackend>> open_embedded(RuntimeOptions options);
Result<std::shared_ptr<RuntimeBackend>> open_kernel(RuntimeOptions options);

/// Events of a source of the embedded runtime, and how programs come to it.
class SourceBackend {
  public:
    virtual ~SourceBackend() = default;
    virtual Result<std::unique_ptr<LinkBackend>> attach(
        const std::shared_ptr<ProgramBackend>& prog) = 0;
    virtual Result<void> run(Events* events, uint64_t count) = 0;
    virtual void stop() = 0;
    virtual const SourceReport& report() const = 0;
};

}  // namespace skep::runtime
