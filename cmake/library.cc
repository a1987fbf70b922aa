// liboctavo consists of the archives of src/; CMake wants a source for a shared library.
