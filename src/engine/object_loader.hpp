// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "engine/object.hpp"

namespace skep::engine {

/// The steps of Object::load(), in this order.
class ObjectLoader {
  public:
    ObjectLoader(Object& object, const Object::Options& options)
        : object_(object), options_(options) {}

    Result<void> create_maps();
    Result<void> load_progs();
    Result<void> fill_slots();

  private:
    std::shared_ptr<maps::Map> given_map(size_t index) const;  ///< null: to be made
    Result<maps::MapDef> define(const object::MapSpec& spec) const;
    Result<void> fill_values(const object::MapSpec& spec, maps::Map& map) const;
    bool wanted(const object::ProgSpec& spec) const;
    Result<void> load_prog(size_t index);
    Result<void> set_prog(maps::Map& map, const object::InitialSlot& slot);
    Result<void> set_map(maps::Map& map, const object::InitialSlot& slot);

    Object& object_;
    const Object::Options& options_;
    std::vector<std::shared_ptr<const Prog>> by_spec_;  ///< by index in the spec; null: not loaded
};

}  // namespace skep::engine
