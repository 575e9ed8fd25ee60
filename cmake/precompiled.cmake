# SPDX-License-Identifier: Apache-2.0
# The standard library's headers and fmt's are three quarters of the work of compiling one of our
# files. They are compiled once instead: once for libraries and tools, once more with GoogleTest for
# tests. GCC only: the fuzz preset (clang) does without, and so finds a file that includes too little.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  function(skep_precompiled)
  endfunction()
  return()
endif()

# One kind of code in libraries and executables, so that one header serves both.
set(CMAKE_CXX_COMPILE_OPTIONS_PIE ${CMAKE_CXX_COMPILE_OPTIONS_PIC})

set(SKEP_COMMON_HEADERS <algorithm> <array> <atomic> <chrono> <cstdint> <cstring> <expected> <functional> <map>
  <memory> <mutex> <optional> <set> <span> <string> <string_view> <thread> <tuple> <unordered_map> <utility>
  <variant> <vector> <fmt/format.h> <fmt/ranges.h>)

add_library(skep_precompiled OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
target_link_libraries(skep_precompiled PRIVATE skep_flags fmt::fmt)
target_precompile_headers(skep_precompiled PRIVATE ${SKEP_COMMON_HEADERS})

add_library(skep_test_precompiled OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
target_link_libraries(skep_test_precompiled PRIVATE skep_flags fmt::fmt GTest::gmock)
target_precompile_headers(skep_test_precompiled PRIVATE ${SKEP_COMMON_HEADERS} <gtest/gtest.h> <gmock/gmock.h>)

# skep_precompiled(TARGET [TEST]): TARGET includes these headers without compiling them.
function(skep_precompiled TARGET)
  if("TEST" IN_LIST ARGN)
    target_precompile_headers(${TARGET} REUSE_FROM skep_test_precompiled)
  else()
    target_precompile_headers(${TARGET} REUSE_FROM skep_precompiled)
  endif()
endfunction()
