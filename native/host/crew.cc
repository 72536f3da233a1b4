#include "crew.h"

#include <algorithm>
#include <utility>

namespace xenferry::host {

Crew& Crew::instance() {
  static Crew crew{std::max(1U, std::thread::hardware_concurrency()) - 1};
  return crew;
}

Crew::Crew(std::size_t thread_count) {
  for (std::size_t number = 0; number < thread_count; ++number) {
    threads_.emplace_back([this] { thread_main(); });
  }
}

Crew::~Crew() {
  {
    const std::lock_guard lock{mutex_};
    must_exit_ = true;
  }
  has_job_.notify_all();
}

void Crew::run(std::size_t part_count, const std::function<void(std::size_t)>& work) {
  const std::lock_guard turn{running_};
  Job job{.work = &work, .part_count = part_count};
  std::unique_lock lock{mutex_};
  job_ = &job;
  if (part_count > 1) has_job_.notify_all();
  take_parts(job, lock);
  has_finished_.wait(lock, [&job] { return job.finished == job.part_count; });
  job_ = nullptr;
  if (job.failure != nullptr) std::rethrow_exception(job.failure);
}

void Crew::thread_main() {
  std::unique_lock lock{mutex_};
  for (;;) {
    has_job_.wait(
        lock, [this] { return must_exit_ || (job_ != nullptr && job_->next < job_->part_count); });
    if (must_exit_) return;
    take_parts(*job_, lock);
  }
}

void Crew::take_parts(Job& job, std::unique_lock<std::mutex>& lock) {
  while (job.next < job.part_count) {
    const std::size_t part = job.next++;
    lock.unlock();
    std::exception_ptr failure;
    try {
      (*job.work)(part);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure != nullptr && job.failure == nullptr) job.failure = failure;
    if (++job.finished == job.part_count) has_finished_.notify_one();
  }
}

}  // namespace xenferry::host
