// Error messages, and loading of the CUDA libraries if they are beside the CPU ones.
#include "bridge.h"

namespace sst::device {


extern "C" const char* sst_last_error() { return sst_error.c_str(); }

// Loads libtorch_cuda from the folder of the libtorch_cpu in use. found: 0 if the folder has none.
extern "C" int sst_load_cuda(int* found) {
  SST_GUARD({
    *found = 0;
    Dl_info info;
    auto symbol = reinterpret_cast<void*>(&at::globalContext);
    if (dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return 0;
    std::string path(info.dli_fname);
    auto slash = path.rfind('/');
    path = (slash == std::string::npos ? std::string() : path.substr(0, slash + 1)) + "libtorch_cuda.so";
    if (FILE* file = fopen(path.c_str(), "rb")) {
      fclose(file);
    } else {
      return 0;
    }
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      sst_error = dlerror();
      return 1;
    }
    *found = 1;
  })
}

// The major compute capability of a GPU, from the CUDA runtime that libtorch has loaded. libtorch itself has no
// function for it.
extern "C" int sst_cuda_capability(int device, int* major) {
  SST_GUARD({
    constexpr int kMajor = 75;  // cudaDevAttrComputeCapabilityMajor
    auto ask = reinterpret_cast<int (*)(int*, int, int)>(dlsym(RTLD_DEFAULT, "cudaDeviceGetAttribute"));
    TORCH_CHECK(ask != nullptr, "the CUDA runtime is not loaded");
    auto code = ask(major, kMajor, device);
    TORCH_CHECK(code == 0, "the CUDA runtime does not know GPU ", device, " (error ", code, ")");
  })
}

}  // namespace sst::device
