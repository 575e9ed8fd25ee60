# SPDX-License-Identifier: Apache-2.0

# skep_module(FOLDER
#   SOURCES a.cpp b.cpp            files of src/FOLDER; becomes the static library skep_FOLDER
#   DEPENDS base isa               other folders, only those above it in architecture order
#   LIBS fmt::fmt                  third-party libraries
#   TESTS a_test.cpp               unit tests beside the code; become the executable FOLDER_test
#   TEST_LIBS ...)                 what only the tests link
function(skep_module FOLDER)
  cmake_parse_arguments(M "" "" "SOURCES;DEPENDS;LIBS;TESTS;TEST_LIBS" ${ARGN})
  add_library(skep_${FOLDER} STATIC ${M_SOURCES})
  target_link_libraries(skep_${FOLDER} PUBLIC skep_flags ${M_LIBS})
  skep_precompiled(skep_${FOLDER})
  foreach(dependency IN LISTS M_DEPENDS)
    target_link_libraries(skep_${FOLDER} PUBLIC skep_${dependency})
  endforeach()
  if(M_TESTS)
    skep_test(${FOLDER}_test LABEL unit SOURCES ${M_TESTS} LIBS skep_${FOLDER} ${M_TEST_LIBS})
  endif()
endfunction()

# skep_test(NAME LABEL unit|conformance|differential|kernel|cli|e2e SOURCES ... LIBS ...)
# One gtest executable, one ctest entry. A test that cannot run here skips itself with the reason.
# Those that load programs or seccomp filters into the kernel have the label bpf too.
function(skep_test NAME)
  cmake_parse_arguments(T "" "LABEL" "SOURCES;LIBS" ${ARGN})
  add_executable(${NAME} ${T_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${T_LIBS} skep_flags GTest::gmock GTest::gtest_main)
  skep_precompiled(${NAME} TEST)
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${NAME} COMMAND ${NAME} --gtest_brief=1)
  if(NOT T_LABEL MATCHES "^(unit|conformance)$" OR NAME MATCHES "^(isa|packet|hooks|kernel)_test$")
    list(APPEND T_LABEL bpf)
  endif()
  # So long, it hangs. The longest takes a minute, and four under sanitizers.
  set(limit 300)
  if(SKEP_SANITIZE)
    set(limit 600)
  endif()
  set_tests_properties(${NAME} PROPERTIES LABELS "${T_LABEL}" TIMEOUT ${limit}
    ENVIRONMENT "SKEP_SOURCE_DIR=${PROJECT_SOURCE_DIR};SKEP_BINARY_DIR=${CMAKE_BINARY_DIR}")
endfunction()
