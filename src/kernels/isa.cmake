# Each instruction set is one file compiled with its own flags; src/kernels/*.cc is portable.
octavo_module(kernels octavo_numerics)
set(octavo_isa_dir ${CMAKE_CURRENT_LIST_DIR})
# Never fused by the compiler: which products are fused is part of the result.
# Under sanitizers less optimised: clang takes half as long, and that is minutes.
set(octavo_kernel_flags $<IF:$<CONFIG:Sanitizers>,-O1,-O3> -ffp-contract=off)
set_source_files_properties(${octavo_isa_dir}/scalar/kernels.cc PROPERTIES
  COMPILE_OPTIONS "-O2;-ffp-contract=off")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(octavo_avx2_flags -mavx2 -mfma -mf16c -mbmi2)
  set(octavo_avx512_flags ${octavo_avx2_flags} -mavx512f -mavx512bw -mavx512vl -mavx512dq
    -mprefer-vector-width=512
    # g++ 12 warns inside its own AVX-512 headers.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
  set(octavo_vnni_flags ${octavo_avx512_flags} -mavx512vnni -mavx512vbmi -mgfni)
  set(octavo_fp16_flags ${octavo_vnni_flags} -mavx512fp16)
  set(octavo_amx_flags ${octavo_vnni_flags} -mavx512bf16 -mamx-tile -mamx-bf16)
  set_source_files_properties(${octavo_isa_dir}/avx2/kernels.cc PROPERTIES
    COMPILE_OPTIONS "${octavo_kernel_flags};${octavo_avx2_flags}")
  set_source_files_properties(${octavo_isa_dir}/avxvnni/kernels.cc PROPERTIES
    COMPILE_OPTIONS "${octavo_kernel_flags};${octavo_avx2_flags};-mavxvnni;-mgfni")
  set_source_files_properties(${octavo_isa_dir}/avx512/kernels.cc PROPERTIES
    COMPILE_OPTIONS "${octavo_kernel_flags};${octavo_avx512_flags}")
  set_source_files_properties(${octavo_isa_dir}/avx512vnni/kernels.cc PROPERTIES
    COMPILE_OPTIONS "${octavo_kernel_flags};${octavo_vnni_flags}")
  set_source_files_properties(${octavo_isa_dir}/avx512fp16/kernels.cc PROPERTIES
    COMPILE_OPTIONS "${octavo_kernel_flags};${octavo_fp16_flags}")
  set_source_files_properties(${octavo_isa_dir}/amx/kernels.cc PROPERTIES
    COMPILE_OPTIONS "${octavo_kernel_flags};${octavo_amx_flags}")
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL aarch64)
  # g++ schedules before it assigns registers, and then has to keep half of a tile's sums in memory.
  set(octavo_neon_flags -march=armv8.2-a+fp16+dotprod
    $<$<CXX_COMPILER_ID:GNU>:-fno-schedule-insns>)
  set_source_files_properties(${octavo_isa_dir}/neon/kernels.cc PROPERTIES
    COMPILE_OPTIONS "${octavo_kernel_flags};${octavo_neon_flags}")
endif()
# Loops that show what the instructions can do at most. VNNI and FP16 are written out as assembler
# and run only where the CPU has them.
set_source_files_properties(${octavo_isa_dir}/scalar/peak.cc PROPERTIES COMPILE_OPTIONS "-O3")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_source_files_properties(${octavo_isa_dir}/avx2/peak.cc PROPERTIES COMPILE_OPTIONS
    "-O3;-mavx2;-mfma;$<$<CXX_COMPILER_ID:Clang>:-mavxvnni>")
  set_source_files_properties(${octavo_isa_dir}/avx512/peak.cc PROPERTIES COMPILE_OPTIONS
    "-O3;-mavx512f;-mavx512bw;$<$<CXX_COMPILER_ID:Clang>:-mavx512vnni>;$<$<CXX_COMPILER_ID:Clang>:-mavx512fp16>")
  set_source_files_properties(${octavo_isa_dir}/amx/peak.cc PROPERTIES
    COMPILE_OPTIONS "-O3;${octavo_amx_flags}")
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL aarch64)
  set_source_files_properties(${octavo_isa_dir}/neon/peak.cc PROPERTIES COMPILE_OPTIONS
    "-O3;-march=armv8.2-a+fp16")
endif()
