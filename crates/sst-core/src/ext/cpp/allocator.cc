// Memory of tensors on the CPU that is kept when they are freed, and handed out again.
#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <sys/mman.h>

#include <map>
#include <mutex>
#include <unordered_map>

#include "bridge.h"

namespace {

// Smaller tensors are malloc's, which is good at them.
constexpr size_t kLarge = size_t{1} << 20;
constexpr size_t kPage = 4096;
// What is kept beside the most that was ever in use at once: an eighth of it, and this much in any case, which
// is what batches of many sizes need.
constexpr size_t kShare = 8;
constexpr size_t kSpare = size_t{64} << 20;

// Up to an eighth more, so that tensors of nearly the same size can take each other's place.
size_t rounded(size_t n) {
  size_t step = kPage;
  while (step * 16 < n) step *= 2;
  return (n + step - 1) / step * step;
}

class Caching final : public at::Allocator {
 public:
  explicit Caching(at::Allocator* small) : small_(small) {}

  at::DataPtr allocate(size_t n) override {
    if (n < kLarge) return small_->allocate(n);
    void* data = take(rounded(n));
    if (data == nullptr) {
      // In the words of libtorch's own allocator, by which the shortage is known.
      TORCH_CHECK(false, "DefaultCPUAllocator: not enough memory: you tried to allocate ", n, " bytes.");
    }
    return {data, data, &Caching::give_back, at::Device(at::DeviceType::CPU)};
  }

  at::DeleterFnPtr raw_deleter() const override { return &Caching::give_back; }

  void copy_data(void* to, const void* from, size_t count) const override {
    default_copy_data(to, from, count);
  }

  static Caching* instance;

 private:
  static void give_back(void* data) {
    auto& self = *instance;
    std::unique_lock<std::mutex> lock(self.mutex_);
    auto found = self.live_.find(data);
    if (found == self.live_.end()) {
      lock.unlock();
      self.small_->raw_deleter()(data);
      return;
    }
    auto size = found->second;
    self.live_.erase(found);
    self.live_bytes_ -= size;
    self.kept_.emplace(size, data);
    self.kept_bytes_ += size;
  }

  void* take(size_t size) {
    std::lock_guard<std::mutex> lock(mutex_);
    void* data = nullptr;
    auto found = kept_.lower_bound(size);
    if (found != kept_.end() && found->first <= size + size / 4) {
      std::tie(size, data) = *found;
      kept_.erase(found);
      kept_bytes_ -= size;
    } else {
      auto peak = std::max(most_bytes_, live_bytes_ + size);
      while (kept_bytes_ > 0 && live_bytes_ + kept_bytes_ + size > peak + std::max(peak / kShare, kSpare)) drop();
      data = map(size);
      while (data == nullptr && kept_bytes_ > 0) {
        drop();
        data = map(size);
      }
      if (data == nullptr) return nullptr;
    }
    live_[data] = size;
    live_bytes_ += size;
    most_bytes_ = std::max(most_bytes_, live_bytes_);
    return data;
  }

  static void* map(size_t size) {
    void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return nullptr;
    // Large pages where the system has them: fewer to be made.
    madvise(data, size, MADV_HUGEPAGE);
    return data;
  }

  // Gives the largest block that is kept back to the system.
  void drop() {
    auto last = std::prev(kept_.end());
    kept_bytes_ -= last->first;
    munmap(last->second, last->first);
    kept_.erase(last);
  }

  at::Allocator* small_;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> live_;
  std::multimap<size_t, void*> kept_;
  size_t live_bytes_ = 0, kept_bytes_ = 0, most_bytes_ = 0;
};

Caching* Caching::instance = nullptr;

}  // namespace

extern "C" int sst_keep_freed_memory() {
  SST_GUARD({
    if (Caching::instance != nullptr) return 0;
    // Never destroyed: tensors outlive main.
    Caching::instance = new Caching(c10::GetCPUAllocator());
    c10::SetCPUAllocator(Caching::instance, /*priority=*/100);
#ifdef __GLIBC__
    // Fixed bounds for what is smaller: glibc raises them as large pieces are freed, and its heaps then go on growing.
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
  })
}
