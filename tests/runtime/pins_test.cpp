// SPDX-License-Identifier: Apache-2.0
// Pinned maps of the embedded runtime from outside: skep ps and skep map on the files, while a
// process has them open and after it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>

#include "base/testing.hpp"
#include "skep/skep.hpp"

namespace skep {
namespace {

using ::testing::HasSubstr;

struct Output {
    int code = -1;
    std::string text;
};

class Pins : public ::testing::Test {
  protected:
    /// `skep WORDS`, which looks for pins below the test's own directory.
    Output skep(const std::string& words) const {
        const std::string command =
            fmt::format("XDG_RUNTIME_DIR={} {} {} 2>&1", scratch_.path().string(),
                        (testing::binary_dir() / "skep").string(), words);
        Output output;
        FILE* pipe = popen(command.c_str(), "r");
        if (!pipe) return output;
        std::array<char, 4096> buffer;
        for (size_t got; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
            output.text.append(buffer.data(), got);
        output.code = WEXITSTATUS(pclose(pipe));
        return output;
    }
    Result<Runtime> open() const {
        return Runtime::open(Place::Embedded, {.pin_directory = scratch_.file("skep")});
    }

    testing::ScratchDir scratch_;
    std::string path_ = scratch_.file("skep/kept");
};

TEST_F(Pins, AreShownAndChanged) {
    EXPECT_THAT(skep("ps pins").text, HasSubstr("none"));
    {
        const auto runtime = open();
        ASSERT_TRUE(runtime) << runtime.error().to_string();
        const auto object =
            runtime->load_file((testing::binary_dir() / "tests/runtime/both.bpf.o").string());
        ASSERT_TRUE(object) << object.error().to_string();
        Map map = object->map("by_method").value();
        ASSERT_TRUE(map.set(uint32_t{1}, uint64_t{10}));
        ASSERT_TRUE(map.pin("kept"));
        // What was last written to the file is shown; only the holder changes it.
        ASSERT_TRUE(map.set(uint32_t{3}, uint64_t{30}));
        const Output shown = skep("map dump " + path_);
        EXPECT_EQ(shown.code, 0);
        EXPECT_THAT(shown.text, HasSubstr("by_method (hash): 1 of 8 elements"));
        const Output refused = skep("map set " + path_ + " 2 20");
        EXPECT_EQ(refused.code, 5);
        EXPECT_THAT(refused.text, HasSubstr("open already"));
    }
    const Output listed = skep("ps pins");
    EXPECT_EQ(listed.code, 0);
    EXPECT_THAT(listed.text, ::testing::ContainsRegex(path_ + " +hash +by_method +4 +8 +2 +8"));
    EXPECT_THAT(skep("ps pins --json").text, HasSubstr("\"elements\":2"));
    EXPECT_EQ(skep("map set " + path_ + " 2 20").code, 0);
    EXPECT_EQ(skep("map get " + path_ + " 2").text, "20\n");
    EXPECT_EQ(skep("map get " + path_ + " 7").code, 1);
    EXPECT_EQ(skep("map set " + path_ + " 2 21 --when new").code, 5);
    EXPECT_EQ(skep("map delete " + path_ + " 1").code, 0);
    EXPECT_EQ(skep("map delete " + path_ + " 1").code, 1);
    EXPECT_THAT(skep("map show " + path_).text, HasSubstr("pinned   " + path_));
    const auto runtime = open();
    const auto map = runtime->pinned_map("kept");
    ASSERT_TRUE(map) << map.error().to_string();
    EXPECT_EQ(map->get<uint64_t>(uint32_t{1}).value(), std::nullopt);
    EXPECT_EQ(map->get<uint64_t>(uint32_t{2}).value(), 20u);
    EXPECT_EQ(map->get<uint64_t>(uint32_t{3}).value(), 30u);
}

TEST_F(Pins, ADamagedFileIsNamed) {
    std::filesystem::create_directories(scratch_.file("skep"));
    FILE* file = fopen(path_.c_str(), "w");
    ASSERT_NE(file, nullptr);
    fputs("SKEPMAP1abc", file);
    fclose(file);
    EXPECT_THAT(skep("ps pins").text, HasSubstr("not seen: " + path_));
    EXPECT_EQ(skep("map dump " + path_).code, 4);
}

}  // namespace
}  // namespace skep
