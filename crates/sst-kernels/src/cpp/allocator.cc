// A caching allocator for CPU tensors: freed memory is kept and handed out again, as a whole or in parts.
//
// All blocks lie in one range of addresses, so that adjacent free blocks can be merged. The first use of a page is
// expensive: the kernel clears it, and the host of a virtual machine may have to allocate it. Free memory that was
// used before is therefore handed out before fresh memory.
#include "bridge.h"

#include <new>

namespace sst::allocator {

// Smaller tensors use malloc, which handles them well.
constexpr size_t kLarge = size_t{64} << 10;
constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;
// The free memory that is kept, beyond the peak of the memory in use: an eighth of the peak, and at least this much.
// Batches of many sizes need it.
constexpr size_t kShare = 8;
constexpr size_t kSpare = size_t{64} << 20;
// The size of the address range, as a multiple of the machine's memory. Unused addresses cost no memory, and free
// blocks may be too small for a while.
constexpr size_t kAddresses = 4;
// The smallest step by which the usable part of the range grows.
constexpr size_t kGrowth = size_t{64} << 20;

// Rounds up by at most a sixteenth, so that tensors of similar sizes leave no small gaps between them.
size_t rounded(size_t n) {
  size_t step = kPage;
  while (step * 16 < n) step *= 2;
  return (n + step - 1) / step * step;
}

// A free block, up to the next live block or the end of the usable range.
struct Free {
  size_t size;
  // The number of bytes at the start that may have been written since the system provided them; the others are fresh.
  size_t used;
};

class Caching final : public at::Allocator {
 public:
  explicit Caching(at::Allocator* small) : small_(small) {
    auto pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t wanted = pages > 0 && page > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(page) * kAddresses : 0;
    // A limit on the address space (ulimit -v) may allow less.
    for (; wanted >= kSpare; wanted /= 2) {
      void* range = mmap(nullptr, wanted, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (range == MAP_FAILED) continue;
      auto start = reinterpret_cast<uintptr_t>(range);
      auto skipped = (kHugePage - start % kHugePage) % kHugePage;
      start_ = static_cast<char*>(range) + skipped;
      limit_ = (wanted - skipped) / kHugePage * kHugePage;
      return;
    }
  }

  at::DataPtr allocate(size_t n) override {
    if (n < kLarge || start_ == nullptr) return small_->allocate(n);
    void* data = n <= limit_ ? take(rounded(n)) : nullptr;
    if (data == nullptr) {
      // The wording of libtorch's own allocator, by which callers recognise the error.
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
  using Blocks = std::map<char*, Free>;

  // Must not throw: libtorch calls it in destructors.
  static void give_back(void* data) noexcept {
    auto& self = *instance;
    auto* at = static_cast<char*>(data);
    if (at < self.start_ || at >= self.start_ + self.limit_) {
      self.small_->raw_deleter()(data);
      return;
    }
    std::lock_guard<std::mutex> lock(self.mutex_);
    auto live = self.live_.find(at);
    if (live == self.live_.end()) return;
    auto size = live->second;
    self.live_.erase(live);
    self.live_bytes_ -= size;
    self.kept_bytes_ += size;
    try {
      self.insert(at, {size, size});
    } catch (const std::bad_alloc&) {
      // There is no memory for the record of the free block. Its pages go back to the system, and its addresses are
      // not used again.
      self.kept_bytes_ -= size;
      madvise(at, size, MADV_DONTNEED);
    }
  }

  void* take(size_t size) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto block = best(size);
    if (block == free_.end()) {
      block = grow(size);
      if (block == free_.end()) return nullptr;
    }
    // The start of the block is handed out, and the rest stays free.
    auto [at, found] = *block;
    auto used = std::min(found.used, size);
    free_.erase(block);
    if (found.size > size) free_[at + size] = {found.size - size, found.used - used};
    live_[at] = size;
    kept_bytes_ -= used;
    live_bytes_ += size;
    most_bytes_ = std::max(most_bytes_, live_bytes_);
    auto spare = std::max(most_bytes_ / kShare, kSpare);
    while (kept_bytes_ > 0 && live_bytes_ + kept_bytes_ > most_bytes_ + spare) drop();
    return at;
  }

  // The block that needs the fewest fresh bytes; among equals the smallest.
  Blocks::iterator best(size_t size) {
    auto best = free_.end();
    size_t fewest = 0;
    for (auto block = free_.begin(); block != free_.end(); ++block) {
      const auto& found = block->second;
      if (found.size < size) continue;
      auto fresh = size - std::min(size, found.used);
      if (best == free_.end() || fresh < fewest || (fresh == fewest && found.size < best->second.size)) {
        best = block;
        fewest = fresh;
      }
    }
    return best;
  }

  // Extends the usable range by a block of at least this size.
  Blocks::iterator grow(size_t size) {
    auto* end = start_ + length_;
    size_t there = 0;
    if (!free_.empty()) {
      auto& [at, last] = *free_.rbegin();
      if (at + last.size == end) there = last.size;
    }
    auto more = std::max(size - there, kGrowth);
    more = std::min((more + kHugePage - 1) / kHugePage * kHugePage, limit_ - length_);
    if (there + more < size || mprotect(end, more, PROT_READ | PROT_WRITE) != 0) return free_.end();
    // Large pages, where the system has them, need fewer page faults.
    madvise(end, more, MADV_HUGEPAGE);
    length_ += more;
    return insert(end, {more, 0});
  }

  // Adds a free block and merges it with free neighbours.
  Blocks::iterator insert(char* at, Free block) {
    auto after = free_.lower_bound(at);
    if (after != free_.end() && at + block.size == after->first) {
      block = joined(block, after->second);
      after = free_.erase(after);
    }
    if (after != free_.begin()) {
      auto before = std::prev(after);
      if (before->first + before->second.size == at) {
        before->second = joined(before->second, block);
        return before;
      }
    }
    return free_.emplace_hint(after, at, block);
  }

  Free joined(const Free& a, const Free& b) {
    if (b.used == 0) return {a.size + b.size, a.used};
    // Fresh bytes between used bytes count as used.
    kept_bytes_ += a.size - a.used;
    return {a.size + b.size, a.size + b.used};
  }

  // Returns the pages of the block with the most used bytes to the system.
  void drop() {
    auto less = [](const auto& a, const auto& b) { return a.second.used < b.second.used; };
    auto& [at, most] = *std::max_element(free_.begin(), free_.end(), less);
    madvise(at, most.used, MADV_DONTNEED);
    kept_bytes_ -= most.used;
    most.used = 0;
  }

  at::Allocator* small_;
  std::mutex mutex_;
  // The range and its usable part, in which every byte is live or free.
  char* start_ = nullptr;
  size_t limit_ = 0, length_ = 0;
  std::unordered_map<char*, size_t> live_;
  Blocks free_;
  // Kept bytes are the used bytes of free blocks.
  size_t live_bytes_ = 0, kept_bytes_ = 0, most_bytes_ = 0;
};

Caching* Caching::instance = nullptr;

extern "C" int sst_keep_freed_memory() {
  SST_GUARD({
    if (Caching::instance != nullptr) return 0;
    // Never destroyed, as tensors may outlive main.
    Caching::instance = new Caching(c10::GetCPUAllocator());
    c10::SetCPUAllocator(Caching::instance, /*priority=*/100);
#ifdef __GLIBC__
    // Fixed thresholds for smaller allocations. Otherwise glibc raises them when large blocks are freed, and its
    // heaps keep growing.
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
  })
}

}  // namespace sst::allocator
