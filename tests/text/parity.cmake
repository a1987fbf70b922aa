# The text module against the packages `tokenizers` and `jinja2` of OCTAVO_ORACLE_PYTHON.
add_executable(text_probe ${CMAKE_CURRENT_LIST_DIR}/probe/text_probe.cc)
target_link_libraries(text_probe PRIVATE octavo_text)

# octavo_text_parity(NAME SCRIPT arguments…)
function(octavo_text_parity name script)
  add_test(NAME text_parity_${name} COMMAND ${OCTAVO_ORACLE_PYTHON}
           ${CMAKE_CURRENT_SOURCE_DIR}/text/${script} $<TARGET_FILE:text_probe> ${ARGN})
  set_tests_properties(text_parity_${name} PROPERTIES
    LABELS "python;parity" TIMEOUT 600 ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
endfunction()

set(octavo_capitals ${PROJECT_SOURCE_DIR}/models/capitals)
octavo_text_parity(tokenizer parity_tokenizer.py ${octavo_capitals})
octavo_text_parity(builtin_template parity_template.py
  ${PROJECT_SOURCE_DIR}/src/text/gemma4_chat_template.jinja "")
octavo_text_parity(capitals_template parity_template.py
  ${octavo_capitals}/chat_template.jinja ${octavo_capitals})
octavo_text_parity(template_constructs parity_template.py
  ${CMAKE_CURRENT_SOURCE_DIR}/text/constructs.jinja)
