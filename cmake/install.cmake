# SPDX-License-Identifier: Apache-2.0
# libskep.so, and what `cmake --install` puts on a machine: the library, its headers (include/skep), the
# command, and the ways in which build systems find them, CMake's and pkg-config's. docs/embedding.md.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# One library with all that is behind the headers; what it needs of other libraries is its own affair.
add_library(libskep SHARED $<TARGET_OBJECTS:skep_runtime>)
target_link_libraries(libskep PRIVATE skep_runtime)
# Never unloaded: a thread of it may be at work (engine/jit/tiering.hpp).
target_link_options(libskep PRIVATE -Wl,-z,nodelete -Wl,--version-script=${CMAKE_CURRENT_LIST_DIR}/libskep.map)
set_target_properties(libskep PROPERTIES OUTPUT_NAME skep VERSION ${PROJECT_VERSION} SOVERSION 0
  LINK_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/libskep.map)

set(SKEP_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/skep)
configure_package_config_file(cmake/skepConfig.cmake.in ${CMAKE_BINARY_DIR}/install/skepConfig.cmake
  INSTALL_DESTINATION ${SKEP_CMAKE_DIR} PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/install/skepConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
# Paths in skep.pc follow from where it lies, so that an installed tree can be moved.
file(RELATIVE_PATH SKEP_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/skep.pc.in ${CMAKE_BINARY_DIR}/install/skep.pc @ONLY)

install(TARGETS skep COMPONENT command)
install(TARGETS libskep COMPONENT library)
install(DIRECTORY include/skep DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)
install(FILES ${CMAKE_BINARY_DIR}/install/skepConfig.cmake
  ${CMAKE_BINARY_DIR}/install/skepConfigVersion.cmake
  DESTINATION ${SKEP_CMAKE_DIR} COMPONENT library)
install(FILES ${CMAKE_BINARY_DIR}/install/skep.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
