// SPDX-License-Identifier: Apache-2.0
#pragma once

// All of the public API. docs/embedding.md begins with an example; each header has its own.

#include "skep/events.hpp"
#include "skep/hook.hpp"
#include "skep/link.hpp"
#include "skep/map.hpp"
#include "skep/program.hpp"
#include "skep/result.hpp"
#include "skep/runtime.hpp"
#include "skep/source.hpp"
#include "skep/types.hpp"
