# Base, numerics and kernels for a CPU that Debian has no libraries for on this machine: headers of
# fmt and nlohmann_json serve every CPU, GoogleTest is built from Debian's sources.
add_library(fmt::fmt INTERFACE IMPORTED)
target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
set(INSTALL_GTEST OFF)
add_subdirectory(/usr/src/googletest googletest EXCLUDE_FROM_ALL)

add_subdirectory(src)
enable_testing()
add_subdirectory(tests)
