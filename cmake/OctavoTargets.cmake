# One static library per module of src/, one test program per module of tests/.

add_library(octavo_options INTERFACE)
target_include_directories(octavo_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
# Contraction stays off so that a result depends on the source, not on the compiler's mood:
# kernels that want a fused multiply-add say so.
target_compile_options(octavo_options INTERFACE -Wall -Wextra -Wshadow -ffp-contract=off
  $<$<BOOL:${OCTAVO_WERROR}>:-Werror>)
if(OCTAVO_SANITIZE)
  target_compile_options(octavo_options INTERFACE
    -fsanitize=${OCTAVO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(octavo_options INTERFACE -fsanitize=${OCTAVO_SANITIZE})
endif()

# octavo_module(NAME [dependencies…]): library octavo_NAME from src/NAME/**.cc
function(octavo_module name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  if(NOT sources)
    add_library(octavo_${name} INTERFACE)
    target_link_libraries(octavo_${name} INTERFACE octavo_options ${ARGN})
    return()
  endif()
  add_library(octavo_${name} STATIC ${sources})
  target_link_libraries(octavo_${name} PUBLIC octavo_options ${ARGN})
endfunction()

# octavo_test(NAME [libraries…]): program test_NAME from tests/NAME/*.cc, one ctest entry per case
function(octavo_test name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  target_link_libraries(test_${name} PRIVATE ${ARGN} GTest::gtest_main GTest::gmock)
  target_compile_definitions(test_${name} PRIVATE
    OCTAVO_TESTS_DIR="${PROJECT_SOURCE_DIR}/tests" OCTAVO_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(test_${name} TEST_PREFIX "${name}." NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT 600)
endfunction()
