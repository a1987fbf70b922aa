# The image module against Pillow and transformers' processor, of OCTAVO_ORACLE_PYTHON.
add_executable(image_probe ${CMAKE_CURRENT_LIST_DIR}/probe/image_probe.cc)
target_link_libraries(image_probe PRIVATE octavo_image)

foreach(name decoding patches video)
  add_test(NAME image_parity_${name} COMMAND ${OCTAVO_ORACLE_PYTHON}
           ${CMAKE_CURRENT_SOURCE_DIR}/image/parity_${name}.py $<TARGET_FILE:image_probe>)
  set_tests_properties(image_parity_${name} PROPERTIES
    LABELS "python;parity" TIMEOUT 900
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1;OPENBLAS_NUM_THREADS=1;HF_HUB_OFFLINE=1")
endforeach()
