# SPDX-License-Identifier: Apache-2.0
# One interface target carries every compile option, so that each folder builds under the same rules.
# No option here changes behaviour: presets differ in optimisation and sanitizers only.

set(SKEP_SANITIZE "" CACHE STRING "Comma-separated -fsanitize= list (address,undefined | thread)")

set(SKEP_DEBUG_INFO "" CACHE STRING "Level of -g: 1 (functions and lines) builds fastest")

add_library(skep_flags INTERFACE)
target_include_directories(skep_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_compile_options(skep_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough -Wundef
  -fno-strict-aliasing  # BPF programs and wire formats reinterpret bytes; the engine must not be miscompiled for it
  # GCC 12 sees overlapping copies where std::string has none (its bug 105651), in precompiled headers
  # above all.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  $<$<CONFIG:RelWithDebInfo>:-O2>)

if(SKEP_DEBUG_INFO)
  target_compile_options(skep_flags INTERFACE -g${SKEP_DEBUG_INFO})
endif()

if(SKEP_SANITIZE)
  target_compile_options(skep_flags INTERFACE -fsanitize=${SKEP_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(skep_flags INTERFACE -fsanitize=${SKEP_SANITIZE})
  if(SKEP_SANITIZE MATCHES undefined)
    target_compile_options(skep_flags INTERFACE -fno-sanitize-recover=undefined)
  endif()
  # GCC 12 reports false positives of these under sanitizers (instrumentation hides the guards).
  target_compile_options(skep_flags INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds
    -Wno-restrict -Wno-stringop-overread -Wno-null-dereference>)
endif()

# libstdc++ 12's stable_sort uses what it has itself deprecated; gcc does not mind its own headers.
target_compile_options(skep_flags INTERFACE
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>)

if(SKEP_FUZZ)
  # Coverage instrumentation for every library; only the targets of fuzz/ link libFuzzer's main.
  target_compile_options(skep_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  # It keeps nothing that was compiled with a precompiled header, unless told that this is all right.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()
