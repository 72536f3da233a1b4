// The contestants. Each does its work once and prints one line of JSON (see print_report).
#pragma once

#include <span>

#include "support.h"

namespace xenferry::bench {

// address= bytes=: memory of random content through a socket, 1 MiB a writev.
void raw_send(const Options& options);

// address= bytes= into=hot|mapped|pwrite: takes that into one reused buffer, into fresh memory
// through its mapping, or into fresh memory by way of a 256 KiB buffer and pwrite.
void raw_receive(const Options& options);

// address= bytes=: Xen's stock save loop over memory of random content.
void stock_send(const Options& options);

// address= bytes=: Xen's stock restore loop into fresh memory; checks what arrived.
void stock_receive(const Options& options);

// bytes=: copies that much memory, and reads it.
void copy_memory(const Options& options);
void read_memory(const Options& options);

// path= bytes=: writes a file past the page cache, up to its being on the medium.
void write_direct(const Options& options);

// path=: reads a file past the page cache; takes one out of the page cache.
void read_direct(const Options& options);
void drop_file(const Options& options);

// path= bytes= seed=: makes a file of random content; path=: prints the sum of a file.
void make_random_file(const Options& options);
void sum_file(const Options& options);

// Runs a program, writes to the file `out` what it used, and returns its exit status.
int run_counted(const char* out, std::span<char*> command);

}  // namespace xenferry::bench
