# The parity and robustness tests: one ctest entry per pytest file. They need the pinned oracles of
# tools/requirements-oracles.txt in the environment of OCTAVO_ORACLE_PYTHON.
set(python_data ${CMAKE_CURRENT_BINARY_DIR}/data)
file(MAKE_DIRECTORY ${python_data})

function(octavo_pytest folder name)
  set(test ${folder}_${name})
  add_test(NAME ${test}
           COMMAND ${OCTAVO_ORACLE_PYTHON} -m pytest -q --no-header --tb=short -p no:cacheprovider
                   -o tmp_path_retention_policy=failed --basetemp=${python_data}/${test}
                   ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/test_${name}.py
           WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  set_tests_properties(${test} PROPERTIES
    LABELS "python;${folder}"
    TIMEOUT 900
    ENVIRONMENT "OCTAVO_BIN=$<TARGET_FILE:octavo>;OCTAVO_TEST_DATA=${python_data};PYTHONDONTWRITEBYTECODE=1;OPENBLAS_NUM_THREADS=1;HF_HUB_OFFLINE=1")
endfunction()

foreach(name oracles logits quantized converted members awq capitals pictures vision)
  octavo_pytest(parity ${name})
endforeach()
foreach(name bad_files bad_imatrix bad_text_files)
  octavo_pytest(robustness ${name})
endforeach()
