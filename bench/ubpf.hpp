// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dlfcn.h>
#include <fmt/core.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "isa/decode.hpp"

// ubpf (github.com/iovisor/ubpf), the peer of the interpreter, where the user has built it as a
// shared library. It is opened at run time, by the few functions of its C interface that are
// needed:
//
//     const auto ubpf = Ubpf::open("/home/me/ubpf/build/lib/libubpf.so");
//     const auto prog = ubpf->load(insns);
//     const uint64_t r0 = prog->run(memory);      // r1: the memory's address, r2: its size

namespace skep::bench {

class Ubpf {
    struct Vm;

  public:
    class Prog {
      public:
        /// The interpreter, with its checks of bounds, which are on by default.
        uint64_t run(std::span<uint8_t> memory) const {
            uint64_t r0 = 0;
            failed_ |= ubpf_->exec_(vm_, memory.data(), memory.size(), &r0) != 0;
            return r0;
        }
        bool failed() const { return failed_; }

        /// ubpf's machine code, or null where it has none for the program.
        using Code = uint64_t (*)(void* memory, size_t size);
        Code compile() const {
            char* message = nullptr;
            const Code code = ubpf_->compile_(vm_, &message);
            std::free(message);
            return code;
        }

        Prog(const Ubpf& ubpf, Vm* vm) : ubpf_(&ubpf), vm_(vm) {}
        Prog(const Prog&) = delete;
        Prog& operator=(const Prog&) = delete;
        ~Prog() { ubpf_->destroy_(vm_); }

      private:
        const Ubpf* ubpf_;
        Vm* vm_;
        mutable bool failed_ = false;
    };

    /// Null, and a line on stderr, where that is not the library.
    static std::unique_ptr<Ubpf> open(const char* path) {
        void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        std::unique_ptr<Ubpf> ubpf(new Ubpf);
        if (library && find(library, "ubpf_create", ubpf->create_) &&
            find(library, "ubpf_destroy", ubpf->destroy_) &&
            find(library, "ubpf_load", ubpf->load_) && find(library, "ubpf_exec", ubpf->exec_) &&
            find(library, "ubpf_compile", ubpf->compile_))
            return ubpf;
        fmt::print(stderr, "no ubpf: {}\n", dlerror());
        return nullptr;
    }

    /// Null, and a line on stderr, where ubpf refuses it.
    std::unique_ptr<Prog> load(std::span<const isa::Insn> insns) const {
        const Bytes code = isa::encode(insns);
        Vm* vm = create_();
        auto prog = std::make_unique<Prog>(*this, vm);
        char* message = nullptr;
        if (load_(vm, code.data(), static_cast<uint32_t>(code.size()), &message) == 0) return prog;
        fmt::print(stderr, "ubpf: {}\n", message ? message : "cannot load the program");
        std::free(message);
        return nullptr;
    }

  private:
    Ubpf() = default;

    template <typename Function>
    static bool find(void* library, const char* name, Function*& function) {
        function = reinterpret_cast<Function*>(dlsym(library, name));
        return function != nullptr;
    }

    Vm* (*create_)() = nullptr;
    void (*destroy_)(Vm*) = nullptr;
    int (*load_)(Vm*, const void* code, uint32_t size, char** message) = nullptr;
    uint64_t (*(*compile_)(Vm*, char** message))(void*, size_t) = nullptr;
    int (*exec_)(const Vm*, void* memory, size_t size, uint64_t* r0) = nullptr;
};

}  // namespace skep::bench
