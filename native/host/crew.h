// Threads that wait for work which a guest may stand still for.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace xenferry::host {

// A thread for each CPU but the caller's. To wake them takes a tenth of what starting them does.
class Crew {
 public:
  // The one of this process, made when it is first asked for.
  static Crew& instance();

  explicit Crew(std::size_t thread_count);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Those who work at a run, the caller among them.
  std::size_t size() const { return threads_.size() + 1; }

  // Has `work` called once with each number below `part_count`, by the caller too, and returns when
  // all calls have; one run at a time. Rethrows the first of what they threw.
  void run(std::size_t part_count, const std::function<void(std::size_t)>& work);

 private:
  struct Job {
    const std::function<void(std::size_t)>* work;
    std::size_t part_count;
    std::size_t next = 0;
    std::size_t finished = 0;
    std::exception_ptr failure;
  };

  void thread_main();
  // Takes parts until none are left. `lock` is on `mutex_`.
  void take_parts(Job& job, std::unique_lock<std::mutex>& lock);

  std::mutex running_;
  std::mutex mutex_;
  std::condition_variable has_job_;
  std::condition_variable has_finished_;
  Job* job_ = nullptr;
  bool must_exit_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace xenferry::host
