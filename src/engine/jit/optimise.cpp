// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/optimise.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.hpp"
#include "engine/calls.hpp"
#include "engine/jit/link.hpp"
#include "engine/jit/native_run.hpp"
#include "maps/array.hpp"
#include "verifier/verify.hpp"

#ifndef SKEP_MODULE_DIR
#define SKEP_MODULE_DIR ""
#endif

#ifdef __SANITIZE_ADDRESS__
namespace {
bool g_module_is_here = false;
}
/// LeakSanitizer asks at the end of the process. With LLVM in it, its search for leaks now and then
/// crashes ("Tracer caught signal 11").
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() {
    return g_module_is_here;
}
#endif

namespace skep::engine::jit {

namespace {

constexpr const char* kFile = "libskep-optimiser.so";

/// The directory of the executable or library that this code is in.
std::string here() {
    Dl_info info{};
    static const char kHere = 0;
    std::string path = dladdr(&kHere, &info) && info.dli_fname ? info.dli_fname : "";
    // The name of an executable may be relative, or missing a directory.
    char self[4096];
    if (path.find('/') == path.npos || path[0] != '/') {
        const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
        path = n > 0 ? std::string(self, size_t(n)) : "";
    }
    const size_t slash = path.rfind('/');
    return slash == path.npos ? "" : path.substr(0, slash);
}

std::vector<std::string> places() {
    if (const char* path = std::getenv("SKEP_OPTIMISER")) return {path};
    const std::string directory = here();
    std::vector<std::string> found = {directory + "/" + kFile};
    // Programs of a build may lie one below it (tests); libraries and commands are installed apart.
    found.push_back(directory + "/../" + kFile);
    found.push_back(directory + "/skep/" + kFile);
    if (*SKEP_MODULE_DIR) found.push_back(directory + "/../" SKEP_MODULE_DIR "/" + kFile);
    return found;
}

Result<Optimise*> load() {
    const std::vector<std::string> paths = places();
    for (const std::string& path : paths) {
        if (access(path.c_str(), R_OK) != 0) continue;
        void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!module) return unsupported("the optimising tier: {}", dlerror());
#ifdef __SANITIZE_ADDRESS__
        g_module_is_here = true;
#endif
        if (void* function = dlsym(module, kOptimise)) return reinterpret_cast<Optimise*>(function);
        return unsupported("the optimising tier: {} is something else", path);
    }
    return std::unexpected(
        Error{ErrorCode::Unsupported,
              fmt::format("the optimising tier needs {}, which is not there", printable(paths[0])),
              "install LLVM 19 (llvm-19-dev) and build again, or say with SKEP_OPTIMISER where it "
              "is",
              0});
}

/// What the module gives, or why it does not.
struct Answer {
    Result<Linked> linked = malformed("the optimiser has not answered");
};

void take_object(void* answer, const uint8_t* bytes, size_t size) {
    static_cast<Answer*>(answer)->linked = link_object({bytes, size});
}
void take_refusal(void* answer, const char* why) {
    static_cast<Answer*>(answer)->linked = unsupported("the optimising tier: {}", why);
}

template <typename Function>
uint64_t address_of(Function function) {
    return reinterpret_cast<uint64_t>(function);
}

}  // namespace

Result<Optimise*> optimiser() {
    static const Result<Optimise*> loaded = load();
    if (!loaded) return std::unexpected(Error(loaded.error()));
    return *loaded;
}

OptimiserJob::OptimiserJob(const Prog& prog) : base_(prog.ops().data()), ops_(prog.ops()) {
    for (const Call& call : prog.calls()) calls_.push_back(address_of(call.fn));
    if (!prog.verdict()) return;
    const auto& facts = prog.verdict()->facts.insns;
    const HelperFn lookup = helper_fn(platform::HelperId::map_lookup_elem);
    for (uint32_t i = 0; i < facts.size(); i++) {
        regions_.push_back(uint8_t(facts[i].region));
        if (OpCode(ops_[i].code) != OpCode::PlainCallHelper || facts[i].map >= prog.maps().size() ||
            prog.calls()[ops_[i].imm].fn != lookup)
            continue;
        maps::Map* map = prog.maps()[facts[i].map];
        if (const auto* array = map ? map->as<maps::ArrayMap>() : nullptr)
            lookups_.push_back({.insn = i,
                                .entries = array->def().max_entries,
                                .base = address_of(array->base()),
                                .stride = array->stride(),
                                .cpu_stride = array->cpu_stride()});
    }
}

Result<std::unique_ptr<const NativeCode>> OptimiserJob::compile() const {
    if (!trampoline()) return std::unexpected(Error(trampoline().error()));
    Optimise* const optimise = SKEP_TRY(optimiser());
    const OptimiserInput input{.ops = ops_,
                               .base = base_,
                               .calls = calls_,
                               .regions = regions_,
                               .lookups = lookups_,
                               .step = address_of(&NativeRun::step),
                               .probe_load = address_of(&NativeRun::probe_load),
                               .tail_call = address_of(&NativeRun::tail_call_later),
                               .out_of_budget = address_of(&NativeRun::out_of_budget),
                               .too_deep = address_of(&NativeRun::too_deep),
                               .stop = address_of(trampoline()->stop)};
    Answer answer;
    optimise(input, {.context = &answer, .object = take_object, .refused = take_refusal});
    Linked linked = SKEP_TRY(std::move(answer.linked));
    auto code = SKEP_TRY(Code::place(linked.bytes));
    linked.places.shrink_to_fit();
    return std::make_unique<const NativeCode>(std::move(code), std::move(linked.functions),
                                              std::move(linked.places));
}

}  // namespace skep::engine::jit
