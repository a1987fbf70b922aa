# Each instruction set is one file compiled with its own flags; src/kernels/*.cc is portable.
octavo_module(kernels octavo_numerics)
set(octavo_isa_dir ${CMAKE_CURRENT_LIST_DIR})
set_source_files_properties(${octavo_isa_dir}/scalar/kernels.cc PROPERTIES COMPILE_OPTIONS "-O3")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_source_files_properties(${octavo_isa_dir}/avx2/kernels.cc PROPERTIES
    COMPILE_OPTIONS "-O3;-mavx2;-mfma;-mf16c;-mbmi2")
  set_source_files_properties(${octavo_isa_dir}/avx512/kernels.cc PROPERTIES
    COMPILE_OPTIONS
    # g++ 12 warns inside its own AVX-512 headers.
    "-O3;$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>;$<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>;-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx2;-mfma;-mf16c;-mbmi2;-mprefer-vector-width=512")
endif()
