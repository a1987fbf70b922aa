# The parity and robustness tests: one ctest entry per pytest file. They need the pinned oracles of
# tools/requirements-oracles.txt in the environment of OCTAVO_ORACLE_PYTHON.
set(python_data ${CMAKE_CURRENT_BINARY_DIR}/data)
file(MAKE_DIRECTORY ${python_data})

# octavo_pytest(FOLDER NAME [SUFFIX VARIABLE=VALUE]): also under another name, in another environment
function(octavo_pytest folder name)
  set(test ${folder}_${name}${ARGV2})
  add_test(NAME ${test}
           COMMAND ${OCTAVO_ORACLE_PYTHON} -m pytest -q --no-header --tb=short -p no:cacheprovider
                   -o tmp_path_retention_policy=failed --basetemp=${python_data}/${test}
                   ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/test_${name}.py
           WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  set_tests_properties(${test} PROPERTIES
    LABELS "python;${folder}"
    TIMEOUT 900
    ENVIRONMENT "OCTAVO_BIN=$<TARGET_FILE:octavo>;OCTAVO_TEST_DATA=${python_data};PYTHONDONTWRITEBYTECODE=1;OPENBLAS_NUM_THREADS=1;HF_HUB_OFFLINE=1;${ARGV3}")
endfunction()

foreach(name oracles logits quantized converted members awq capitals pictures vision)
  octavo_pytest(parity ${name})
endforeach()
# With matrix tiles prompts take other kernels than generated tokens: both are proven.
file(STRINGS /proc/cpuinfo amx REGEX "^flags.* amx_bf16" LIMIT_COUNT 1)
if(amx)
  foreach(name logits quantized)
    octavo_pytest(parity ${name} _without_tiles OCTAVO_ISA=avx512vnni)
  endforeach()
endif()
foreach(name bad_files bad_imatrix bad_text_files)
  octavo_pytest(robustness ${name})
endforeach()
