// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/published.hpp"

#include "base/file.hpp"
#include "btf/writer.hpp"
#include "elf/elf.hpp"
#include "engine/jit/code_map.hpp"
#include "engine/jit/gdb.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/jit/native_run.hpp"
#include "engine/jit/optimise.hpp"
#include "engine/testing.hpp"

namespace skep::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A program of three lines and a function of one.
object::ObjectSpec program_with_lines() {
    object::ObjectSpec spec = object_of(
        "main:\nr1 = 5\ncall twice\nr0 += 1\nr0 &= 7\nexit\ntwice:\nr0 = r1\nr0 += r1\nexit",
        ProgType::RawTracepoint);
    btf::Writer writer;
    const auto line = [&](uint32_t insn, std::string_view file, uint32_t number) {
        return object::LineInfo{.insn = insn,
                                .file_off = writer.add_string(file),
                                .line_off = writer.add_string("text"),
                                .line = number,
                                .column = 1};
    };
    spec.progs[0].lines = {line(0, "/src/main.bpf.c", 10), line(2, "/src/main.bpf.c", 12),
                           line(3, "/src/main.bpf.c", 300), line(5, "/src/twice.h", 4)};
    spec.btf = *btf::Btf::parse(writer.finish());
    return spec;
}

class Published : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!jit::trampoline()) GTEST_SKIP() << jit::trampoline().error().message;
        object_ = *Object::load(program_with_lines(), env_, {.jit = Jit::Baseline});
        prog_ = object_->progs()[0].get();
        ASSERT_NE(prog_->native(), nullptr);
        map_ = code_map(*prog_, *prog_->native());
    }

    Env env_;
    std::unique_ptr<Object> object_;
    const Prog* prog_ = nullptr;
    jit::CodeMap map_;
};

TEST_F(Published, NamesAndLinesCoverTheCode) {
    ASSERT_EQ(map_.symbols.size(), 2u);
    EXPECT_EQ(map_.symbols[0].name, "bpf_prog_test");
    EXPECT_EQ(map_.symbols[1].name, "bpf_prog_test_twice");
    EXPECT_EQ(map_.symbols[0].begin, map_.code.data());
    EXPECT_EQ(map_.symbols[0].begin + map_.symbols[0].size, map_.symbols[1].begin);
    EXPECT_EQ(map_.symbols[1].begin + map_.symbols[1].size, map_.code.data() + map_.code.size());
    std::vector<uint32_t> lines;
    for (const jit::CodeMap::Line& line : map_.lines) lines.push_back(line.line);
    EXPECT_THAT(lines, ElementsAre(10, 12, 300, 4));
    EXPECT_EQ(map_.lines[3].file, "/src/twice.h");
    EXPECT_EQ(map_.lines[3].begin, map_.symbols[1].begin);
}

TEST_F(Published, LinesOfTheOptimisingTier) {
    if (const auto module = jit::optimiser(); !module) GTEST_SKIP() << module.error().message;
    object::ObjectSpec spec = program_with_lines();
    // What LLVM cannot work out beforehand.
    spec.progs[0].insns[0] = {.opcode = isa::kLdx | isa::kMem | isa::kDw, .dst = 1, .src = 1};
    const auto object = *Object::load(spec, env_, {.jit = Jit::Optimising});
    const Prog& prog = *object->progs()[0];
    ASSERT_NE(prog.optimised(), nullptr) << prog.why_not_optimised();
    const jit::CodeMap map = code_map(prog, *prog.optimised());
    std::vector<uint32_t> lines;
    for (const jit::CodeMap::Line& line : map.lines) lines.push_back(line.line);
    EXPECT_THAT(lines, ::testing::IsSupersetOf({10u, 300u}));
    EXPECT_TRUE(std::ranges::is_sorted(map.lines, {}, &jit::CodeMap::Line::begin));
    for (const jit::CodeMap::Line& line : map.lines) {
        EXPECT_GE(line.begin, map.code.data());
        EXPECT_LT(line.begin, map.code.data() + map.code.size());
    }
}

TEST_F(Published, TheObjectForDebuggersIsOneThatReadelfReads) {
    const std::string path = testing::TempDir() + "/published.elf";
    ASSERT_TRUE(write_file(path, jit::debug_object(map_)));
    const std::string command =
        "readelf --wide --symbols --debug-dump=info,decodedline " + path + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string text;
    for (char piece[4096]; const size_t n = fread(piece, 1, sizeof piece, pipe);)
        text.append(piece, n);
    const int status = pclose(pipe);
    unlink(path.c_str());
    if (status != 0) GTEST_SKIP() << "readelf (binutils) is not here: " << text;
    EXPECT_THAT(text, ::testing::Not(HasSubstr("arning")));
    EXPECT_THAT(text, HasSubstr("bpf_prog_test_twice"));
    EXPECT_THAT(text, HasSubstr(fmt::format("{:#x}", uintptr_t(map_.symbols[1].begin))));
    for (const jit::CodeMap::Line& line : map_.lines) {
        const size_t slash = line.file.rfind('/');
        EXPECT_THAT(
            text, ::testing::ContainsRegex(fmt::format("{} +{} +{:#x}", line.file.substr(slash + 1),
                                                       line.line, uintptr_t(line.begin))));
    }
}

}  // namespace
}  // namespace skep::engine
