// Tests of native/xen/pv_*: prints what fails, and how much there was; exit status 1 on a failure.
#include "pv_tests.h"

#include "../check.h"

int main() {
  using namespace xenferry::test;
  test_frames();
  test_tables();
  test_p2m();
  test_vcpu();
  test_shared();
  test_pins();
  std::printf("%d checks, %d failures\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
