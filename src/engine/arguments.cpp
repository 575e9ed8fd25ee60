// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <cstring>

#include "engine/calls.hpp"
#include "maps/map.hpp"
#include "platform/helper_maps.hpp"
#include "platform/limits.hpp"

// Checked mode's stand-in for what the verifier proves about a helper's arguments: each register is
// tested against the prototype before the call, so that helpers may trust what they get.

namespace skep::engine {

namespace {

using platform::ArgBase;
using platform::ArgType;
using platform::HelperProto;
using platform::TypeFlag;

class Arguments {
  public:
    Arguments(Execution& x, const HelperProto& proto, const uint64_t* registers)
        : x_(x), proto_(proto), r_(registers) {}

    bool check() {
        for (int reg = 1; reg <= 5; reg++) {
            const ArgType& type = proto_.args[size_t(reg - 1)];
            if (type.base == ArgBase::DontCare) return true;
            if (has(type.flags, TypeFlag::MaybeNull) && r_[reg] == 0 && !has_size(reg)) continue;
            if (!check(reg, type)) return false;
        }
        return true;
    }

  private:
    /// Whether the next argument is the size of what this one points to: null then is memory of no
    /// bytes, and of no more.
    bool has_size(int reg) const {
        const ArgBase next = reg < 5 ? proto_.args[size_t(reg)].base : ArgBase::DontCare;
        return next == ArgBase::ConstSize || next == ArgBase::ConstSizeOrZero;
    }

    bool check(int reg, const ArgType& type) {
        const bool write = has(type.flags, TypeFlag::Uninit) || has(type.flags, TypeFlag::Write);
        switch (type.base) {
            case ArgBase::ConstMapPtr: return check_map(reg);
            case ArgBase::MapKey:
                return !map_ || memory(reg, map_->def().key_size, false, "the key");
            case ArgBase::MapValue:
                return !map_ || memory(reg, map_->def().value_size, write, "the value");
            case ArgBase::Mem: return check_buffer(reg, type, write);
            case ArgBase::ConstSize: return check_size(reg, 1);
            case ArgBase::ConstSizeOrZero: return check_size(reg, 0);
            case ArgBase::Ctx:
                return r_[reg] == reinterpret_cast<uint64_t>(x_.event().ctx) ||
                       refuse(reg, "is not the context");
            case ArgBase::SpinLock:
                return in_value(reg, "a bpf_spin_lock",
                                [](const maps::MapDef& def) { return def.lock_offset; });
            case ArgBase::Timer:
                return in_value(reg, "a bpf_timer",
                                [](const maps::MapDef& def) { return def.timer_offset; });
            case ArgBase::KptrXchgDest: return check_kptr(reg);
            case ArgBase::RingbufMem: return check_record(reg);
            case ArgBase::Func:
                return x_.is_function(r_[reg]) || refuse(reg, "is no function of the program");
            case ArgBase::ConstStr: return check_text(reg);
            case ArgBase::Dynptr: return memory(reg, 16, true, "the dynptr");
            case ArgBase::BtfIdPtr:
            case ArgBase::BtfIdSockCommon:
                return x_.task().kernel_readable(r_[reg], 1) ||
                       refuse(reg, "does not point to a kernel structure");
            case ArgBase::SockCommon:
            case ArgBase::Socket: return refuse(reg, "is no socket");
            case ArgBase::PercpuBtfId: return refuse(reg, "is no per-CPU variable");
            case ArgBase::Arena: return refuse(reg, "is no arena");
            case ArgBase::ConstAllocSizeOrZero:
            case ArgBase::Stack:
            case ArgBase::Anything:
            case ArgBase::DontCare: return true;
        }
        return true;
    }

    bool refuse(int reg, std::string_view what) {
        x_.fault(Fault::Kind::BadArgument,
                 fmt::format("bpf_{}: argument {} {}", proto_.name, reg, what), reg, r_[reg]);
        return false;
    }

    bool memory(int reg, uint64_t size, bool write, std::string_view what) {
        return x_.check_memory(r_[reg], size, write, reg, what) != nullptr;
    }

    bool check_map(int reg) {
        map_ = x_.memory().map_at(r_[reg]);
        if (!map_) return refuse(reg, "is no map of the program");
        return platform::helper_takes_map(proto_.helper, map_->def().type) ||
               refuse(reg,
                      fmt::format("is map '{}', and the helper does not work on maps of type {}",
                                  map_->def().name, to_string(map_->def().type)));
    }

    /// Memory whose size the prototype or the next argument says.
    bool check_buffer(int reg, const ArgType& type, bool write) {
        if (has(type.flags, TypeFlag::FixedSizeMem)) return memory(reg, type.size, write, "memory");
        if (!has_size(reg)) return true;
        const uint64_t size = r_[reg + 1];
        if (size == 0 && proto_.args[size_t(reg)].base == ArgBase::ConstSizeOrZero) return true;
        return check_size(reg + 1, 1) && memory(reg, size, write, "memory");
    }

    bool check_size(int reg, uint64_t least) {
        return (r_[reg] >= least && r_[reg] < uint64_t(platform::kMaxVarOffset)) ||
               refuse(reg, fmt::format("is a size of {}", int64_t(r_[reg])));
    }

    template <typename Offset>
    bool in_value(int reg, std::string_view what, const Offset& offset_of) {
        const Region region = x_.memory().find(r_[reg], 4);
        const auto offset = region.map ? offset_of(region.map->def()) : std::nullopt;
        return (offset && r_[reg] == region.begin + *offset) ||
               refuse(reg, fmt::format("is not {} in a map value", what));
    }

    bool check_kptr(int reg) {
        const Region region = x_.memory().find(r_[reg], 8);
        if (region.map)
            for (const uint32_t offset : region.map->def().kptr_offsets)
                if (r_[reg] == region.begin + offset) return true;
        return refuse(reg, "is not a kptr in a map value");
    }

    bool check_record(int reg) {
        for (const Region& loan : x_.memory().loans())
            if (loan.kind == Region::Kind::RingbufRecord && loan.begin == r_[reg]) return true;
        return refuse(reg, "is no reserved record of a ring buffer");
    }

    /// A string that ends inside its region.
    bool check_text(int reg) {
        const Region region = x_.memory().find(r_[reg], 1);
        if (region.kind == Region::Kind::None) return memory(reg, 1, false, "the string");
        const uint64_t left = region.size - (r_[reg] - region.begin);
        return std::memchr(reinterpret_cast<const void*>(r_[reg]), 0, left) ||
               refuse(reg, "is a string without an end");
    }

    Execution& x_;
    const HelperProto& proto_;
    const uint64_t* r_;
    const maps::Map* map_ = nullptr;
};

}  // namespace

bool check_arguments(Execution& execution, const HelperProto& proto, const uint64_t* registers) {
    return Arguments(execution, proto, registers).check();
}

}  // namespace skep::engine
