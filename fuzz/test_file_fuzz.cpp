// SPDX-License-Identifier: Apache-2.0
// Any text as a test file; its packets and values are read as far as that needs no object.
#include "apps/test/test_file.hpp"
#include "apps/test/values.hpp"
#include "platform/embedded.hpp"

using namespace skep;
using namespace skep::test;

namespace {

const btf::Btf& types() {
    static const auto btf = [] {
        const ByteView bytes = platform::embedded_btf();
        return *btf::Btf::parse(Bytes(bytes.begin(), bytes.end()));
    }();
    return *btf;
}

void read_values(const Yaml* maps) {
    if (!maps) return;
    for (const Yaml& node : maps->items) {
        for (const std::string_view name : {"task_struct", "cred", "pid", "new_utsname"}) {
            const auto type = types().find(name, btf::Kind::Struct);
            const Shape shape{&types(), type->id(), type->size()};
            if (const auto value = encode(shape, node))
                (void)differences(shape, *value, Bytes(shape.size));
        }
        (void)encode({.size = 8}, node);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto file = TestFile::parse({reinterpret_cast<const char*>(data), size}, "t.yaml");
    if (!file) return 0;
    for (const skep::test::Test& test : file->tests) {
        for (const Step& step : test.steps) {
            // A capture would be read from the disk.
            if (step.packet && !step.packet->is_map()) (void)read_packet(*file, *step.packet);
            read_values(step.expect.maps);
        }
        for (const Yaml* maps : test.maps) read_values(maps);
    }
    return 0;
}
