# `cmake --install`: liboctavo with its public headers, the program, and find_package(octavo).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# One shared library of all modules; only what include/octavo/ declares can be linked against.
add_library(octavo_library SHARED ${CMAKE_CURRENT_LIST_DIR}/library.cc)
target_link_libraries(octavo_library PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,octavo_session>)
set(octavo_symbols ${CMAKE_CURRENT_LIST_DIR}/octavo.map)
target_link_options(octavo_library PRIVATE LINKER:--version-script=${octavo_symbols})
set_target_properties(octavo_library PROPERTIES
  OUTPUT_NAME octavo EXPORT_NAME octavo
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINK_DEPENDS ${octavo_symbols})
target_include_directories(octavo_library INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(octavo_library INTERFACE cxx_std_20)

install(TARGETS octavo RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS octavo_library EXPORT octavo LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/octavo DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(octavo_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/octavo)
install(EXPORT octavo NAMESPACE octavo:: FILE octavoConfig.cmake DESTINATION ${octavo_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/octavoConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/octavoConfigVersion.cmake DESTINATION ${octavo_package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
