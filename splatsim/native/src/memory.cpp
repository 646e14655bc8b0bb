#include "memory.hpp"

#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace splatsim {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kGranularity = size_t{64} << 10;
constexpr size_t kKept = size_t{512} << 20;  // bytes that the list of free blocks may hold

struct Block {
  void* data;
  size_t capacity;
};

// Never destroyed: arrays may be freed while the interpreter shuts down.
struct FreeBlocks {
  std::mutex mutex;
  std::vector<Block> blocks;  // oldest first
  size_t bytes = 0;
};

FreeBlocks& free_blocks() {
  static auto* list = new FreeBlocks;
  return *list;
}

}  // namespace

void* take_block(size_t bytes, size_t& capacity) {
  FreeBlocks& list = free_blocks();
  {
    const std::lock_guard<std::mutex> lock(list.mutex);
    size_t best = list.blocks.size();
    for (size_t i = 0; i < list.blocks.size(); ++i) {
      const size_t have = list.blocks[i].capacity;
      const bool fits = have >= bytes && have <= 2 * bytes + kGranularity;
      if (fits && (best == list.blocks.size() || have < list.blocks[best].capacity)) best = i;
    }
    if (best < list.blocks.size()) {
      const Block block = list.blocks[best];
      list.blocks.erase(list.blocks.begin() + static_cast<std::ptrdiff_t>(best));
      list.bytes -= block.capacity;
      capacity = block.capacity;
      return block.data;
    }
  }
  // A tenth more than asked for: the next frame is a little larger or smaller than this one.
  const size_t wanted = bytes + bytes / 10;
  capacity = (wanted + kGranularity - 1) / kGranularity * kGranularity;
  void* data = std::aligned_alloc(kAlignment, capacity);
  if (!data) throw std::bad_alloc();
  return data;
}

void give_block(void* data, size_t capacity) {
  FreeBlocks& list = free_blocks();
  const std::lock_guard<std::mutex> lock(list.mutex);
  list.blocks.push_back({data, capacity});
  list.bytes += capacity;
  while (list.bytes > kKept) {
    list.bytes -= list.blocks.front().capacity;
    std::free(list.blocks.front().data);
    list.blocks.erase(list.blocks.begin());
  }
}

}  // namespace splatsim
