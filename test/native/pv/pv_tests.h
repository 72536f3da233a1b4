#pragma once

namespace xenferry::test {

void test_frames();
void test_tables();
void test_p2m();
void test_vcpu();
void test_shared();
void test_pins();

}  // namespace xenferry::test
