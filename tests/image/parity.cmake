# The image module against Pillow and transformers' processor, and bad files, with the packages of
# OCTAVO_ORACLE_PYTHON.
add_executable(image_probe ${CMAKE_CURRENT_LIST_DIR}/probe/image_probe.cc)
target_link_libraries(image_probe PRIVATE octavo_image)

# octavo_image_test(SCRIPT LABEL)
function(octavo_image_test script label)
  add_test(NAME image_${script} COMMAND ${OCTAVO_ORACLE_PYTHON}
           ${CMAKE_CURRENT_SOURCE_DIR}/image/${script}.py $<TARGET_FILE:image_probe>)
  set_tests_properties(image_${script} PROPERTIES
    LABELS "python;${label}" TIMEOUT 900
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1;OPENBLAS_NUM_THREADS=1;HF_HUB_OFFLINE=1")
endfunction()

octavo_image_test(parity_decoding parity)
octavo_image_test(parity_patches parity)
octavo_image_test(parity_video parity)
octavo_image_test(bad_files robustness)
