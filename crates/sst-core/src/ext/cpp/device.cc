// Errors, and the CUDA libraries when they lie beside the CPU ones.
#include "bridge.h"

namespace sst::device {


extern "C" const char* sst_last_error() { return sst_error.c_str(); }

// Loads libtorch_cuda from the folder of the libtorch_cpu in use. found: 0 if there is none there.
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

}  // namespace sst::device
