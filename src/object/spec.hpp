// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "btf/btf.hpp"
#include "btf/core_relo.hpp"
#include "isa/insn.hpp"
#include "platform/types.hpp"

// What a compiled BPF object says, as plain data: programs with their subprograms linked in, maps,
// externs, types, and the relocations that can only be settled where it will run. Reading an object
// never looks at the machine: the same bytes give the same spec anywhere. Copyable, immutable by
// habit once read, free to share between threads as const.
//
//     ObjectSpec object = SKEP_TRY(read_object(bytes, "hello.bpf.o"));      // object/read.hpp
//     for (const ProgSpec& prog : object.progs) load(prog.insns, prog.references);
//
// Rules are libbpf 1.x's ("the field's conventions"): section names, BTF-defined maps, global data.
// docs/objects.md lists them.

namespace skep::object {

/// A reference from an instruction to something that exists only at run time. Until a loader fills
/// it in, the instruction carries the pseudo src that it will have, `index` as its imm, and for
/// MapValue `addend` in the second imm (an lddw of a KsymVar carries nothing).
struct Reference {
    enum class Kind : uint8_t {
        Map,       ///< lddw: the address of map `index` (BPF_PSEUDO_MAP_FD)
        MapValue,  ///< lddw: `addend` bytes into the value of map `index` (BPF_PSEUDO_MAP_VALUE)
        KsymVar,   ///< lddw: the address of kernel variable (or function) `index` of externs
        KsymFunc,  ///< call: the kernel function `index` of externs (BPF_PSEUDO_KFUNC_CALL)
    };
    Kind kind;
    uint32_t insn;   ///< in ProgSpec::insns
    uint32_t index;  ///< into ObjectSpec::maps or ObjectSpec::externs
    int64_t addend = 0;
};

/// Source position of an instruction: offsets into the object's BTF strings (bpf_line_info).
struct LineInfo {
    uint32_t insn;
    uint32_t file_off;
    uint32_t line_off;  ///< the text of the source line
    uint32_t line;
    uint32_t column;
};

/// A function inside a program; the first one is the program itself and starts at 0.
struct Subprog {
    std::string name = {};
    uint32_t insn;             ///< where it starts in ProgSpec::insns
    uint32_t btf_type_id = 0;  ///< its BTF FUNC, or 0
    bool global = false;       ///< verified on its own (not static)
};

/// An instruction that needs what its target does not have: it calls what does not exist, which is
/// harmless where it is dead code.
struct Unresolved {
    uint32_t insn;
    std::string what;    ///< "struct task_struct.gone", "kernel function bpf_new"
    std::string reason;  ///< "no type of that name has such a member"
};

struct ProgSpec {
    std::string name = {};
    std::string section = {};  ///< as in the object, e.g. "?tp/syscalls/sys_enter_execve"
    ProgType type = ProgType::Unspec;
    AttachType attach_type = AttachType::None;
    /// What the section names behind its prefix, e.g. "sched/sched_switch".
    std::string attach_target = {};
    bool autoload = true;       ///< false for "?section"
    bool sleepable = false;     ///< "lsm.s/..." and its like
    bool multi_buffer = false;  ///< "xdp.frags/..."

    std::vector<isa::Insn> insns =
        {};  ///< with every subprogram it needs; calls between them are final
    std::vector<Subprog> subprogs = {};
    std::vector<Reference> references = {};
    std::vector<btf::CoreRelo> core_relos = {};
    std::vector<Unresolved> unresolved = {};  ///< of settle()
    std::vector<LineInfo> lines = {};         ///< ascending by insn
};

/// What initial values a map's slots have: other maps (map-in-map) or programs (prog array,
/// struct_ops).
struct InitialSlot {
    uint32_t slot;   ///< of struct_ops: the byte offset of the function pointer in the value
    uint32_t index;  ///< into ObjectSpec::maps or ObjectSpec::progs, by the map's type
};

struct MapSpec {
    /// Where the map comes from: declared by the user, or made by libbpf's rules for global data
    /// and for variables of struct_ops sections.
    enum class Origin : uint8_t { Declared, Data, Rodata, Bss, Kconfig, StructOps };

    std::string name = {};  ///< e.g. "counts"; global data as libbpf names it: "prog.rodata"
    MapType type = MapType::Unspec;
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    uint32_t max_entries = 0;
    uint32_t flags = 0;  ///< BPF_F_* of map creation
    uint32_t numa_node = 0;
    uint64_t extra = 0;        ///< map_extra (bloom filter: number of hashes)
    bool pin_by_name = false;  ///< LIBBPF_PIN_BY_NAME
    bool autocreate = true;    ///< false for "?.struct_ops"
    uint32_t key_type_id = 0;  ///< in the object's BTF, or 0
    uint32_t value_type_id = 0;

    std::shared_ptr<const MapSpec> inner = {};  ///< template of a map-in-map's inner maps
    std::vector<InitialSlot> initial_slots = {};

    Origin origin = Origin::Declared;
    std::string section = {};  ///< of global data: ".rodata.config"
    /// Of global data and struct_ops: the one value's bytes; of an arena: its first bytes. Empty
    /// means zeros (.bss; .kconfig until evaluate_kconfig()).
    Bytes initial_value = {};
};

/// A name that the object expects from where it runs.
struct Extern {
    enum class Kind : uint8_t { Kconfig, KsymVar, KsymFunc };
    std::string name = {};
    Kind kind;
    bool weak = false;
    uint32_t type_id = 0;  ///< in the object's BTF: of the variable, or the FUNC; 0: typeless ksym
    uint32_t size = 0;     ///< Kconfig: bytes of the variable
    /// Kconfig: where it lies in the value of the map of Origin::Kconfig.
    uint32_t data_offset = 0;
};

struct ObjectSpec {
    std::string name = {};     ///< from the file name: "hello" for "dir/hello.bpf.o"
    std::string license = {};  ///< empty where the object has no license section
    uint32_t kernel_version = 0;
    std::shared_ptr<const btf::Btf> btf = {};  ///< null where the object has none
    std::vector<ProgSpec> progs = {};
    std::vector<MapSpec> maps = {};
    std::vector<Extern> externs = {};

    const ProgSpec* find_prog(std::string_view prog_name) const;
    const MapSpec* find_map(std::string_view map_name) const;
    bool gpl_compatible() const;  ///< by the kernel's license_is_gpl_compatible()
};

}  // namespace skep::object
