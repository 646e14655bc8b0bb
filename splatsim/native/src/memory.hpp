// Uninitialised arrays that are handed from one frame to the next, so that a training step touches no new pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace splatsim {

// Blocks from a shared list of recently freed ones. Throws std::bad_alloc. Compiled once, outside the kernels.
void* take_block(size_t bytes, size_t& capacity);
void give_block(void* block, size_t capacity);

template <class T>
class Array {
 public:
  Array() = default;
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { release(); }

  // Room for `size` items; what was there before is lost.
  // Always inlined: a copy that was compiled for a newer processor must not serve an older one.
  [[gnu::always_inline]] void resize(size_t size) {
    if (size * sizeof(T) > capacity_) {
      release();
      data_ = static_cast<T*>(take_block(size * sizeof(T), capacity_));
    }
    size_ = size;
  }
  [[gnu::always_inline]] void release() {
    if (data_) give_block(data_, capacity_);
    data_ = nullptr;
    size_ = capacity_ = 0;
  }
  T* data() const { return data_; }
  size_t size() const { return size_; }
  T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;  // bytes
};

}  // namespace splatsim
